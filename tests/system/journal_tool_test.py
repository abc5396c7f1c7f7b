#!/usr/bin/env python3
"""francine-server journal on what a real master kept: explained, dumped, damaged,
refused, repaired, and gone on with."""

import json
import os
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SERVER, Server, SystemTest

RENDER = {"parallel": 2, "update": {"width": 32, "height": 32}}


class Journal(SystemTest):
    def journal(self, command, server, *flags):
        """(exit code, standard output, standard error)"""
        done = subprocess.run([SERVER, "journal", command, server.data, *flags],
                              capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def lived(self):
        """A master that has stopped, with two sessions, the first of which has rendered."""
        server = self.server(workers=1)
        names = [server.new_session(), server.new_session()]
        answer = server.post(f"/sessions/{names[0]}/executions?block=true", RENDER)
        self.assertEqual(answer.status, 200, answer.body[:300])
        self.assertEqual(self.journal("check", server)[0], 1)  # it is in use
        self.assertEqual(server.stop(), 0, server.log())
        return server, names

    def test_a_whole_journal(self):
        server, names = self.lived()
        code, out, _ = self.journal("check", server)
        self.assertEqual(code, 0, out)
        self.assertIn("sessions:  2 with 1 execution, of which 0 had not ended\n", out)
        self.assertIn("damage:    none\n", out)
        code, out, _ = self.journal("dump", server)
        self.assertEqual(code, 0)
        records = [json.loads(line) for line in out.splitlines()]
        created = [r["name"] for r in records if r["type"] == "sessionCreated"]
        self.assertEqual(created, names)
        ended = [r for r in records if r["type"] == "executionEnded"]
        self.assertEqual([r["phase"] for r in ended], ["finished"])

    def test_damage_is_refused_and_repaired(self):
        server, names = self.lived()
        _, out, _ = self.journal("dump", server)
        records = [json.loads(line) for line in out.splitlines()]
        second = [r.get("name") for r in records].index(names[1]) + 1
        path = os.path.join(server.data, "journal", "journal.sqlite")
        with sqlite3.connect(path) as database:
            database.execute("UPDATE records SET body = replace(body, '\"ao\"', '\"oa\"') "
                             "WHERE seq = ?", [second])
        database.close()
        refused = self.program("--rest-port", "0", "--ws-port", "0", "--port", "0",
                               "--data-dir", server.data)
        self.assertEqual(refused.wait(), 1)
        self.assertIn(f"is damaged: record {second}: its sum does not fit", refused.log())
        self.assertIn("francine-server journal check", refused.log())

        code, out, _ = self.journal("check", server)
        self.assertEqual(code, 1)
        self.assertIn(f"damage:    record {second}: its sum does not fit", out)
        code, out, _ = self.journal("repair", server, "--yes")
        self.assertEqual(code, 0, out)
        again = self.closing(Server(earlier=server, workers=1))
        self.assertEqual(again.get(f"/sessions/{names[0]}").status, 200)
        self.assertEqual(again.get(f"/sessions/{names[1]}").status, 404)
        answer = again.post(f"/sessions/{names[0]}/executions?block=true", RENDER)
        self.assertEqual(answer.status, 200, answer.body[:300])
        self.assertEqual(again.stop(), 0)
        self.assertEqual(self.journal("check", again)[0], 0)


if __name__ == "__main__":
    unittest.main()
