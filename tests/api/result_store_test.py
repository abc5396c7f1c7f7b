#!/usr/bin/env python3
"""Copies of finished pictures in an object store, as clients see them: where they are, what
goes wrong, and that they survive the master and their session."""

import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fake_clouds import FakeClouds  # noqa: E402
from harness import SERVER, SystemTest, wait_until  # noqa: E402

SMALL = {"width": 64, "height": 64}
CLI = os.environ.get("FRANCINE_CLI")
MANY = 1_000_000


class ResultStoreTest(SystemTest):
    def setUp(self):
        self.clouds = FakeClouds()
        self.addCleanup(self.clouds.close)

    def config(self, **store):
        path = os.path.join(self.directory(), "rc")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"resultStore": {**self.clouds.s3, "prefix": "farm/", **store}}, file)
        os.chmod(path, 0o600)
        return path

    def start(self, earlier=None, **store):
        self.master = self.server("--config", self.config(**store), earlier=earlier)
        return self.master

    def render(self, session=None):
        """The path of a finished execution, and its picture."""
        session = session or self.master.new_session()
        made = self.master.post(f"/sessions/{session}/executions",
                                {"parallel": 2, "update": SMALL})
        path = f"/sessions/{session}/executions/{made.json()['name']}"
        wait_until("it has finished",
                   lambda: self.master.get(path).json()["state"] == "finished")
        return path, self.master.get(f"{path}/result").body

    def copy(self, path):
        return self.master.get(path).json().get("resultStore", {})

    def wait_for(self, path, state):
        wait_until(f"the copy is {state}", lambda: self.copy(path).get("state") == state)
        return self.copy(path)

    def key(self, path):
        _, _, session, _, execution = path.split("/")
        return f"farm/{session}/{execution}.png"

    def test_where_it_is(self):
        self.start()
        path, picture = self.render()
        copy = self.wait_for(path, "stored")
        self.assertEqual(copy, {"state": "stored", "url": f"{self.clouds.s3['endpoint']}/"
                                f"{self.clouds.s3['bucket']}/{self.key(path)}"})
        self.assertEqual(self.clouds.object(self.key(path)), picture)
        _, _, session, _, execution = path.split("/")
        listed = self.master.get(f"/sessions/{session}/executions").json()["executions"]
        self.assertEqual([one["resultStore"] for one in listed], [copy])
        if CLI:
            shown = subprocess.run([CLI, "--server", self.master.url, "show", session, execution],
                                   capture_output=True, text=True, timeout=60)
            self.assertRegex(shown.stdout, rf"(?m)^result store +stored: {copy['url']}$")

    def test_a_master_that_is_killed_and_a_session_that_is_deleted(self):
        self.start()
        self.clouds.break_s3(MANY)
        path, picture = self.render()
        deleted, other = self.render()
        wait_until("both were tried", lambda: all("error" in self.copy(p) for p in (path, deleted)))
        self.assertIn("503", self.copy(path)["error"])
        self.assertEqual(self.copy(path)["state"], "pending")
        self.master.request("DELETE", deleted.rpartition("/executions")[0])
        self.master.process.kill()
        self.master.wait()
        self.clouds.break_s3(0)
        self.start(earlier=self.master)
        self.wait_for(path, "stored")
        self.assertEqual(self.clouds.object(self.key(path)), picture)
        wait_until("the other one is there, too",
                   lambda: self.clouds.object(self.key(deleted)) == other)
        # Nothing is done twice.
        before = self.clouds.counts("s3")[2]
        self.assertEqual(self.master.stop(), 0)
        self.start(earlier=self.master)
        self.assertEqual(self.copy(path)["state"], "stored")
        self.assertEqual(self.clouds.counts("s3")[2], before)

    def test_a_store_that_refuses(self):
        self.start(secretKey="a key of nobody")
        path, picture = self.render()
        error = self.wait_for(path, "failed")["error"]
        self.assertIn("SignatureDoesNotMatch", error)
        self.assertIn("resultStore.secretKey", error)
        wait_until("it is logged", lambda: error in self.master.log())
        self.assertNotIn("a key of nobody", self.master.log() + error)
        self.assertEqual(self.master.get(f"{path}/result").body, picture)
        self.assertEqual(self.master.stop(), 0)
        self.start(earlier=self.master)
        self.wait_for(path, "stored")
        self.assertEqual(self.clouds.object(self.key(path)), picture)

    def test_without_one(self):
        self.master = self.server()
        path, _ = self.render()
        self.assertEqual(self.copy(path), {})

    def test_what_is_configured(self):
        for store, word in (({"accessKey": "", "secretKey": ""}, "resultStore.accessKey"),
                            ({"bucket": "Our Bucket"}, "resultStore.bucket"),
                            ({"prefix": "../"}, "resultStore.prefix")):
            done = subprocess.run([SERVER, "check-config", "--config", self.config(**store)],
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(word, done.stderr)
        done = subprocess.run([SERVER, "check-config", "--config", self.config()],
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("farm/", done.stdout)
        self.assertNotIn(self.clouds.s3["secretKey"], done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
