#!/usr/bin/env python3
"""Who may do what: tokens and log-ins, users and admins, pages in browsers, over REST,
and the roles of francine-server that help with the configuration."""

import base64
import hashlib
import hmac
import http.client
import json
import os
import pty
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SERVER, Answer, SystemTest, environment, wait_until  # noqa: E402

KEY = "a private key of the tests, 32 bytes or more"
USERS = {"anna": "anna's password", "bert": "bert's password", "root": "the admin's"}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(claims, header=None, key=KEY, digest=hashlib.sha256):
    """A token as others make them."""
    parts = [header or {"alg": "HS256", "typ": "JWT"}, claims]
    text = ".".join(base64url(json.dumps(p, separators=(",", ":")).encode()) for p in parts)
    mac = hmac.new(key.encode(), text.encode(), digest).digest()
    return f"{text}.{base64url(mac)}"


def claims_of(token):
    text = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


class AuthTest(SystemTest):
    def configuration(self, **members):
        path = os.path.join(self.directory(), "rc")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(members, file)
        os.chmod(path, 0o600)
        return path

    def start(self, *flags, **members):
        return self.server("--config", self.configuration(**members), *flags,
                           workers=1, instance_type="in_process")

    def log_in(self, master, user, password=None):
        answer = master.post("/auth", {"userName": user, "password": password or USERS[user]})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(list(answer.json()), ["authToken"])
        return answer.json()["authToken"]

    def assert_unauthenticated(self, answer):
        self.assert_refused(answer, 401)
        self.assertIn("Bearer", answer.headers["WWW-Authenticate"])


class Users(AuthTest):
    """One server with users for all tests that only ask it."""

    def setUp(self):
        self.master = self.start(users=USERS, privateKey=KEY, admins=["root"])
        self.tokens = {user: self.log_in(self.master, user) for user in USERS}

    def ask(self, user, method, path, body=None, **headers):
        if user:
            headers["X-API-Token"] = self.tokens[user]
        return self.master.request(method, path, body=body, headers=headers)

    def commands(self, session, execution):
        """Every command of REST that names a session."""
        of_session = f"/sessions/{session}"
        of_execution = f"{of_session}/executions/{execution}"
        return [("GET", of_session, None), ("POST", f"{of_session}/executions", {"parallel": 1}),
                ("POST", f"{of_session}/executions?block=true", {"parallel": 1}),
                ("GET", f"{of_session}/executions", None),
                ("GET", of_execution, None), ("GET", f"{of_execution}/result", None),
                ("DELETE", of_execution, None), ("DELETE", of_session, None)]

    def new_execution(self, user):
        session = self.ask(user, "POST", "/sessions", {"producer": "ao"}).json()["name"]
        path = f"/sessions/{session}/executions"
        execution = self.ask(user, "POST", path, {"parallel": 1}).json()["name"]
        wait_until("the picture is there",
                   lambda: self.ask(user, "GET", f"{path}/{execution}").json()["finished"])
        return session, execution

    def test_a_session_is_its_owners_and_the_admins(self):
        session, execution = self.new_execution("anna")
        for method, path, body in self.commands(session, execution):
            with self.subTest(method=method, path=path):
                self.assert_refused(self.ask("bert", method, path, body), 404)
                # Exactly as for a session that does not exist.
                nowhere = path.replace(session, "0" * len(session))
                self.assertEqual(
                    self.ask("bert", method, path, body).error.replace(session, ""),
                    self.ask("bert", method, nowhere, body).error.replace("0" * len(session), ""))
        self.assertEqual(self.ask("anna", "GET", f"/sessions/{session}").json()["userName"], "anna")
        for method, path, body in self.commands(session, execution):
            with self.subTest(method=method, path=path):
                self.assertIn(self.ask("root", method, path, body).status, (200, 201))
        self.assert_refused(self.ask("anna", "GET", f"/sessions/{session}"), 404)

    def test_lists_show_what_is_the_callers(self):
        mine = self.ask("anna", "POST", "/sessions", {"producer": "ao"}).json()["name"]
        theirs = self.ask("bert", "POST", "/sessions", {"producer": "ao"}).json()["name"]

        def listed(user):
            return {s["name"] for s in self.ask(user, "GET", "/sessions").json()["sessions"]}
        self.assertEqual(listed("anna"), {mine})
        self.assertEqual(listed("bert"), {theirs})
        self.assertEqual(listed("root"), {mine, theirs})

    def test_a_token_is_needed(self):
        session, execution = self.new_execution("anna")
        routes = self.commands(session, execution) + [
            ("GET", "/", None), ("HEAD", "/", None), ("POST", "/sessions", {"producer": "ao"}),
            ("GET", "/sessions", None), ("PUT", "/resources", b"x"), ("GET", "/auth/dropbox", None),
            ("POST", "/auth/dropbox", {"code": "x"})]
        for method, path, body in routes:
            with self.subTest(method=method, path=path):
                answer = self.ask(None, method, path, body)
                self.assertEqual(answer.status, 401)
                self.assertIn("Bearer", answer.headers["WWW-Authenticate"])
        for path in ("/info", "/healthz", "/readyz"):
            self.assertEqual(self.ask(None, "GET", path).status, 200)
        self.assertEqual(self.ask("anna", "GET", "/?parallel=1").type, "image/jpeg")

    def test_both_headers_carry_it(self):
        token = self.tokens["anna"]
        for headers in ({"X-API-Token": token}, {"x-api-token": token},
                        {"Authorization": f"Bearer {token}"}, {"Authorization": f"bearer  {token}"}):
            with self.subTest(headers=list(headers)):
                self.assertEqual(self.master.get("/sessions", headers=headers).status, 200)
        for headers in ({"Authorization": token}, {"Authorization": f"Basic {token}"},
                        {"Authorization": "Bearer"}, {"Authorization": "Bearer "},
                        {"X-API-Token": ""}, {"Cookie": f"X-API-Token={token}"},
                        {"X-API-Token": f"Bearer {token}"},
                        {"X-API-Token": "wrong", "Authorization": f"Bearer {token}"}):
            with self.subTest(headers=list(headers)):
                self.assert_unauthenticated(self.master.get("/sessions", headers=headers))
        self.assert_unauthenticated(self.master.get(f"/sessions?X-API-Token={token}"))

    def test_forged_tokens(self):
        good = self.tokens["anna"]
        claims = claims_of(good)
        self.assertEqual(jwt(claims), good)  # it is a JWT as others make and read them
        head, body, mac = good.split(".")
        none = {"alg": "none", "typ": "JWT"}
        forged = {
            "another key": jwt(claims, key="another key"),
            "no key": jwt(claims, key=""),
            "alg none": jwt(claims, header=none).rsplit(".", 1)[0] + ".",
            "alg none, no dot": jwt(claims, header=none).rsplit(".", 1)[0],
            "alg none, signed": jwt(claims, header=none),
            "another algorithm": jwt(claims, header={"alg": "HS512", "typ": "JWT"},
                                     digest=hashlib.sha512),
            "an algorithm of keys in pairs": jwt(claims, header={"alg": "RS256", "typ": "JWT"}),
            "another user": f"{head}.{base64url(json.dumps({**claims, 'userName': 'root'}).encode())}.{mac}",
            "expired": jwt({**claims, "exp": int(time.time()) - 1}),
            "never expires": jwt({k: v for k, v in claims.items() if k != "exp"}),
            "the original's": jwt({"userName": "anna", "iat": claims["iat"]}),
            "from the future": jwt({**claims, "iat": claims["iat"] + 10_000,
                                    "exp": claims["exp"] + 10_000}),
            "a user that is none": jwt({**claims, "userName": "nobody"}),
            "another password": jwt({**claims, "pw": "0" * len(claims["pw"])}),
            "truncated": good[:-1], "cut": good[:40], "two parts": f"{head}.{body}",
            "padded": good + "=", "four parts": good + "." + mac, "empty parts": "..",
            "a NUL": good[:50] + "%00" + good[50:], "huge": "a." * 15_000 + "b",
            "no base64": f"{head}.!!!!.{mac}",
        }
        for name, token in forged.items():
            with self.subTest(name=name):
                self.assert_unauthenticated(
                    self.master.get("/sessions", headers={"X-API-Token": token}))
                self.assert_unauthenticated(
                    self.master.get("/", headers={"Authorization": f"Bearer {token}"}))

    def test_wrong_log_ins(self):
        sentences = set()
        for user, password in (("anna", "wrong"), ("anna", ""), ("nobody", "x"), ("", ""),
                               ("__proto__", "x")):
            answer = self.master.post("/auth", {"userName": user, "password": password})
            self.assert_unauthenticated(answer)
            sentences.add(answer.error)
        self.assertEqual(len(sentences), 1)
        for body in ({}, {"userName": "anna"}, {"password": "x"}, {"userName": 7, "password": "x"},
                     {"userName": "anna", "password": {"$ne": ""}}, [], "x"):
            answer = self.master.post("/auth", json.dumps(body))
            self.assert_refused(answer, 400)
            self.assertNotIn("$ne", answer.error)
        self.assert_refused(self.master.get("/auth"), 405)
        log = self.master.log()
        for secret in (*USERS.values(), KEY, self.tokens["anna"]):
            self.assertNotIn(secret, log)

    def test_log_ins_are_throttled(self):
        statuses = []
        for _ in range(30):
            answer = self.master.post("/auth", {"userName": "anna", "password": "guess"})
            statuses.append(answer.status)
            if answer.status == 429:
                break
        self.assertEqual(statuses, [401] * 10 + [429])
        self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertIn("try again in", answer.error)
        # Tokens go on, of all users.
        self.assertEqual(self.ask("anna", "GET", "/sessions").status, 200)

    def test_providers_that_are_not_configured(self):
        for method, body in (("GET", None), ("POST", {"code": "x"})):
            self.assert_refused(self.ask("anna", method, "/auth/dropbox", body), 409, "dropbox")
            self.assert_refused(self.ask("anna", method, "/auth/nothing", body), 404)
        self.assert_refused(self.ask("anna", "POST", "/auth/dropbox", {}), 400, "code")

    def test_other_names_and_origins_are_fine_with_a_token(self):
        self.assertEqual(
            self.ask("anna", "POST", "/sessions", {"producer": "ao"}, Host="farm.example",
                     Origin="https://elsewhere.example").status, 201)


class Configurations(AuthTest):
    def test_tokens_outlive_a_restart_but_not_their_user(self):
        first = self.start(users=USERS, privateKey=KEY)
        tokens = {user: self.log_in(first, user) for user in USERS}
        first.stop()
        second = self.start(users={"anna": USERS["anna"], "bert": "changed"}, privateKey=KEY)

        def status(user):
            return second.get("/sessions", headers={"X-API-Token": tokens[user]}).status
        self.assertEqual([status(u) for u in ("anna", "bert", "root")], [200, 401, 401])

    def test_hashed_passwords(self):
        done = subprocess.run([SERVER, "hash-password"], input="s\u00e9cret\n", text=True,
                              capture_output=True, check=True)
        self.assertRegex(done.stdout, r"\A\$argon2id\$v=19\$m=65536,t=3,p=1\$\S+\n\Z")
        master = self.start(users={"anna": done.stdout.strip()}, privateKey=KEY)
        self.log_in(master, "anna", "s\u00e9cret")
        for wrong in ("secret", done.stdout.strip()):
            self.assert_unauthenticated(
                master.post("/auth", {"userName": "anna", "password": wrong}))
        self.assertNotIn("not hashed", master.log())

    def test_hash_password_does_not_show_what_is_typed(self):
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        process = subprocess.Popen([SERVER, "hash-password"], stdin=theirs, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, start_new_session=True)
        os.close(theirs)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        for prompt in (b"Password: ", b"Again: "):
            seen = b""
            while not seen.endswith(prompt):
                seen += os.read(process.stderr.fileno(), 1)
            os.write(ours, b"typed\n")
        self.assertIn(b"$argon2id$", process.stdout.read())
        self.assertEqual(process.wait(), 0)
        # The terminal shows nothing of it.
        os.set_blocking(ours, False)
        try:
            shown = os.read(ours, 1000)
        except OSError:
            shown = b""
        self.assertNotIn(b"typed", shown)

    def test_hash_password_refuses(self):
        for arguments, text in ((["secret"], ""), ([], ""), ([], "\n"), ([], "x" * 2000)):
            done = subprocess.run([SERVER, "hash-password", *arguments], input=text, text=True,
                                  capture_output=True)
            self.assertIn(done.returncode, (1, 2))
            self.assertEqual(done.stdout, "")
            self.assertTrue(done.stderr)

    def assert_does_not_start(self, words, *flags, **members):
        program = self.program("--rest-port", "0", "--ws-port", "0", "--port", "0", "--config",
                               self.configuration(**members), *flags)
        self.assertEqual(program.wait(), 2)
        for word in words:
            self.assertIn(word, program.log())

    def test_what_refuses_the_start(self):
        self.assert_does_not_start(["privateKey", "openssl rand"], users={"anna": "x"})
        self.assert_does_not_start(["admins", "carla"], users={"anna": "x"}, privateKey=KEY,
                                   admins=["carla"])
        self.assert_does_not_start(["anna", "hash"], users={"anna": "$argon2id$broken"},
                                   privateKey=KEY)
        self.assert_does_not_start([":1: users.anna must be a string"], users={"anna": 7})
        self.assert_does_not_start(["bindAddress", "loopback"], "--bind-address", "0.0.0.0")
        self.assert_does_not_start(["bindAddress"], bindAddress="::")

    def test_users_permit_other_addresses(self):
        master = self.start("--bind-address", "0.0.0.0", users=USERS, privateKey=KEY)
        self.assert_unauthenticated(master.get("/sessions"))

    def test_public_demo(self):
        master = self.start("--public-demo", users=USERS, privateKey=KEY)
        self.assertEqual(master.get("/?parallel=1").type, "image/jpeg")
        self.assert_unauthenticated(master.get("/", headers={"X-API-Token": "wrong"}))
        self.assert_unauthenticated(master.get("/sessions"))

    def test_lifetime(self):
        master = self.start("--token-lifetime", "100", users=USERS, privateKey=KEY)
        claims = claims_of(self.log_in(master, "anna"))
        self.assertEqual(claims["exp"] - claims["iat"], 100)
        self.assertEqual(claims["userName"], "anna")

    def check_config(self, *flags, **variables):
        done = subprocess.run([SERVER, "check-config", *flags], text=True, capture_output=True,
                              env=environment("check", **variables))
        return done.returncode, done.stdout, done.stderr

    def test_check_config(self):
        path = self.configuration(users={"anna": "her secret"}, privateKey=KEY, maxSessions=7)
        code, out, err = self.check_config("--config", path, "--rest-port", "1",
                                           FRANCINE_LOG_LEVEL="error")
        self.assertEqual(code, 0, err)
        lines = out.splitlines()
        self.assertIn(f"maxSessions = 7  ({path}:1)", lines)
        self.assertIn("restPort = 1  (--rest-port)", lines)
        self.assertIn("logLevel = error  (FRANCINE_LOG_LEVEL)", lines)
        self.assertIn("maxParallel = 65536", lines)
        self.assertIn(f"privateKey = (secret)  ({path}:1)", lines)
        self.assertIn("not hashed", err)
        for secret in (KEY, "her secret"):
            self.assertNotIn(secret, out + err)
        self.assertEqual(self.check_config("--config", "/nowhere")[0], 2)
        code, _, err = self.check_config("--config", self.configuration(users={"anna": "x"}))
        self.assertEqual((code, "privateKey" in err), (2, True))
        code, _, err = self.check_config("--rest-prot", "1")
        self.assertEqual((code, "did you mean --rest-port" in err), (2, True))

    def test_a_file_that_others_may_read_is_warned_of(self):
        path = self.configuration(users={"anna": "x"}, privateKey=KEY)
        os.chmod(path, 0o644)
        self.assertIn(f"chmod 600 {path}", self.check_config("--config", path)[2])


class Browsers(AuthTest):
    def options(self, master, path, headers):
        """What browsers ask before pages may; it is not part of the documented API."""
        connection = http.client.HTTPConnection("127.0.0.1", master.rest, timeout=60)
        try:
            connection.request("OPTIONS", path, headers=headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def test_without_users_pages_of_others_change_nothing(self):
        master = self.start()
        foreign = ("https://evil.example", "null", "http://localhost.evil.example",
                   f"http://127.0.0.2:{master.rest}", "http://127.0.0.1",
                   f"http://127.0.0.1:{master.rpc}")
        for origin in foreign:
            for method, path in (("POST", "/sessions"), ("PUT", "/resources"), ("POST", "/auth"),
                                 ("DELETE", "/sessions/x"), ("POST", "/sessions/x/executions")):
                with self.subTest(origin=origin, method=method, path=path):
                    answer = master.request(method, path, body=b'{"producer":"ao"}',
                                            headers={"Origin": origin})
                    self.assert_refused(answer, 403, "corsOrigins")
            answer = master.get("/info", headers={"Origin": origin})
            self.assertEqual(answer.status, 200)
            self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])
        for port in (master.rest, master.ws, 4000):  # the last one is the dashboard's
            ours = f"http://127.0.0.1:{port}"
            self.assertEqual(
                master.post("/sessions", {"producer": "ao"}, headers={"Origin": ours}).status, 201)
        self.assert_refused(
            master.request("OPTIONS", "/sessions", headers={"Origin": foreign[0]}), 405)

    def test_without_users_names_of_others_are_refused(self):
        master = self.start("--allowed-hosts", "farm.example")
        for host in ("evil.example", f"evil.example:{master.rest}", "169.254.169.254",
                     "127.0.0.1.evil.example", "localhost:3000:3000", "[::1"):
            for path in ("/info", "/healthz", "/", "/sessions"):
                with self.subTest(host=host, path=path):
                    self.assert_refused(master.get(path, headers={"Host": host}), 403)
        for host in ("localhost", f"LocalHost:{master.rest}", "[::1]:3000", "127.0.0.1",
                     "farm.example:80"):
            with self.subTest(host=host):
                self.assertEqual(master.get("/info", headers={"Host": host}).status, 200)

    def test_configured_origins(self):
        good = "https://good.example"
        master = self.start("--cors-origins", f"{good},https://two.example", users=USERS,
                            privateKey=KEY)
        token = self.log_in(master, "anna")
        preflight = self.options(master, "/sessions", {
            "Origin": good, "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "x-api-token"})
        self.assertEqual((preflight.status, preflight.body), (204, b""))
        self.assertEqual(preflight.headers["Access-Control-Allow-Origin"], good)
        self.assertIn("POST", preflight.headers["Access-Control-Allow-Methods"])
        self.assertIn("X-API-Token", preflight.headers["Access-Control-Allow-Headers"])
        self.assertIsNone(preflight.headers["Access-Control-Allow-Credentials"])
        for path, status in (("/sessions", 200), ("/sessions/nobody", 404)):
            answer = master.get(path, headers={"Origin": good, "X-API-Token": token})
            self.assertEqual(answer.status, status)
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], good)
            self.assertEqual(answer.headers["Vary"], "Origin")
        answer = master.get("/sessions", headers={"Origin": good})
        self.assert_unauthenticated(answer)  # and the page may read why
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], good)
        for origin in ("https://evil.example", "https://good.example.evil.example",
                       "http://good.example", "null"):
            with self.subTest(origin=origin):
                answer = self.options(master, "/sessions", {"Origin": origin})
                self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])
                self.assertIsNone(answer.headers["Access-Control-Allow-Methods"])
                answer = master.get("/sessions", headers={"Origin": origin, "X-API-Token": token})
                self.assertEqual(answer.status, 200)
                self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])
        self.assertEqual(self.options(master, "/nothing", {"Origin": good}).status, 404)


if __name__ == "__main__":
    unittest.main()
