#!/usr/bin/env python3
"""Secrets never appear: canaries are planted wherever a secret may stand, everything is
used and made to fail, and then all that was written is searched for them."""

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import command_line, marked_processes, wait_until
from websocket_client import ENDLESS, SMALL, Client, WebSocketTest

CLI = os.environ.get("FRANCINE_CLI")


class Canaries:
    """Unique texts, each with what it stands for."""

    def __init__(self):
        self.birds = {}

    def new(self, what):
        self.birds[what] = f"canary-{uuid.uuid4().hex}"
        return self.birds[what]

    def add(self, what, text):
        self.birds[what] = text
        return text

    def found_in(self, data):
        """What of them stands in these bytes, as it is or as Base64 would have it."""
        if isinstance(data, str):
            data = data.encode()
        found = []
        for what, text in self.birds.items():
            plain = text.encode()
            # Whatever stands before it, Base64 has one of three forms of its middle.
            coded = [base64.b64encode(b"x" * shift + plain)[4:-4] for shift in range(3)]
            if any(form in data for form in (plain, *coded)):
                found.append(what)
        return found


class SecretsTest(WebSocketTest):
    def setUp(self):
        self.birds = Canaries()
        self.home = self.directory()

    def write(self, name, content):
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
        os.chmod(path, 0o600)
        return path

    def assert_silent(self, what, data):
        self.assertEqual(self.birds.found_in(data), [], f"{what} tells")

    def start(self, **more):
        self.password = self.birds.new("a password")
        config = self.write("config", json.dumps({
            "users": {"anna": self.password, "root": self.birds.new("another password")},
            "admins": ["root"],
            "privateKey": self.birds.new("privateKey"),
            "clusterSecret": self.birds.new("clusterSecret"),
            "dropbox": {"apiKey": "key", "apiSecret": self.birds.new("dropbox.apiSecret"),
                        "tokenUrl": "http://127.0.0.1:1/token"},
            "googledrive": {"clientId": "id", "redirectUri": "http://127.0.0.1:1/done",
                            "clientSecret": self.birds.new("googledrive.clientSecret"),
                            "tokenUrl": "http://127.0.0.1:1/token"},
            "s3": {"endpoint": "http://127.0.0.1:1", "bucket": "our-scenes",
                   "accessKey": "id", "secretKey": self.birds.new("s3.secretKey")},
            "resultStore": {"endpoint": "http://127.0.0.1:1", "bucket": "our-results",
                            "accessKey": "id",
                            "secretKey": self.birds.new("resultStore.secretKey")}}))
        server = self.server("--config", config, "--log-level", "debug", "--ping-period", "0.2",
                             **more)
        self.tokens = {}
        for user, password in (("anna", self.password),
                               ("root", self.birds.birds["another password"])):
            answer = server.post("/auth", {"userName": user, "password": password})
            self.tokens[user] = self.birds.add(f"a token of {user}", answer.json()["authToken"])
        return server

    def use_rest(self, server):
        mine = {"X-API-Token": self.tokens["anna"]}
        access = self.birds.new("accessToken of a resource")
        session = server.post("/sessions", {"producer": "ao", "accessToken": access},
                              headers=mine).json()["name"]
        executions = f"/sessions/{session}/executions"
        self.assertEqual(server.post(f"{executions}?block&token={self.tokens['anna']}", {
            "parallel": 2, "update": SMALL}, headers=mine).status, 200)
        guess = self.birds.new("a wrong password")
        forged = self.birds.add("a forged token", self.tokens["anna"][:-6] + "AAAAAA")
        shown = self.birds.new("a token in a query")
        code = self.birds.new("an authorization code")
        for method, path, body, headers in (
                ("POST", "/auth", {"userName": "anna", "password": guess}, {}),
                ("POST", "/auth", {"userName": "nobody", "password": guess}, {}),
                ("POST", "/auth", {"userName": "anna", "password": {"x": guess}}, {}),
                ("POST", "/auth", '{"userName": "anna", "password": "' + guess, {}),
                ("GET", "/sessions", None, {"X-API-Token": forged}),
                ("GET", "/sessions", None, {"Authorization": f"Bearer {forged}"}),
                ("GET", f"/sessions?token={shown}&authToken={shown}", None, {}),
                ("GET", f"/nothing?token={shown}", None, {}),
                ("POST", f"/info?token={shown}", "{}", mine),
                ("POST", "/auth/dropbox", {"code": code}, mine),
                ("POST", "/auth/googledrive", {"code": code, "state": code}, mine),
                ("POST", "/auth/nothing", {"code": code}, mine),
                ("POST", "/sessions", {"producer": "ao", "resources": [
                    {"type": "dropbox", "id": "x", "dst": "a.obj", "accessToken": access}]}, mine),
                ("POST", "/sessions", {"producer": "none", "tokens": {"dropbox": access}}, mine)):
            answer = server.request(method, path, body=body, headers=headers)
            self.assertGreaterEqual(answer.status, 400, (method, path))
            self.assert_silent(f"the answer to {method} {path}", answer.body)
        self.assert_silent("getSession", server.get(f"/sessions/{session}", headers=mine).body)
        return executions, mine

    async def use_websocket(self, server):
        guess = self.birds.new("a wrong password over WebSocket")
        lost = self.birds.new("a secret as command")
        async with Client(server) as client:
            for members in ({"command": "authenticate", "userName": "anna", "password": guess},
                            {"command": "authenticate", "userName": "anna", "password": [guess]},
                            {"command": "getSession", "token": guess},
                            {"command": lost}):
                self.assertIn("error", await client.ask(**members))
            await client.ask("authenticate", userName="anna", password=self.password)
            session = await client.new_session(accessToken=guess)
            await client.ask("subscribe", logs=True, sessionName=session)
            await client.ask("registerResourceToken", resourceName="dropbox", code=guess)
        async with Client(server, X_API_Token=self.tokens["anna"]) as client:
            await client.ask("info")

    def use_cli(self, server):
        if not CLI:
            return
        environment = {"PATH": os.environ["PATH"], "HOME": self.home,
                       "FRANCINE_SERVER": server.url}

        def run(*arguments, text="", **more):
            done = subprocess.run([CLI, *arguments], input=text.encode(), capture_output=True,
                                  env={**environment, **more}, cwd=self.home, timeout=120)
            self.assert_silent(f"francine {arguments}", done.stdout + done.stderr)
            return done.returncode
        wrong = self.birds.new("a wrong password of the command line")
        self.assertEqual(run("login", "anna", "--password-stdin", text=wrong + "\n"), 4)
        self.assertEqual(run("login", "anna", "--password-stdin", text=self.password + "\n"), 0)
        credentials = os.path.join(self.home, ".config", "francine", "credentials")
        with open(credentials, encoding="utf-8") as file:
            for token in json.load(file).values():
                self.birds.add("the token of the command line", token)
        self.assertEqual(run("logs", "--level", "debug"), 0)
        self.assertEqual(run("render", "--parallel", "2", "-o", "a.png"), 0)
        bad = self.birds.new("a wrong token of the environment")
        self.assertEqual(run("sessions", FRANCINE_TOKEN=bad), 4)

    def lose_work(self, server, executions, mine):
        self.assertEqual(server.post(executions, ENDLESS, headers=mine).status, 201)
        for pid in server.worker_pids()[:1]:
            os.kill(pid, signal.SIGKILL)
        stranger = self.birds.new("a wrong cluster secret")
        program = self.program("worker", "--port", str(server.rpc), "--log-level", "debug",
                               FRANCINE_CLUSTER_SECRET=stranger)
        self.assertEqual(program.wait(), 1)
        self.assert_silent("the log of a worker that was refused", program.log())
        root = {"X-API-Token": self.tokens["root"]}
        wait_until("it was refused", lambda: "refused a worker" in server.log())
        wait_until("a worker was lost", lambda: server.get(
            "/logs?level=warning&limit=1000", headers=root).json()["logs"])
        return root

    def search(self, server, root):
        """All that can be read while it runs, and all that stays."""
        self.assert_silent("the log", server.log())
        after = "0"
        while True:
            page = server.get(f"/logs?after={after}&limit=1000", headers=root)
            self.assert_silent("GET /logs", page.body)
            if not page.json()["logs"]:
                break
            after = page.json()["next"]
        for path in ("/info", "/workers", "/sessions", "/openapi.json"):
            self.assert_silent(path, server.get(path, headers=root).body)
        for pid in marked_processes(server.mark):
            self.assert_silent(f"the arguments of process {pid}", b" ".join(command_line(pid)))
            self.assert_hidden(f"/proc/{pid}/environ")
        self.assertEqual(server.stop(), 0)
        self.assert_silent("the log at the end", server.log())
        self.assert_files_silent(server.directory)
        # Those whose job is to hold secrets: the configuration, and what login stores.
        self.assert_files_silent(self.home, "config", "credentials", "key.pem")

    def assert_hidden(self, path):
        """The environment of a worker holds the cluster's secret: for its user only."""
        try:
            self.assertEqual(os.stat(path).st_mode & 0o077, 0, path)
        except FileNotFoundError:  # it has just ended
            pass

    def assert_files_silent(self, directory, *holders):
        for folder, _, names in os.walk(directory):
            self.assert_silent(f"a name in {folder}", "\n".join(names))
            for name in names:
                path = os.path.join(folder, name)
                if name in holders:
                    self.assertEqual(os.stat(path).st_mode & 0o077, 0, path)
                    continue
                with open(path, "rb") as file:
                    self.assert_silent(path, file.read())

    def test_the_search_finds(self):
        secret = self.birds.new("a secret")
        for data in (secret, f"<{secret}>", base64.b64encode(f"anna:{secret}!".encode()),
                     base64.b64encode(f"ann:{secret}".encode()), b"\xff" + secret.encode()):
            self.assertEqual(self.birds.found_in(data), ["a secret"])
        self.assertEqual(self.birds.found_in(secret[:-1]), [])
        self.write("config", secret)
        with self.assertRaises(AssertionError):
            self.assert_files_silent(self.home)
        self.assert_files_silent(self.home, "config")

    def test_nothing_tells(self):
        for log_format in ("text", "json"):
            with self.subTest(log_format=log_format):
                self.setUp()
                server = self.start(FRANCINE_LOG_FORMAT=log_format)
                executions, mine = self.use_rest(server)
                asyncio.run(self.use_websocket(server))
                self.use_cli(server)
                root = self.lose_work(server, executions, mine)
                self.assertIn("requests.log", os.listdir(server.data))
                self.search(server, root)

    def test_a_start_that_fails_does_not_tell(self):
        secret = self.birds.new("a secret of the wrong type")
        for config in ({"users": {"anna": [secret]}, "privateKey": secret},
                       {"privateKey": {"x": secret}}, {"clusterSecret": [secret]},
                       {"users": {"anna": secret}, "privateKey": ""},
                       {"clusterSecret": secret, "clusterSecretFile": "/nothing"}):
            path = self.write("config", json.dumps(config))
            for role in ([], ["check-config"]):
                program = self.program(*role, "--config", path, "--rest-port", "0", "--ws-port",
                                       "0", "--port", "0")
                self.assertEqual(program.wait(), 2, program.log())
                self.assert_silent(f"{role} of {config}", program.log())
        path = self.write("config", json.dumps({"privateKey": secret, "clusterSecret": secret}))
        program = self.program("check-config", "--config", path)
        self.assertEqual(program.wait(), 0)
        self.assert_silent("check-config", program.log() + program.process.stdout.read().decode())

    @unittest.skipUnless(shutil.which("openssl"), "needs openssl")
    def test_keys_of_tls_stay_where_they_are(self):
        key = os.path.join(self.home, "key.pem")
        certificate = os.path.join(self.home, "certificate.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True)
        os.chmod(key, 0o600)
        with open(key, encoding="ascii") as file:
            for number, line in enumerate(file.read().splitlines()[1:-1]):
                self.birds.add(f"line {number} of the key", line)
        server = self.server("--tls-certificate", certificate, "--tls-key", key, "--tls-ca",
                             certificate, "--log-level", "debug", workers=1)
        self.assertEqual(server.stop(), 0)
        self.assert_silent("the log", server.log())
        self.assert_files_silent(server.directory)
        # A key where a certificate belongs is refused without being quoted.
        program = self.program("--tls-certificate", key, "--tls-key", certificate)
        self.assertEqual(program.wait(), 2)
        self.assert_silent("the log of a start that was refused", program.log())


if __name__ == "__main__":
    unittest.main()
