#!/usr/bin/env python3
"""What is wrong is refused with a sentence that names it, and nothing is recorded."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SQUARE_OBJ, Server, SystemTest, connect, read_until_closed


class BadInput(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.shared = SystemTest()
        cls.master = Server("--max-body-bytes", "100000", "--max-pixels", "1000000",
                            "--max-resource-bytes", "200000")

    @classmethod
    def tearDownClass(cls):
        try:
            cls.shared.assert_stops_clean(cls.master)
        finally:
            cls.shared.close(cls.master)

    def refused_session(self, status, word, **members):
        body = {"producer": "ao", **members}
        self.assert_refused(self.master.post("/sessions", body), status, word)
        self.assert_refused(self.master.post("/sessions?block=true", body), status, word)

    def test_session(self):
        self.refused_session(400, "producer", producer="nobody")
        self.refused_session(400, "producer", producer=None)
        self.refused_session(400, "producer", producer=["ao"])
        self.refused_session(400, "producer", producer="")
        self.refused_session(400, "producer", producer="__proto__")
        self.refused_session(400, "format", format="bmp")
        self.refused_session(400, "format", format=1)
        self.refused_session(400, "resources", resources="x")
        self.refused_session(400, "resources[0]", resources=[None])
        self.assert_refused(self.master.post("/sessions", {}), 400, "producer")

    def test_resources(self):
        good = self.master.upload(SQUARE_OBJ)

        def refused(word, **members):
            resource = {"type": "upload", "id": good, "dst": "model.obj", **members}
            self.refused_session(400, word, resources=[resource])

        refused("id", id="sha256:" + "0" * 64)
        refused("id", id="sha256:../../etc/passwd")
        refused("id", id="md5:0")
        refused("id", id=7)
        refused("type", type="nobody")
        refused("type", type=None)
        for dst in ("/etc/passwd", "../a.obj", "a/../../b.obj", "a/..", "..", ".", "", "a\0b",
                    "a//b", "a/./b", "a\\b", "x" * 256, "a/" * 600 + "b", None, 7):
            with self.subTest(dst=dst):
                refused("dst", dst=dst)
        twice = {"type": "upload", "id": good, "dst": "a.obj"}
        self.refused_session(400, "dst", resources=[twice, twice])
        self.refused_session(400, "dst", resources=[twice, {**twice, "dst": "a.obj/b"}])

    def test_broken_mesh(self):
        for content in (b"f 1 2 3\n", b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", b"\x00\xff" * 500,
                        b"", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 99999999999\n"):
            with self.subTest(content=content[:20]):
                identity = self.master.upload(content)
                self.refused_session(400, "model.obj", resources=[
                    {"type": "upload", "id": identity, "dst": "model.obj"}])

    def test_parallel(self):
        name = self.master.new_session()
        path = f"/sessions/{name}/executions"
        for parallel in ("0", "-1", "2.5", '"8"', "65537", "null", "1e300", "true", "[1]",
                         "99999999999999999999999"):
            with self.subTest(parallel=parallel):
                body = f'{{"parallel": {parallel}}}'
                self.assert_refused(self.master.post(path, body), 400, "parallel",
                                    "an integer from 1 to 65,536")
                self.assert_refused(self.master.post(f"{path}?block=true", body), 400, "parallel")
        self.assert_refused(self.master.post(path, {}), 400, "parallel", "missing")
        for parallel in ("0", "-1", "2.5", "x", "", "65537", "%38%20"):
            self.assert_refused(self.master.get(f"/?parallel={parallel}"), 400, "parallel")
        self.assert_refused(self.master.get("/?format=bmp"), 400, "format")
        self.nothing_recorded(name)

    def test_update(self):
        name = self.master.new_session()
        path = f"/sessions/{name}/executions"
        for word, update in (
                ("width", {"width": 0}), ("width", {"width": -5}), ("width", {"width": 1.5}),
                ("width", {"width": "8"}), ("width", {"width": 2**40}),
                ("samples", {"samples": 0}), ("aoSamples", {"aoSamples": "many"}),
                ("aoDistance", {"aoDistance": -1}), ("camera", {"camera": 7}),
                ("fov", {"camera": {"fov": 400}}), ("eye", {"camera": {"eye": [1, 2]}})):
            with self.subTest(update=update):
                self.assert_refused(self.master.post(path, {"parallel": 1, "update": update}),
                                    400, word)
        self.assert_refused(self.master.post(path, {"parallel": 1, "update": []}), 400, "update")
        large = self.master.post(path, {"parallel": 1, "update": {"width": 2000, "height": 2000}})
        self.assertIn(large.status, (400, 413))
        self.assertIn("1,000,000", large.error.replace("1000000", "1,000,000"))
        self.assert_refused(
            self.master.post(path, {"parallel": 1, "update": {"a": "x" * 70_000}}), 413, "update")
        self.nothing_recorded(name)

    def nothing_recorded(self, name):
        session = self.master.get(f"/sessions/{name}").json()
        self.assertEqual((session["executionNames"], session["updates"], session["running"]),
                         ([], [], False))

    def test_a_refused_execution_leaves_no_session(self):
        before = self.master.get("/info").json()
        for _ in range(3):
            self.assert_refused(
                self.master.post("/sessions?block=true", {"producer": "ao", "parallel": 0}),
                400, "parallel")
            self.assert_refused(
                self.master.post("/sessions?block=true", {"producer": "ao",
                                                          "update": {"width": 0}}), 400, "width")
        self.assertEqual(self.master.get("/info").json()["pendingShares"], before["pendingShares"])

    def test_json(self):
        name = self.master.new_session()
        for path in ("/sessions", f"/sessions/{name}/executions"):
            for body in (b"", b"{", b"[]", b"null", b"7", b'"x"', b"{} {}", b"[" * 50_000,
                         b'{"a":' * 9_000, b'{"producer": "\xff"}', b'{"a": "\\ud800"}',
                         b'{"a": 1}\0', b'{"a": 1e400}', b"producer=ao",
                         b'{"producer": "ao", "producer": "ao", "parallel": 1}'):
                with self.subTest(path=path, body=body[:20]):
                    answer = self.master.post(path, body)
                    self.assertEqual(answer.status, 400, answer.body)
                    self.assertTrue(answer.error)

    def test_too_large(self):
        body = json.dumps({"producer": "ao", "padding": "x" * 200_000})
        self.assert_refused(self.master.post("/sessions", body), 413)
        self.assert_refused(self.master.request("PUT", "/resources", body=b"x" * 300_000), 413)
        pieces = (b"x" * 1000 for _ in range(300))
        self.assert_refused(self.master.request("PUT", "/resources", body=pieces), 413)

    def test_names_that_are_none(self):
        name = self.master.new_session()
        for path in ("/sessions/__proto__", "/sessions/nobody", "/sessions/%20", "/sessions/%ff",
                     "/sessions/constructor", f"/sessions/{name}x",
                     f"/sessions/{name}/executions/__proto__",
                     f"/sessions/{name}/executions/nobody/result",
                     f"/sessions/{name}/executions/%e2%82", "/nothing", "/sessions/a/b/c/d/e",
                     f"/sessions/{'x' * 3000}"):
            with self.subTest(path=path):
                self.assert_refused(self.master.get(path), 404)
        self.assert_refused(self.master.request("DELETE", "/sessions/nobody"), 404)
        self.assert_refused(self.master.post("/sessions/nobody/executions", {"parallel": 1}), 404)
        for path in ("/sessions/..", "/sessions/%2e%2e", "/sessions/%00", "/sessions/%zz"):
            self.assertIn(self.master.get(path).status, (400, 404))
        self.assert_refused(self.master.request("PATCH", "/sessions"), 405)
        self.assert_refused(self.master.request("PUT", "/sessions"), 405)

    def test_requests_that_are_none(self):
        for raw in (b"hello\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x00",
                    b"GET /info HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n",
                    b"POST /sessions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
                    b"POST /sessions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                    b"GET /info HTTP/1.1\r\nHost: localhost\r\n" + b"A: " + b"x" * 100_000 + b"\r\n\r\n"):
            with self.subTest(raw=raw[:40]):
                connection = connect(self.master.rest)
                try:
                    connection.sendall(raw)
                    # Some of these could be the beginning of something; this is its end.
                    connection.shutdown(1)
                except OSError:
                    pass
                received = read_until_closed(connection)
                connection.close()
                if received:
                    self.assertRegex(received, rb"\AHTTP/1\.1 [45]\d\d ")
                    self.assertIn(b'"error"', received)
        self.assertEqual(self.master.get("/healthz").status, 200)


if __name__ == "__main__":
    unittest.main()
