#!/usr/bin/env python3
"""Resources that come from providers: fetched by one worker, had by the others, the same
for as long as the session lives; what goes wrong, and where that is said."""

import hashlib
import http.server
import json
import os
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from fake_clouds import FakeClouds  # noqa: E402
from harness import SQUARE_OBJ, SystemTest, needs_meshes, wait_until  # noqa: E402

KEY = "a private key of the tests, 32 bytes or more"
USERS = {"anna": "anna's password", "bert": "bert's password"}
OTHER_OBJ = SQUARE_OBJ.replace(b"1 1 0", b"2 1 0")
SMALL = {"width": 64, "height": 64}
PIECE = 64 << 10


class Site:
    """A web server whose files are `files`; it counts what is asked for, and the bytes that
    it could send. A file in `weak` has a weak ETag."""

    def __init__(self):
        self.files = {}
        self.asked = []
        self.sent = 0
        self.weak = set()
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked.append(self.path)
                content = site.files.get(self.path)
                self.send_response(200 if content is not None else 404)
                content = content or b""
                self.send_header("Content-Length", str(len(content)))
                weak = "W/" if self.path in site.weak else ""
                self.send_header("ETag", f'{weak}"{hashlib.sha256(content).hexdigest()}"')
                self.end_headers()
                # What nobody reads shall not be taken by the kernel instead.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE)
                try:
                    for at in range(0, len(content), PIECE):
                        self.wfile.write(content[at:at + PIECE])
                        site.sent += len(content[at:at + PIECE])
                except ConnectionError:
                    pass  # who asked has read enough

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@needs_meshes
class ProvidedTest(SystemTest):
    def setUp(self):
        self.site = Site()
        self.addCleanup(self.site.close)
        self.site.files["/square.obj"] = SQUARE_OBJ

    def start(self, earlier=None, workers=2, **config):
        path = os.path.join(self.directory(), "rc")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"http": {"allowPrivate": True}, **config}, file)
        os.chmod(path, 0o600)
        self.master = self.server("--config", path, workers=workers, earlier=earlier)
        wait_until("all have joined", lambda: self.master.get("/info").json()["workers"] == workers)
        return self.master

    def session(self, *resources, headers=None):
        answer = self.master.post("/sessions", {"producer": "ao", "format": "exr",
                                                "resources": list(resources)},
                                  headers=headers or {})
        self.assertEqual(answer.status, 201, answer.body)
        return answer.json()["name"]

    def render(self, session, parallel=16, headers=None):
        return self.master.post(f"/sessions/{session}/executions?block=true",
                                {"parallel": parallel, "update": SMALL}, headers=headers or {})

    def picture(self, session, parallel=16, headers=None):
        answer = self.render(session, parallel, headers)
        self.assertEqual(answer.status, 200, answer.body[:300])
        return answer.sha256

    def web(self, path="/square.obj"):
        return {"type": "http", "url": self.site.url + path, "dst": "square.obj"}

    def uploaded(self, content):
        return {"type": "upload", "id": self.master.upload(content), "dst": "square.obj"}

    def test_http(self):
        self.start()
        wanted = self.picture(self.session(self.uploaded(SQUARE_OBJ)))
        session = self.session(self.web())
        self.assertEqual(self.site.asked, [])  # nothing happens before it is rendered
        self.assertEqual(self.picture(session), wanted)
        self.assertEqual(self.picture(session), wanted)
        # One worker asked, once; the other one has it from there.
        self.assertEqual(self.site.asked, ["/square.obj"])
        shown = self.master.get(f"/sessions/{session}").json()
        self.assertEqual(shown["resources"], [self.web()])
        self.assertEqual(len(shown["cachedWorkers"]), 2)
        # One worker began without the files; the other one may have had them by then, being
        # told to receive them while the first one fetched.
        first, second = self.master.get(f"/sessions/{session}/executions").json()["executions"]
        self.assertGreaterEqual(first["coldStarts"], 1, first)
        self.assertLessEqual(first["coldStarts"] + second["coldStarts"], 2, (first, second))

    def test_what_changes_at_the_provider_does_not_change_the_session(self):
        self.start()
        session = self.session(self.web())
        wanted = self.picture(session)
        self.site.files["/square.obj"] = OTHER_OBJ
        self.assertEqual(self.picture(session), wanted)
        self.assertNotEqual(self.picture(self.session(self.web())), wanted)
        # Nor does a master that begins again.
        self.master.process.kill()
        self.master.wait()
        self.start(earlier=self.master)
        self.assertEqual(self.picture(session), wanted)

    def test_what_another_session_has_is_not_fetched_again(self):
        self.start(workers=1)
        large = SQUARE_OBJ + b"# nothing else is here\n" * 400_000
        self.site.files["/square.obj"] = large

        def sent_for_a_session():
            before, asked = self.site.sent, len(self.site.asked)
            pictures.add(self.picture(self.session(self.web())))
            self.assertEqual(len(self.site.asked), asked + 1)
            return self.site.sent - before

        pictures = set()
        self.assertEqual(sent_for_a_session(), len(large))
        self.assertLess(sent_for_a_session(), len(large) // 4)
        # A master that begins again knows it as well.
        self.master.process.kill()
        self.master.wait()
        self.start(earlier=self.master, workers=1)
        self.assertLess(sent_for_a_session(), len(large) // 4)
        self.assertEqual(len(pictures), 1)
        # Other bytes are fetched, and so is what may be others.
        other = self.site.files["/square.obj"] = large.replace(SQUARE_OBJ, OTHER_OBJ)
        self.assertEqual(sent_for_a_session(), len(other))
        self.assertEqual(len(pictures), 2)
        self.site.weak.add("/square.obj")
        self.assertEqual(sent_for_a_session(), len(other))
        self.assertEqual(sent_for_a_session(), len(other))
        self.assertEqual(len(pictures), 2)

    def test_when_nobody_has_it_any_more(self):
        self.start(workers=1)
        session = self.session(self.web())
        wanted = self.picture(session)
        self.site.files["/square.obj"] = OTHER_OBJ
        self.assertEqual(self.master.stop(), 0)  # its workers end, and what they had goes
        self.start(earlier=self.master, workers=1)
        answer = self.render(session)
        self.assert_refused(answer, 500, "square.obj", "changed at http", "new session")
        self.site.files["/square.obj"] = SQUARE_OBJ
        self.assertEqual(self.picture(session), wanted)

    def test_what_is_not_there(self):
        self.start()
        session = self.session(self.web("/nothing.obj"))
        answer = self.render(session)
        self.assert_refused(answer, 500, "square.obj", "/nothing.obj", "404")
        self.assertIn(len(self.site.asked), range(2, 6))  # tried elsewhere, and given up
        self.site.files["/nothing.obj"] = SQUARE_OBJ
        self.picture(session)  # the session is usable

    def test_what_is_broken(self):
        self.start()
        self.site.files["/square.obj"] = b"v 1 2 what\n"
        self.assert_refused(self.render(self.session(self.web())), 500, "square.obj")

    def test_refused_at_once(self):
        self.start(http={})
        for resource, words in (
                ({"type": "http", "dst": "a.obj"}, ("resources[0].url",)),
                ({"type": "http", "url": "ftp://h/a", "dst": "a.obj"}, ("resources[0].url",)),
                ({"type": "gopher", "dst": "a.obj"}, ("resources[0].type", "http")),
                ({"type": "dropbox", "path": "/a", "dst": "a.obj"}, ("not configured", "apiKey")),
                ({"type": "file", "path": "/etc/passwd", "dst": "a.obj"}, ("file.roots",)),
                ({**self.web(), "dst": "../a.obj"}, ("resources[0].dst",))):
            answer = self.master.post("/sessions", {"producer": "ao", "resources": [resource]})
            self.assert_refused(answer, 400, *words)
        two = {"producer": "ao", "resources": [self.web(), self.web()]}
        self.assert_refused(self.master.post("/sessions", two), 400, "resources[1].dst")
        self.assertEqual(self.master.get("/sessions").json()["sessions"], [])
        # A way inside is known when the name is resolved.
        answer = self.render(self.session(self.web()))
        self.assert_refused(answer, 500, "square.obj", "is an address inside")
        self.assertEqual(self.site.asked, [])

    def test_file(self):
        root = self.directory()
        with open(os.path.join(root, "square.obj"), "wb") as file:
            file.write(SQUARE_OBJ)
        os.symlink("/etc/passwd", os.path.join(root, "way-out"))
        self.start(file={"roots": [root]})
        wanted = self.picture(self.session(self.uploaded(SQUARE_OBJ)))
        session = self.session({"type": "file", "path": f"{root}/square.obj", "dst": "square.obj"})
        self.assertEqual(self.picture(session), wanted)
        for path in (f"{root}/nothing", f"{root}/way-out", "/etc/passwd"):
            answer = self.master.post("/sessions", {"producer": "ao", "resources": [
                {"type": "file", "path": path, "dst": "square.obj"}]})
            self.assertIn(answer.status, (400, 403, 404), answer.body)

    def test_clouds(self):
        clouds = FakeClouds()
        self.addCleanup(clouds.close)
        self.start(users=USERS, privateKey=KEY, dropbox=clouds.dropbox,
                   googledrive=clouds.googledrive)
        headers = {user: {"X-API-Token": self.master.post(
            "/auth", {"userName": user, "password": password}).json()["authToken"]}
            for user, password in USERS.items()}
        clouds.put("dropbox", "/square.obj", SQUARE_OBJ)
        drive_id = clouds.put("googledrive", "square.obj", SQUARE_OBJ)
        resources = {
            "dropbox": {"type": "dropbox", "path": "/square.obj", "dst": "square.obj"},
            "googledrive": {"type": "googledrive", "id": drive_id, "dst": "square.obj"}}
        pictures = set()
        for provider, resource in resources.items():
            request = {"producer": "ao", "resources": [resource]}
            answer = self.master.post("/sessions", request, headers=headers["anna"])
            self.assert_refused(answer, 401, f"/auth/{provider}")
            status = self.master.get(f"/auth/{provider}", headers=headers["anna"]).json()
            code, state = clouds.agree(provider, status["authorizeUrl"])
            answer = self.master.post(f"/auth/{provider}", {"code": code, "state": state},
                                      headers=headers["anna"])
            self.assertEqual(answer.status, 200, answer.body)
            session = self.session(resource, headers=headers["anna"])
            pictures.add(self.picture(session, headers=headers["anna"]))
            self.assertEqual(clouds.counts(provider)[2], 1)
            # Another user has authorised nothing.
            answer = self.master.post("/sessions", request, headers=headers["bert"])
            self.assert_refused(answer, 401, f"/auth/{provider}")
        self.assertEqual(len(pictures), 1)


if __name__ == "__main__":
    unittest.main()
