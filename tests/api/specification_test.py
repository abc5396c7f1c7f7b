#!/usr/bin/env python3
"""The specification's own example, line by line, with curl: its configuration file in
~/.francinerc, its requests, and the answers that it promises."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import openapi  # noqa: E402
from fake_clouds import FakeClouds  # noqa: E402
from harness import SystemTest, wait_until  # noqa: E402

FRANCINERC = """
{
    "gce": {
        "project": "a-project",
        "zone": "us-central1-a",
        "masterMachineType": "n1-highcpu-2",
        "workerMachineType": "n1-highcpu-4",
        "isPreemptive": true,
        "prefix": "francine"
    },
    "dropbox": {"apiKey": "fake client", "apiSecret": "fake secret"},
    "users": {"yourusernameforfrancine": "yourpasswordforfrancine"},

    "privateKey": "a private key for the tokens that this server issues",

    "ltePath": "/path/to/lte/lte_Linux_x64",
    "malliePath": "/path/to/mallie",

    "restPort": 3000, // flags are stronger
    "wsPort": 3001,

    "instanceManagerType": "static",
    "staticInstanceSize": 256,
    "manageInterval": 60,

    "disableZombieDestroy": false,
    "chaos": 0
}
"""


class Specification(SystemTest):
    def setUp(self):
        home = self.directory()
        self.clouds = FakeClouds()
        self.addCleanup(self.clouds.close)
        dropbox = self.clouds.dropbox
        path = os.path.join(home, ".francinerc")
        with open(path, "w", encoding="utf-8") as file:
            file.write(FRANCINERC)
        os.chmod(path, 0o600)
        # The file is the specification's; that Dropbox is not the real one is said beside it.
        self.master = self.server("--dropbox-authorize-url", dropbox["authorizeUrl"],
                                  "--dropbox-token-url", dropbox["tokenUrl"], HOME=home)
        self.token = None

    def curl(self, path, *arguments):
        """The body of an answer and its type."""
        command = ["curl", "-sS", "-w", "\\n%{http_code} %{content_type}", *arguments]
        if self.token:
            command += ["-H", f"X-API-Token: {self.token}"]
        done = subprocess.run([*command, self.master.url + path], capture_output=True, check=True,
                              timeout=120)
        body, _, end = done.stdout.rpartition(b"\n")
        status, _, content_type = end.decode().partition(" ")
        method = arguments[arguments.index("-X") + 1] if "-X" in arguments else "GET"
        method = "POST" if "-d" in arguments else method
        complaint = openapi.REST.complaint(method, path, int(status),
                                           {"Content-Type": content_type}, body)
        self.assertIsNone(complaint)
        return body, content_type

    def ask(self, path, *arguments):
        return json.loads(self.curl(path, *arguments)[0])

    def log_in(self):
        answer = self.ask("/auth", "-d", json.dumps({
            "userName": "yourusernameforfrancine", "password": "yourpasswordforfrancine"}))
        self.token = answer["authToken"]

    def test_authentication(self):
        self.assertIn("error", self.ask("/auth", "-d", json.dumps({
            "userName": "yourusernameforfrancine", "password": "another"})))
        self.assertIn("error", self.ask("/sessions", "-d", '{"producer": "ao"}'))
        self.log_in()
        status = self.ask("/auth/dropbox")
        self.assertFalse(status["authorized"])
        code, _ = self.clouds.agree("dropbox", status["authorizeUrl"])
        self.assertIn("error", self.ask("/auth/dropbox", "-d", '{"code": "a code"}'))
        self.assertEqual(self.ask("/auth/dropbox", "-d", json.dumps({"code": code})),
                         {"success": True})
        self.assertTrue(self.ask("/auth/dropbox")["authorized"])
        self.assertIn("name", self.ask("/sessions", "-d", '{"producer": "ao"}'))

    def test_sessions_and_executions(self):
        self.log_in()
        session = self.ask("/sessions", "-d",
                           '{"producer": "ao", "format": "jpg", "resources": []}')
        path = f"/sessions/{session['name']}"
        self.assertEqual(session["userName"], "yourusernameforfrancine")

        picture, content_type = self.curl(f"{path}/executions?block=true", "-d",
                                          '{"parallel": 8, "update": {"width": 64, "height": 64}}')
        self.assertEqual((picture[:2], content_type), (b"\xff\xd8", "image/jpeg"))

        execution = self.ask(f"{path}/executions", "-d", '{"parallel": 8, "update": {}}')
        self.assertEqual(execution["sessionName"], session["name"])
        one = f"{path}/executions/{execution['name']}"
        wait_until("it has finished", lambda: self.ask(one)["finished"])
        # The same scene, updates, parallel and seed: the update stayed.
        self.assertEqual(self.curl(f"{one}/result")[0], picture)
        self.assertEqual(len(self.ask(path)["executionNames"]), 2)

        self.assertEqual(self.ask(path, "-X", "DELETE"), {"success": True})
        self.assertIn("error", self.ask(path))

    def test_a_session_that_blocks(self):
        self.log_in()
        picture, content_type = self.curl("/sessions?block=true", "-d",
                                          '{"producer": "ao", "format": "png"}')
        self.assertEqual((picture[:4], content_type), (b"\x89PNG", "image/png"))

    def test_the_first_picture(self):
        self.log_in()
        for path in ("/", "/?parallel=16"):
            picture, content_type = self.curl(path)
            self.assertEqual((picture[:2], content_type), (b"\xff\xd8", "image/jpeg"))


if __name__ == "__main__":
    unittest.main()
