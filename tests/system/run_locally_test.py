#!/usr/bin/env python3
"""run_locally.sh: what a newcomer does, against the build that is there."""

import json
import os
import select
import signal
import subprocess
import sys
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from certificates import make_certificates
from harness import (ROOT, SERVER, SLOWNESS, SQUARE_OBJ, SystemTest, environment,
                     kill_marked, marked_processes)

SCRIPT = os.path.join(ROOT, "run_locally.sh")
FLAGS = ["--rest-port", "0", "--ws-port", "0", "--port", "0"]


@unittest.skipUnless(os.path.realpath(SERVER).startswith(os.path.join(ROOT, "build", "")),
                     "run_locally.sh serves build/, and this is another build")
class RunLocally(SystemTest):
    def start(self, *arguments, configuration=None):
        self.mark = uuid.uuid4().hex
        self.place = self.directory()
        self.scratch = self.directory()
        if configuration is not None:
            with open(os.path.join(self.scratch, ".francinerc"), "w", encoding="utf-8") as file:
                json.dump(configuration, file)
        process = subprocess.Popen(
            [SCRIPT, *arguments, *FLAGS], cwd=self.place, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=environment(self.mark, TMPDIR=self.scratch, HOME=self.scratch))
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(kill_marked, self.mark)
        return process

    def assert_left_clean(self):
        self.assertEqual(marked_processes(self.mark), [])
        self.assertEqual([f for f in os.listdir(self.scratch) if f.startswith("francine")], [])

    def picture(self):
        with open(os.path.join(self.place, "ao.jpg"), "rb") as file:
            return file.read()

    def test_once(self):
        process = self.start("--once")
        output = process.communicate(timeout=60 * SLOWNESS)[0]
        self.assertEqual(process.returncode, 0, output)
        self.assertIn("ao.jpg", output)
        self.assertEqual(self.picture()[:2], b"\xff\xd8")
        self.assert_left_clean()

    def test_a_second_run_builds_nothing(self):
        self.start("--once").communicate(timeout=60 * SLOWNESS)
        output = self.start("--once").communicate(timeout=60 * SLOWNESS)[0]
        self.assertIn("ao.jpg", output)
        self.assertNotIn("Building ...", output)

    def test_once_with_a_mesh(self):
        mesh = os.path.join(self.directory(), "square.obj")
        with open(mesh, "wb") as file:
            file.write(SQUARE_OBJ)
        process = self.start("--once", mesh)
        output = process.communicate(timeout=60 * SLOWNESS)[0]
        self.assertEqual(process.returncode, 0, output)
        self.assertEqual(self.picture()[:2], b"\xff\xd8")
        self.assert_left_clean()

    def test_serves_until_told_to_stop(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                process = self.start()
                output = self.read_until(process, "?parallel=64")
                self.assertRegex(output, r"serves at http://localhost:\d+ "
                                         r"\(WebSocket: ws://localhost:\d+\)")
                # As Ctrl-C does: bash tells its children nothing of it.
                process.send_signal(number)
                rest = process.communicate(timeout=60 * SLOWNESS)[0]
                self.assertEqual(process.returncode, 0, output + rest)
                self.assert_left_clean()

    def test_where_the_configuration_has_users(self):
        configuration = {"users": {"yourusernameforfrancine": "yourpasswordforfrancine"},
                         "privateKey": "(private key for auth token francine issues)",
                         "staticInstanceSize": 2}
        process = self.start(configuration=configuration)
        output = self.read_until(process, "/info\n")
        self.assertIn("has users", output)
        self.assertIn("/francine login --server http://localhost:", output)
        self.assertFalse(os.path.exists(os.path.join(self.place, "ao.jpg")))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60 * SLOWNESS), 0, output)
        self.assert_left_clean()

        process = self.start("--once", configuration=configuration)
        output = process.communicate(timeout=60 * SLOWNESS)[0]
        self.assertEqual(process.returncode, 1, output)
        self.assertIn("has users", output)
        self.assert_left_clean()

        process = self.start("--once", configuration={**configuration, "publicDemo": True})
        output = process.communicate(timeout=60 * SLOWNESS)[0]
        self.assertEqual(process.returncode, 0, output)
        self.assertEqual(self.picture()[:2], b"\xff\xd8")

    def test_where_the_configuration_has_certificates(self):
        files = self.directory()
        make_certificates(files)
        tls = {"certificate": os.path.join(files, "master.pem"),
               "key": os.path.join(files, "master-key.pem"),
               "ca": os.path.join(files, "ca.pem")}
        process = self.start(configuration={"tls": tls})
        output = self.read_until(process, "?parallel=64")
        self.assertRegex(output, r"serves at https://localhost:\d+ "
                                 r"\(WebSocket: wss://localhost:\d+\)")
        self.assertIn(f"--ca '{tls['ca']}'", output)
        self.assertEqual(self.picture()[:2], b"\xff\xd8")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60 * SLOWNESS), 0, output)
        self.assert_left_clean()

    def read_until(self, process, word):
        output = ""
        while word not in output:
            self.assertTrue(select.select([process.stdout], [], [], 60 * SLOWNESS)[0], output)
            # Not readline(), whose buffer select() knows nothing of.
            piece = os.read(process.stdout.fileno(), 4096)
            self.assertTrue(piece, output)
            output += piece.decode()
        return output

    def test_what_cannot_work_says_so(self):
        for arguments, code, word in ((["--no-such-flag"], 1, "unknown flag"),
                                      (["--once", "missing.obj"], 2, "missing.obj")):
            with self.subTest(arguments):
                process = self.start(*arguments)
                output = process.communicate(timeout=60 * SLOWNESS)[0]
                self.assertEqual(process.returncode, code, output)
                self.assertIn(word, output)
                self.assert_left_clean()


if __name__ == "__main__":
    unittest.main()
