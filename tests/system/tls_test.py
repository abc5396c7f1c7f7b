#!/usr/bin/env python3
"""A farm that speaks TLS: set up as docs/deployment.md says, the same picture as
without, and nobody let in who does not fit."""

import hashlib
import json
import os
import ssl
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from certificates import make_certificates
from harness import (MESHES, ROOT, SLOWNESS, SQUARE_OBJ, SystemTest, connect, png_size,
                     read_until_closed, wait_until)

SECRET = {"FRANCINE_CLUSTER_SECRET": "what a test whispers"}
UPDATE = {"width": int(160 / SLOWNESS), "height": int(120 / SLOWNESS)}


class Tls(SystemTest):
    def setUp(self):
        self.files = self.directory()
        make_certificates(self.files)
        self.tls = self.flags("master")

    def file(self, name):
        return os.path.join(self.files, name)

    def flags(self, name, ca="ca.pem"):
        return ["--tls-certificate", self.file(f"{name}.pem"),
                "--tls-key", self.file(f"{name}-key.pem"), "--tls-ca", self.file(ca)]

    def curl(self, *arguments):
        """What curl, who trusts our CA, gets; fails where it does."""
        done = subprocess.run(["curl", "-sS", "--cacert", self.file("ca.pem"), *arguments],
                              capture_output=True, check=False, timeout=120 * SLOWNESS)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout

    def curl_code(self, *arguments):
        return subprocess.run(["curl", "-sS", *arguments], capture_output=True, check=False,
                              timeout=60 * SLOWNESS).returncode

    def worker(self, port, *flags):
        return self.program("worker", "--master-host", "127.0.0.1", "--port", str(port),
                            "--slots", "1", *flags, **SECRET)

    def static_master(self, *flags):
        return self.server("--instance-type", "static", *flags, workers=0,
                           instance_type="static", **SECRET)

    def await_log(self, program, *words):
        wait_until(f"{words} in the log",
                   lambda: all(word in program.log() for word in words))

    def test_a_whole_farm_renders_the_same_picture(self):
        plain = self.server(workers=2)
        query = "/?parallel=8"
        expected = plain.get(query).sha256
        self.assert_stops_clean(plain)

        server = self.server(*self.tls, workers=2)
        base = f"https://127.0.0.1:{server.rest}"
        picture = self.curl(base + query)
        self.assertEqual(hashlib.sha256(picture).hexdigest(), expected)
        wait_until("both have joined",
                   lambda: json.loads(self.curl(base + "/info"))["workers"] == 2)
        for worker in json.loads(self.curl(base + "/workers"))["workers"]:
            self.assertTrue(worker["address"].startswith("https://127.0.0.1:"), worker)
        self.curl(f"https://localhost:{server.rest}/healthz")

        if MESHES:
            with self.subTest("resources travel by TLS"):
                self.render_mesh(base)
        with self.subTest("WebSocket"):
            self.upgrade(server.ws)
        with self.subTest("clients that do not fit"):
            self.assertEqual(self.curl_code(base + "/healthz"), 60)  # who is this CA?
            for host, code in (("farm.example.org", 0), ("other.example.org", 60)):
                self.assertEqual(self.curl_code(
                    "--cacert", self.file("ca.pem"), "--resolve",
                    f"{host}:{server.rest}:127.0.0.1",
                    f"https://{host}:{server.rest}/healthz"), code, host)
            refused = server.get("/healthz")
            self.assert_refused(refused, 400, "use https instead of http")
        self.assert_stops_clean(server)

    def upgrade(self, port):
        """By TLS, and what one hears who speaks plain."""
        ask = (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
               b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        context = ssl.create_default_context(cafile=self.file("ca.pem"))
        with context.wrap_socket(connect(port), server_hostname="localhost") as secure:
            secure.sendall(ask)
            self.assertTrue(secure.recv(1000).startswith(b"HTTP/1.1 101 "))
        with connect(port) as plain:
            plain.sendall(ask)
            self.assertTrue(read_until_closed(plain).startswith(b"HTTP/1.1 400 "))

    def render_mesh(self, base):
        scene = self.file("square.obj")
        with open(scene, "wb") as file:
            file.write(SQUARE_OBJ)
        identity = json.loads(self.curl("-T", scene, base + "/resources"))["id"]
        resource = {"type": "upload", "id": identity, "dst": "square.obj"}
        session = json.loads(self.curl(base + "/sessions", "-d", json.dumps(
            {"producer": "ao", "resources": [resource]})))
        picture = self.curl(f"{base}/sessions/{session['name']}/executions?block=true", "-d",
                            json.dumps({"parallel": 4, "update": UPDATE}))
        self.assertEqual(png_size(picture), (UPDATE["width"], UPDATE["height"]))

    def test_workers_join_with_tls_and_with_nothing_else(self):
        master = self.static_master(*self.tls)
        plain = self.worker(master.rpc)
        self.assertEqual(plain.wait(), 1)
        self.assertIn("this side speaks TLS only; configure tls", plain.log())
        self.await_log(master, "refused a worker at 127.0.0.1",
                       "it does not speak TLS, and this side does")

        others = self.directory()
        make_certificates(others)
        suspicious = self.worker(master.rpc, *self.flags("master")[:-1],
                                 os.path.join(others, "ca.pem"))
        self.assertEqual(suspicious.wait(), 2)  # its own certificate is not of that CA
        self.assertIn("would be refused by all who trust", suspicious.log())
        strange = self.worker(master.rpc, *[flag.replace(self.files, others)
                                            for flag in self.flags("master")])
        self.assertEqual(strange.wait(), 1)
        self.assertIn("its certificate is not from the CA in", strange.log())
        self.await_log(master, "does not accept our certificate")

        self.worker(master.rpc, *self.tls)
        base = f"https://127.0.0.1:{master.rest}"
        wait_until("the worker has joined",
                   lambda: json.loads(self.curl(base + "/info"))["workers"] == 1)
        self.assertTrue(self.curl(base + "/?parallel=2").startswith(b"\xff\xd8"))  # a JPEG

    def test_a_worker_with_tls_at_a_plain_master(self):
        master = self.static_master()
        worker = self.worker(master.rpc, *self.tls)
        self.assertEqual(worker.wait(), 1)
        self.assertIn("it does not speak TLS, and this side does", worker.log())
        self.await_log(master, "it speaks TLS, and this side does not")

    def test_files_that_do_not_fit_refuse_the_start(self):
        for flags, words in [
                (["--tls-certificate", self.file("master.pem")], "both a certificate and its key"),
                (["--tls-ca", self.file("ca.pem")], "both a certificate and its key"),
                (["--tls-certificate", self.file("master.pem"),
                  "--tls-key", self.file("worker1-key.pem")], "does not fit the certificate"),
                (["--tls-certificate", self.file("none.pem"),
                  "--tls-key", self.file("master-key.pem")], "none.pem: No such file"),
                # Workers of this machine dial 127.0.0.1.
                (self.flags("worker1"), "is for 10.0.0.2, but the workers of this machine dial")]:
            with self.subTest(words):
                program = self.program("--rest-port", "0", "--ws-port", "0", "--port", "0", *flags)
                self.assertEqual(program.wait(), 2, program.log())
                self.assertIn(words, program.log())


if __name__ == "__main__":
    unittest.main()
