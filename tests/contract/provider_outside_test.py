#!/usr/bin/env python3
"""Resource providers against what is not ours: an S3 server from npm (s3rver, installed
into a directory of this test), and a host with a public address (a network namespace).
s3rver reads signatures of version 4 but does not compute them; tests/support/s3_server.cc
does. What cannot be had is skipped, and says so."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["FRANCINE_CONTRACT_PROVIDERS"]
S3RVER = "s3rver@3.7.1"
DEADLINE = 120
NAMESPACE = f"francine-{os.getpid()}-public"
PUBLIC = "9.9.9.9"


def run_case(test, name, environment, before=()):
    done = subprocess.run([*before, PROGRAM, f"--test-case={name}"], timeout=DEADLINE,
                          env=os.environ | environment, capture_output=True, text=True)
    test.assertEqual(done.returncode, 0, done.stdout + done.stderr)
    test.assertIn("1 passed", done.stdout)


def ip(*arguments):
    return subprocess.run(["ip", *arguments], capture_output=True, text=True).returncode == 0


class S3(unittest.TestCase):
    def install(self, directory):
        if shutil.which("npm") is None:
            self.skipTest("no npm, so no s3rver")
        try:
            done = subprocess.run(
                ["npm", "install", "--no-audit", "--no-fund", "--prefix", directory, S3RVER],
                timeout=DEADLINE, capture_output=True, text=True, cwd=directory)
        except subprocess.TimeoutExpired:
            self.skipTest("npm takes too long to install s3rver")
        if done.returncode != 0:
            self.skipTest(f"npm cannot install s3rver: {done.stderr[-200:]}")

    def test_what_we_sign(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        self.install(directory)
        server = subprocess.Popen(
            ["node", os.path.join(directory, "node_modules/s3rver/bin/s3rver.js"), "--directory",
             os.path.join(directory, "data"), "--address", "127.0.0.1", "--port", "0",
             "--no-vhost-buckets", "--configure-bucket", "our-scenes"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        port = None
        for line in server.stdout:
            port = re.search(r"listening on 127\.0\.0\.1:(\d+)", line)
            if port:
                break
        self.assertTrue(port, "s3rver does not say where it listens")
        run_case(self, "an S3 server of others*", {
            "FRANCINE_S3_ENDPOINT": f"http://127.0.0.1:{port.group(1)}",
            "FRANCINE_S3_BUCKET": "our-scenes",
            "FRANCINE_S3_KEY": "S3RVER",
            "FRANCINE_S3_SECRET": "S3RVER",
        })


class Public(unittest.TestCase):
    def test_redirects_inside(self):
        if shutil.which("ip") is None or not ip("netns", "add", NAMESPACE):
            self.skipTest("no right to make network namespaces")
        self.addCleanup(ip, "netns", "delete", NAMESPACE)
        self.assertTrue(ip("-n", NAMESPACE, "link", "set", "lo", "up"))
        self.assertTrue(ip("-n", NAMESPACE, "address", "add", f"{PUBLIC}/32", "dev", "lo"))
        run_case(self, "a public address may be reached*", {"FRANCINE_PUBLIC_ADDRESS": PUBLIC},
                 before=["ip", "netns", "exec", NAMESPACE])


if __name__ == "__main__":
    unittest.main()
