#!/usr/bin/env python3
"""The request log: who asked what, when, with what answer."""

import json
import os
import re
import stat
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import SystemTest, wait_until
from websocket_client import SMALL, Client, WebSocketTest, steps

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def entries(server):
    with open(os.path.join(server.data, "requests.log"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def entry_of(server, request, **members):
    """The last entry of this request, as soon as it is there."""
    def find():
        found = [entry for entry in entries(server) if entry["request"] == request
                 and all(entry.get(name) == value for name, value in members.items())]
        return found and found[-1]
    return wait_until(f"the entry of {request} {members}", find)


class RequestLogTest(SystemTest):
    def test_every_request_is_told(self):
        server = self.server(workers=1)
        session = server.new_session()
        entry = entry_of(server, "POST /sessions")
        self.assertEqual({**entry, "time": 0, "microseconds": 0, "bytes": 0}, {
            "time": 0, "user": "", "address": "127.0.0.1", "interface": "rest",
            "request": "POST /sessions", "status": 201, "microseconds": 0, "bytes": 0,
            "id": session})
        self.assertTrue(TIME.fullmatch(entry["time"]))
        self.assertGreater(entry["microseconds"], 0)
        path = f"/sessions/{session}/executions"
        picture = server.post(path + "?block&secret=1", {"parallel": 1, "update": SMALL})
        self.assertEqual(entry_of(server, f"POST {path}", status=200)["bytes"], len(picture.body))
        for method, path, status in (("GET", "/nothing", 404), ("DELETE", "/info", 405),
                                     ("GET", "/sessions/none", 404), ("POST", "/sessions", 400)):
            self.assertEqual(server.request(method, path, body="{").status, status)
            self.assertNotIn("id", entry_of(server, f"{method} {path}", status=status))
        server.get("/healthz")
        server.get("/info")
        entry_of(server, "GET /info")
        self.assertFalse([e for e in entries(server) if "healthz" in e["request"]])
        self.assertNotIn("secret", json.dumps(entries(server)))
        mode = os.stat(os.path.join(server.data, "requests.log")).st_mode
        self.assertEqual(stat.S_IMODE(mode), 0o600)

    def test_bounded(self):
        limit = 1 << 16
        server = self.server("--max-request-log-bytes", str(limit), workers=1)
        for _ in range(600):
            server.get("/info")

        def sizes():
            try:
                return [os.path.getsize(os.path.join(server.data, name))
                        for name in os.listdir(server.data) if name.startswith("requests.log")]
            except FileNotFoundError:  # just being put aside
                return []
        wait_until("the files are rotated", lambda: len(sizes()) == 8)
        self.assertLessEqual(sum(sizes()), limit + 8 * 300)

    def test_off(self):
        server = self.server("--request-log=false", workers=1)
        server.get("/info")
        self.assert_stops_clean(server)
        self.assertNotIn("requests.log", os.listdir(server.data))

    def test_what_waits_is_written_at_the_end(self):
        server = self.server(workers=1)
        for _ in range(50):
            server.get("/workers")
        self.assert_stops_clean(server)
        self.assertEqual(sum(e["request"] == "GET /workers" for e in entries(server)), 50)


class WebSocketCommandsTest(WebSocketTest):
    @steps
    async def test_commands_are_told(self):
        server = self.server(workers=1)
        async with Client(server) as client:
            session = await client.new_session()
            self.assertEqual(entry_of(server, "createSession")["id"], session)
            await client.ask("createExecution", sessionName=session, parallel=1, update=SMALL)
            entry = entry_of(server, "createExecution")
            self.assertEqual((entry["interface"], entry["status"]), ("websocket", 200))
            self.assertEqual(server.get(f"/sessions/{session}/executions/{entry['id']}").status,
                             200)
            await client.ask("getSession", sessionName="none")
            self.assertEqual(entry_of(server, "getSession")["status"], 404)
            await client.ask("mypassword")
            entry_of(server, "(unknown)", status=400)


if __name__ == "__main__":
    unittest.main()
