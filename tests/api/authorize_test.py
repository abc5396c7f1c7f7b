#!/usr/bin/env python3
"""Users authorise providers of resources: over REST and WebSocket, against fakes of Dropbox
and Google Drive that are HTTP servers; what goes wrong, and that no token is seen."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fake_clouds import SECRET, FakeClouds  # noqa: E402
from harness import SERVER, wait_until  # noqa: E402
from websocket_client import Client, WebSocketTest, steps  # noqa: E402

KEY = "a private key of the tests, 32 bytes or more"
USERS = {"anna": "anna's password", "bert": "bert's password"}
PROVIDERS = ("dropbox", "googledrive")


class AuthorizeTest(WebSocketTest):
    def setUp(self):
        self.clouds = FakeClouds()
        self.addCleanup(self.clouds.close)
        self.seen = []  # codes

    def start(self, earlier=None, **members):
        path = os.path.join(self.directory(), "rc")
        config = {"users": USERS, "privateKey": KEY, "dropbox": self.clouds.dropbox,
                  "googledrive": self.clouds.googledrive, **members}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({key: value for key, value in config.items() if value is not None}, file)
        os.chmod(path, 0o600)
        self.master = self.server("--config", path, "--log-level", "debug", workers=1,
                                  instance_type="in_process", earlier=earlier)
        self.tokens = {user: self.master.post("/auth", {"userName": user, "password": password})
                       .json()["authToken"] for user, password in config["users"].items()}
        return self.master

    def ask(self, user, provider, body=None, method=None):
        headers = {"X-API-Token": self.tokens[user]} if user else {}
        return self.master.request(method or ("GET" if body is None else "POST"),
                                   f"/auth/{provider}", body=body, headers=headers)

    def status(self, user, provider):
        answer = self.ask(user, provider)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(list(answer.json()), ["authorizeUrl", "authorized"])
        return answer.json()

    def authorized(self, user, provider):
        return self.status(user, provider)["authorized"]

    def agree(self, user, provider):
        code, state = self.clouds.agree(provider, self.status(user, provider)["authorizeUrl"])
        self.seen.append(code)
        return {"code": code, "state": state}

    def authorize(self, user, provider):
        answer = self.ask(user, provider, self.agree(user, provider))
        self.assertEqual((answer.status, answer.json()), (200, {"success": True}), answer.body)

    def refuse(self, answer, status, *words):
        self.assert_refused(answer, status, *words)
        for code in self.seen:
            self.assertNotIn(code, answer.error)

    def test_each_user_for_himself(self):
        self.start()
        for provider in PROVIDERS:
            self.assertFalse(self.authorized("anna", provider))
            self.authorize("anna", provider)
            self.assertTrue(self.authorized("anna", provider))
            self.assertFalse(self.authorized("bert", provider))
            self.assertEqual(self.clouds.counts(provider)[0], 1)
        self.assert_refused(self.ask(None, "dropbox"), 401)

    def test_codes(self):
        self.start()
        agreed = self.agree("anna", "dropbox")
        self.refuse(self.ask("anna", "dropbox", {**agreed, "code": "nonsense"}), 400, "code")
        self.assertEqual(self.ask("anna", "dropbox", agreed).status, 200)
        self.refuse(self.ask("anna", "dropbox", agreed), 400, "code", "has been used")
        self.assertTrue(self.authorized("anna", "dropbox"))
        self.refuse(self.ask("anna", "dropbox", {}), 400, "code")
        for state in ("", 7, None):
            self.refuse(self.ask("anna", "dropbox", {"code": "c", "state": state}), 400, "state")

    def test_states(self):
        self.start()
        agreed = self.agree("anna", "dropbox")
        self.refuse(self.ask("bert", "dropbox", agreed), 400, "state")
        others = self.agree("anna", "googledrive")["state"]
        self.refuse(self.ask("anna", "dropbox", {**agreed, "state": others}), 400, "state")
        # None of these has used the code up.
        self.assertEqual(self.ask("anna", "dropbox", agreed).status, 200)

    def test_code_alone(self):
        """As clients of the first Francine send it, where Dropbox shows the code."""
        self.start()
        code = self.agree("anna", "dropbox")["code"]
        self.assertEqual(self.ask("anna", "dropbox", {"code": code}).status, 200)
        code = self.agree("anna", "googledrive")["code"]
        self.refuse(self.ask("anna", "googledrive", {"code": code}), 400, "state")

    def test_without_users(self):
        self.start(users={}, privateKey=None)
        agreed = self.agree(None, "dropbox")
        self.refuse(self.ask(None, "dropbox", {"code": agreed["code"]}), 400, "state")
        self.assertEqual(self.ask(None, "dropbox", agreed).status, 200)
        self.assertTrue(self.authorized(None, "dropbox"))
        self.master.process.kill()
        self.master.wait()
        self.start(earlier=self.master, users={}, privateKey=None)
        self.assertTrue(self.authorized(None, "dropbox"))
        secret = os.path.join(self.master.data, "private.secret")
        self.assertEqual(os.stat(secret).st_mode & 0o777, 0o600)

    def test_state_that_is_too_old(self):
        self.start(authorizeTimeout=1)
        agreed = self.agree("anna", "dropbox")
        wrong = {**agreed, "code": "nonsense"}
        wait_until("the state is too old",
                   lambda: "state" in self.ask("anna", "dropbox", wrong).error)
        self.refuse(self.ask("anna", "dropbox", agreed), 400, "state", "too old")

    def test_other_providers(self):
        self.start(dropbox=None)
        for body in (None, {"code": "c"}):
            self.refuse(self.ask("anna", "dropbox", body), 409, "not configured", "dropbox.apiKey")
            for unknown in ("http", "upload", "moon", "__proto__"):
                self.refuse(self.ask("anna", unknown, body), 404, "dropbox or googledrive")

    def test_provider_that_cannot_be_reached(self):
        self.start(dropbox={**self.clouds.dropbox, "tokenUrl": "http://127.0.0.1:1/token"})
        self.refuse(self.ask("anna", "dropbox", self.agree("anna", "dropbox")), 503)
        self.assertFalse(self.authorized("anna", "dropbox"))

    @steps
    async def test_over_websocket(self):
        self.start()
        async with Client(self.master) as client:
            await client.ask("authenticate", userName="anna", password=USERS["anna"])
            asked = {"resourceName": "dropbox"}
            status = await client.ask("getAuthorizeStatus", requestId=1, **asked)
            self.assertFalse(status["authorized"])
            code, state = self.clouds.agree("dropbox", status["authorizeUrl"])
            wrong = await client.ask("registerResourceToken", code=code, state=state + "A", **asked)
            self.assertIn("state", wrong["error"])
            done = await client.ask("registerResourceToken", code=code, state=state, **asked)
            self.assertTrue(done["success"])
            again = await client.ask("registerResourceToken", code=code, **asked)
            self.assertIn("has been used", again["error"])
            self.assertTrue((await client.ask("getAuthorizeStatus", **asked))["authorized"])
        self.assertTrue(self.authorized("anna", "dropbox"))
        self.assertFalse(self.authorized("bert", "dropbox"))

    def test_after_a_restart(self):
        self.start()
        self.authorize("anna", "dropbox")
        agreed = self.agree("bert", "dropbox")
        self.master.process.send_signal(signal.SIGKILL)
        self.master.wait()
        self.start(earlier=self.master)
        self.assertTrue(self.authorized("anna", "dropbox"))
        self.assertFalse(self.authorized("bert", "dropbox"))
        # A user who was away for the restart goes on.
        self.assertEqual(self.ask("bert", "dropbox", agreed).status, 200)
        self.assertEqual(self.master.stop(), 0)
        self.start(earlier=self.master, privateKey="another " + KEY)
        self.assertFalse(self.authorized("anna", "dropbox"))
        self.authorize("anna", "dropbox")
        self.assertTrue(self.authorized("anna", "dropbox"))

    def test_nothing_is_told(self):
        self.start()
        for user in USERS:
            for provider in PROVIDERS:
                self.authorize(user, provider)
                self.ask(user, provider, {"code": self.agree(user, provider)["code"] + "x"})
        self.assertEqual(self.master.stop(), 0)
        secrets = [KEY, SECRET, "refresh-", "access-", *self.seen]
        texts = {"the log": self.master.log().encode()}
        for folder, _, names in os.walk(self.master.directory):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    texts[os.path.join(folder, name)] = file.read()
        dump = subprocess.run([SERVER, "journal", "dump", self.master.data], capture_output=True,
                              timeout=60, check=True)
        texts["the dump"] = dump.stdout
        for name, text in texts.items():
            for secret in secrets:
                self.assertNotIn(secret.encode(), text, name)
        journal = sqlite3.connect(os.path.join(self.master.data, "journal", "journal.sqlite"))
        self.addCleanup(journal.close)
        kept = [json.loads(body) for (body,) in journal.execute("SELECT body FROM records")]
        sealed = [record["sealed"] for record in kept if record["type"] == "tokenKept"]
        self.assertEqual(len(set(sealed)), len(USERS) * len(PROVIDERS))
        for text in sealed:
            self.assertNotIn(text.encode(), dump.stdout)
        self.assertEqual(dump.stdout.count(b'"sealed":"(sealed)"'), len(sealed))


if __name__ == "__main__":
    unittest.main()
