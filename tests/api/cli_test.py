#!/usr/bin/env python3
"""francine, the command line, against real servers: every command, its JSON, its
exit codes, its files."""

import http.server
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cli import CLI, CliTest
from harness import SQUARE_OBJ, Server, needs_meshes, png_size, wait_until

LONG = ["--parallel", "20000", "--width", "512", "--height", "512"]


class OneServer(CliTest):
    """Tests that share a server and clean up their sessions."""

    @classmethod
    def setUpClass(cls):
        cls.shared = Server()
        cls.addClassCleanup(cls.shared.close)

    def setUp(self):
        super().setUp()
        self.url = self.shared.url
        self.addCleanup(self.delete_sessions)

    def delete_sessions(self):
        for name in self.session_names():
            self.shared.request("DELETE", f"/sessions/{name}")

    def json(self, *arguments, **more):
        return json.loads(self.cli("--json", *arguments, **more).out)

    def session_names(self):
        return [session["name"] for session in self.json("sessions")["sessions"]]

    def finished(self):
        """(session, execution) of a small rendering that is kept."""
        answer = self.json("render", "--parallel", "2", "-o", "kept.png", "--keep-session")
        os.remove(self.path("kept.png"))
        return answer["sessionName"], answer["name"]


class Render(OneServer):
    def test_a_new_file_each_time_and_nothing_left(self):
        first = self.cli("render")
        self.assertRegex(first.err, r"(?m)^ao\.png: png, \d+\.\d kB, in \d")
        self.assertEqual(first.out, "")
        self.cli("render", "--quiet")
        self.assert_files("ao.png", "ao-2.png")
        self.assertEqual(self.read("ao.png"), self.read("ao-2.png"))
        self.assertEqual(png_size(self.read("ao.png")), (256, 256))
        self.assertEqual(self.session_names(), [])

    def test_the_format_is_that_of_the_name(self):
        for name, magic in [("a.exr", b"v/1\x01"), ("a.JPEG", b"\xff\xd8\xff"),
                            ("b.png", b"\x89PNG"), ("b", b"\x89PNG")]:
            self.cli("render", "-o", name, "--parallel", "1")
            self.assertTrue(self.read(name).startswith(magic), name)
        self.cli("render", "-o", "c.png", "--format", "jpg", "--parallel", "1")
        self.assertTrue(self.read("c.png").startswith(b"\xff\xd8\xff"))
        self.assert_files("a.exr", "a.JPEG", "b.png", "b", "c.png")

    def test_standard_output_and_a_replaced_file_hold_the_picture_of_the_server(self):
        expected = self.shared.post("/sessions?block=true",
                                    {"producer": "ao", "parallel": 3, "seed": 5}).body
        arguments = ["--parallel", "3", "--seed", "5", "--quiet"]
        printed = self.cli("render", *arguments, "-o", "-")
        self.assertEqual(printed.bytes, expected)
        self.assertEqual(printed.err, "")
        self.write("old.png", b"old")
        self.cli("render", *arguments, "-o", "old.png")
        self.assertEqual(self.read("old.png"), expected)
        other = self.cli("render", "--parallel", "3", "--seed", "6", "-o", "-").bytes
        self.assertNotEqual(other, expected)
        self.assert_files("old.png")

    @needs_meshes
    def test_resources_and_updates(self):
        self.write("square.obj", SQUARE_OBJ)
        self.write("camera.json", b'{"samples": 1, "camera": {"eye": [0, 0, 5]}}')
        self.cli("render", "square.obj", "--update", "@camera.json", "--width", "64",
                 "--height", "48", "--parallel", "2")
        picture = self.read("square.png")
        self.assertEqual(png_size(picture), (64, 48))
        # The same by another name in the session, and with the size in the update.
        self.cli("render", "--resource", "square.obj:scene/model.obj", "-o", "other.png",
                 "--parallel", "2", "--update",
                 '{"width":64,"height":48,"samples":1,"camera":{"eye":[0,0,5]}}')
        self.assertEqual(self.read("other.png"), picture)
        self.assert_files("square.obj", "camera.json", "square.png", "other.png")

    def test_a_session_is_kept_and_rendered_again(self):
        answer = self.json("render", "--keep-session", "-o", "a.png", "--parallel", "2",
                           "--priority", "3", "--width", "40")
        session = answer["sessionName"]
        self.assertEqual((answer["state"], answer["parallel"], answer["priority"]),
                         ("finished", 2, 3))
        self.cli("render", "--session", session, "--parallel", "2")
        self.assertEqual(png_size(self.read("ao.png")), (40, 256))  # updates stay
        self.assertEqual(self.session_names(), [session])
        self.assertEqual(len(self.json("executions", session)["executions"]), 2)
        refused = self.cli("render", "--session", session, "-o", "x.exr", code=1)
        self.assertIn("the session renders png, not exr", refused.err)
        self.cli("render", "--session", session, "square.obj", code=2)
        self.assert_files("a.png", "ao.png")

    def test_what_is_wrong_leaves_nothing_behind(self):
        for code, words, arguments in [
                (1, "width", ["--update", '{"width": 0}']),
                (1, "producer", ["--producer", "pov"]),
                (1, "missing.obj", ["missing.obj"]),
                (1, "regular file", ["/dev/null:a.obj"]),
                (1, "nowhere", ["-o", "nowhere/a.png"]),
                (1, "folder", ["-o", "."]),
                (1, "missing.json", ["--update", "@missing.json"]),
                (5, "francine sessions", ["--session", "missing"]),
                (2, "JSON", ["--update", "{"]),
                (2, "already", ["--update", '{"width":3}', "--width", "4"]),
                (2, "parallel", ["--parallel", "0"]),
                (2, "2^64", ["--seed", "-1"]),
                (2, "format", ["--format", "bmp"]),
                (2, "DST", ["a.obj:"]),
                (2, "--json", ["--json", "-o", "-"]),
                (2, "--bogus", ["--bogus"])]:
            with self.subTest(arguments=arguments):
                done = self.cli("render", *arguments, code=code)
                self.assertIn(words, done.err)
                self.assertEqual(done.out, "")
        self.assert_files()
        self.assertEqual(self.session_names(), [])


class Commands(OneServer):
    def test_lists_and_details(self):
        self.assertIn("no sessions", self.cli("sessions").err)
        session, execution = self.finished()
        table = self.cli("sessions").out.splitlines()
        self.assertEqual(table[0].split()[:3], ["NAME", "PRODUCER", "FORMAT"])
        self.assertEqual(table[1].split()[:5], [session, "ao", "png", "1", "idle"])
        table = self.cli("executions", session).out.splitlines()
        self.assertEqual(table[1].split()[:3], [execution, "finished", "2/2"])
        self.assertIn(f"execution  {execution}", self.cli("show", session).out)
        for words in ([session, execution], [f"{session}/{execution}"]):
            shown = self.cli("show", *words).out
            self.assertRegex(shown, r"(?m)^state +finished$")
            self.assertRegex(shown, r"(?m)^cold starts +0$")
        self.assertEqual(len(self.cli("workers").out.splitlines()), 3)
        self.assertRegex(self.cli("status").out, r"(?m)^slots +\[\.{30}\] 0 of \d+ busy$")
        self.assertRegex(self.cli("info").out, r"(?m)^schedulerType +queue$")

    def test_json_is_what_the_server_says(self):
        session, execution = self.finished()
        for arguments, path in [(["show", session], f"/sessions/{session}"),
                                (["show", session, execution],
                                 f"/sessions/{session}/executions/{execution}"),
                                (["sessions"], "/sessions"),
                                (["executions", session], f"/sessions/{session}/executions"),
                                (["workers"], "/workers"), (["status"], "/info"),
                                (["info"], "/info")]:
            with self.subTest(arguments=arguments):
                self.assertEqual(self.json(*arguments), self.shared.get(path).json())
        answer = self.json("result", session, execution, "-o", "a.png")
        self.assertEqual(answer["name"], execution)
        self.assertEqual(self.json("cancel", session, execution), {"success": True})
        self.assertEqual(self.json("delete", session), {"success": True})
        self.assertEqual(self.json("logout"), {"success": True})

    def test_results(self):
        session, execution = self.finished()
        expected = self.shared.get(f"/sessions/{session}/executions/{execution}/result").body
        self.cli("result", session, execution)
        self.cli("result", f"{session}/{execution}", "-o", "b.png")
        self.assertEqual(self.cli("result", session, execution, "-o", "-").bytes, expected)
        for name in (f"{execution}.png", "b.png"):
            self.assertEqual(self.read(name), expected)
        self.cli("result", session, code=2)
        self.assertIn(f"hint: francine executions {session}",
                      self.cli("result", session, "missing", code=5).err)
        self.assert_files(f"{execution}.png", "b.png")

    def test_cancel_and_delete(self):
        session = self.shared.new_session()
        execution = self.shared.post(f"/sessions/{session}/executions",
                                     {"parallel": 20000}).json()["name"]
        unfinished = self.cli("result", session, execution, "-o", "a.png", code=1)
        self.assertIn("francine:", unfinished.err)
        self.cli("cancel", session, execution)
        self.assertEqual(self.json("show", session, execution)["state"], "cancelled")
        self.cli("result", session, execution, "-o", "a.png", code=1)
        self.assert_files()
        self.cli("delete", session)
        for command in ("show", "delete", "executions"):
            self.assertIn("hint: francine sessions", self.cli(command, session, code=5).err)

    def test_lists_of_many_pages(self):
        for _ in range(1001):
            self.shared.new_session()
        self.assertEqual(len(set(self.session_names())), 1001)
        self.assertEqual(len(self.cli("sessions").out.splitlines()), 1002)

    def test_a_watched_farm(self):
        wait_until("both have joined", lambda: self.shared.get("/info").json()["workers"] == 2)
        process = self.start("status", "--watch")
        for _ in range(2):
            self.assertRegex(process.stdout.readline(), rb"^2 workers, 0 of \d+ slots busy, ")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), 0)

    def test_logs(self):
        session, execution = self.finished()
        out = self.cli("logs", "--session", session).out
        self.assertRegex(out, r"^\d{4}-\d\d-\d\dT[0-9:.]{15}Z debug the execution finished "
                              rf"\(execution {execution}\)\n$")
        self.assertEqual(self.cli("logs", "--execution", execution).out, out)
        answer = self.json("logs", "--execution", execution, "--level", "debug")
        self.assertEqual([record["execution"] for record in answer["logs"]], [execution])
        self.assertEqual(self.cli("logs", "--execution", execution, "--level", "error").out, "")
        self.assertEqual(self.cli("logs", "--execution", "nothing").out, "")
        self.assertEqual(self.cli("logs", "--execution", execution, "--task", "77").out, "")
        self.assertEqual(len(self.cli("logs", "-n", "2").out.splitlines()), 2)
        for arguments in (["--level", "loud"], ["-n", "0"], ["-n", "1001"], ["--task", "0"],
                          ["--task", "-1"], ["--task", "x"]):
            self.cli("logs", *arguments, code=2)

    def test_logs_that_are_followed(self):
        session, first = self.finished()
        process = self.start("logs", "--follow", "--json", "--session", session)
        self.assertEqual(json.loads(process.stdout.readline())["execution"], first)
        self.cli("render", "--session", session, "--parallel", "1", "-o", "again.png")
        second = json.loads(process.stdout.readline())["execution"]
        self.assertEqual(self.json("show", session, second)["state"], "finished")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), 0)

    def test_names_are_never_paths(self):
        for name in ("..", "a/../../info", "a\nb", "%2e%2e"):
            done = self.cli("delete", name, code=None)
            self.assertNotIn("Deleted", done.err)

    def check_end(self, code, wanted, text):
        if wanted is None:
            wanted = code
            self.assertIn(code, (1, 5), text)
        super().check_end(code, wanted, text)


class WithUsers(CliTest):
    def setUp(self):
        super().setUp()
        config = os.path.join(self.directory(), "config")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"users": {"anna": "secret word", "bert": "b"}, "privateKey": "k" * 40},
                      file)
        self.url = self.server("--config", config, workers=1).url
        self.credentials = os.path.join(self.home, ".config", "francine", "credentials")

    def login(self, user="anna", password="secret word", code=0, **more):
        return self.cli("login", user, "--password-stdin", stdin=password + "\n", code=code,
                        **more)

    def stored(self):
        with open(self.credentials, encoding="utf-8") as file:
            return json.load(file)

    def test_log_in_and_out(self):
        refused = self.cli("sessions", code=4)
        self.assertIn(f"hint: francine login gets a token for {self.url}", refused.err)
        self.cli("render", code=4)
        done = self.login()
        token = self.stored()[self.url]
        self.assertNotIn(token, done.out + done.err)
        self.assertEqual(stat.S_IMODE(os.stat(self.credentials).st_mode), 0o600)
        self.assertEqual(os.listdir(os.path.dirname(self.credentials)), ["credentials"])
        self.cli("render", "-o", "a.png", "--keep-session")
        self.assertEqual(self.cli("sessions").out.splitlines()[1].split()[-1], "anna")
        self.assertIn("forgotten", self.cli("logout").err)
        self.assertEqual(self.stored(), {})
        self.assertIn("no token", self.cli("logout").err)
        self.cli("sessions", code=4)

    def test_who_asks(self):
        self.login()
        session = json.loads(self.cli("--json", "render", "-o", "a.png", "--keep-session",
                                      "--parallel", "1").out)["sessionName"]
        token = self.cli("login", "bert", "--password-stdin", "--show-token",
                         stdin="b").out.strip()
        self.assertNotEqual(token, self.stored()[self.url])  # it was not stored
        self.cli("show", session)
        self.cli("show", session, code=5, FRANCINE_TOKEN=token)
        self.cli("show", session, code=4, FRANCINE_TOKEN=token[:-2])
        self.cli("show", session, code=2, FRANCINE_TOKEN="a\nX-Evil: 1")

    def test_log_ins_that_fail(self):
        self.assertNotIn("secret", self.login(password="secret wrong", code=4).err)
        self.assertIn("has no line", self.login(password="", code=2).err)
        self.assertIn("--password-stdin", self.cli("login", "anna", code=2).err)
        self.assertFalse(os.path.exists(self.credentials))
        os.makedirs(os.path.dirname(self.credentials))
        with open(self.credentials, "w", encoding="utf-8") as file:
            file.write("{")
        self.assertIn("damaged", self.login(code=1).err)
        self.assertIn("damaged", self.cli("sessions", code=1).err)

    def test_xdg_config_home(self):
        self.login(XDG_CONFIG_HOME=self.path("config"))
        self.assertTrue(os.path.exists(self.path("config/francine/credentials")))
        self.assertFalse(os.path.exists(self.credentials))
        self.cli("sessions", XDG_CONFIG_HOME=self.path("config"))


class Torn(http.server.BaseHTTPRequestHandler):
    """Passes requests on; the answer to the first POST that creates something is lost, of
    each path."""

    def log_message(self, *_):
        pass

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.server.behind.request(self.command, self.path, body=body,
                                            headers=dict(self.headers))
        creates = self.command == "POST" and answer.status == 201
        if creates and self.path not in self.server.lost:
            self.server.lost.add(self.path)
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_DELETE = pass_on


class AnswersGetLost(CliTest):
    @needs_meshes
    def test_what_is_asked_for_again_is_created_once(self):
        server = self.server(workers=1)
        between = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Torn)
        between.behind, between.lost = server, set()
        self.addCleanup(between.server_close)
        threading.Thread(target=between.serve_forever).start()
        self.addCleanup(between.shutdown)
        self.url = f"http://127.0.0.1:{between.server_port}"
        self.write("square.obj", SQUARE_OBJ)
        answer = json.loads(self.cli("--json", "render", "square.obj", "--parallel", "2",
                                     "--keep-session").out)
        sessions = server.get("/sessions").json()["sessions"]
        self.assertEqual([(one["name"], one["executionCount"]) for one in sessions],
                         [(answer["sessionName"], 1)])
        self.assertEqual(len(between.lost), 2)


class OverTls(CliTest):
    def test_whom_to_trust(self):
        certificate, key = self.path("farm.pem"), self.path("key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
                        certificate, "-days", "2", "-subj", "/CN=farm", "-addext",
                        "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        server = self.server("--tls-certificate", certificate, "--tls-key", key, "--tls-ca",
                             certificate, workers=1)
        self.url = f"https://127.0.0.1:{server.rest}"
        self.cli("render", "--ca", certificate, "--parallel", "2", "-o", "a.png")
        self.assertEqual(png_size(self.read("a.png")), (256, 256))
        self.cli("info", FRANCINE_CA="farm.pem")
        self.assertIn("hint: --ca FILE", self.cli("info", code=3).err)
        plain = self.cli("info", "--server", server.url, code=1)
        self.assertIn("https", plain.err)


class WithoutServer(CliTest):
    def test_unreachable(self):
        self.url = "http://127.0.0.1:1"
        for command in (["sessions"], ["render"], ["status", "--watch"], ["workers"]):
            done = self.cli(*command, code=3)
            self.assertIn("hint: is francine-server running at http://127.0.0.1:1?", done.err)
        self.assert_files()
        self.cli("info", "--server", "ftp://x", code=2)
        self.cli("info", "--ca", "missing.pem", code=2)

    def test_no_server_of_ours(self):
        """A port that answers with something else."""
        server = self.server(workers=1)
        self.url = f"http://127.0.0.1:{server.resource}"
        self.assertIn("francine:", self.cli("info", code=None).err)

    def test_a_server_that_dies_meanwhile(self):
        server = self.server(workers=1)
        self.url = server.url
        process = self.start("render", *LONG, "-o", "a.png", "--timeout", "1")
        self.assertIn(b"shares", process.stderr.readline())
        server.process.kill()
        self.assertEqual(process.wait(60), 3)
        self.assert_files()

    def test_standard_output_that_is_full(self):
        server = self.server(workers=1)
        self.url = server.url
        with open("/dev/full", "wb") as full:
            done = subprocess.run([CLI, "info"], stdout=full, stderr=subprocess.PIPE,
                                  env=self.variables(), check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"standard output", done.stderr)

    def check_end(self, code, wanted, text):
        super().check_end(code, code if wanted is None else wanted, text)


if __name__ == "__main__":
    unittest.main()
