#!/usr/bin/env python3
"""francine render with files and folders: what is uploaded, what is not sent again, and
what goes on after a break."""

import json
import os
import signal
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cli import CliTest
from harness import SQUARE_OBJ, fewer, needs_meshes, wait_until

# As text that the producer does not read; large enough to go in parts.
LARGE = bytes(range(256)) * 80_000  # some 20 MB
QUICK = ["--parallel", "1", "--width", "16", "--height", "16"]


class Proxy:
    """Passes connections on to a server and counts what is sent to it. It can cut each
    connection once so many bytes have passed in all, or let nothing more pass."""

    def __init__(self, port):
        self.behind = port
        self.connections = 0
        self.sent = 0
        self.cut_at = None
        self.hold_at = None
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self.behind))
            for target, ends in ((self.forth, (client, server)), (self.back, (server, client))):
                threading.Thread(target=target, args=ends, daemon=True).start()

    def forth(self, client, server):
        while piece := self.receive(client):
            with self.lock:
                if self.cut_at is not None and self.sent >= self.cut_at:
                    self.cut_at = None
                    break
            if self.hold_at is not None and self.sent >= self.hold_at:
                continue
            with self.lock:
                self.sent += len(piece)
            try:
                server.sendall(piece)
            except OSError:
                break
        self.end(client, server)
        client.close()

    def back(self, server, client):
        while piece := self.receive(server):
            try:
                client.sendall(piece)
            except OSError:
                break
        self.end(client, server)
        server.close()

    @staticmethod
    def receive(connection):
        try:
            return connection.recv(65536)
        except OSError:
            return b""

    @staticmethod
    def end(*connections):
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.threads[0].join()


class UploadTest(CliTest):
    def setUp(self):
        super().setUp()
        self.master = self.server(workers=1)
        self.url = self.master.url

    def through_proxy(self):
        proxy = Proxy(self.master.rest)
        self.addCleanup(proxy.close)
        self.url = proxy.url
        return proxy

    def folder(self, name, files):
        for path, content in files.items():
            os.makedirs(os.path.dirname(self.path(f"{name}/{path}")), exist_ok=True)
            self.write(f"{name}/{path}", content)
        return name

    def render(self, *arguments, **more):
        """(the notes, the resources of the session)"""
        done = self.cli("--json", "render", *QUICK, "-o", "out.png", "--keep-session", *arguments,
                        **more)
        session = self.master.get(f"/sessions/{json.loads(done.out)['sessionName']}").json()
        return done.err, {one["dst"]: one["id"] for one in session["resources"]}


class Folders(UploadTest):
    @needs_meshes
    def test_a_folder_is_a_scene(self):
        self.folder("scene", {"square.obj": SQUARE_OBJ, "maps/a.png": b"a", "maps/deep/b": b"b",
                              ".git/config": b"x", "maps/.hidden": b"x", "copy of a": b"a"})
        self.write("outside", b"secret")
        os.symlink("maps/a.png", self.path("scene/link"))
        os.symlink("../outside", self.path("scene/out"))
        os.symlink("maps", self.path("scene/folder link"))
        os.symlink("nowhere", self.path("scene/broken"))
        os.mkfifo(self.path("scene/pipe"))
        notes, resources = self.render("scene/")
        self.assertEqual(sorted(resources),
                         ["copy of a", "link", "maps/a.png", "maps/deep/b", "square.obj"])
        self.assertEqual(resources["copy of a"], resources["maps/a.png"])
        self.assertEqual(resources["link"], resources["maps/a.png"])
        self.assertIn("scene/: left out: hidden ones (2), links (3), what is no file (1)", notes)
        self.assertIn("Uploaded 3 of 5 files", notes)
        # The next time nothing is sent but what has changed.
        self.write("scene/maps/deep/b", b"another")
        notes, again = self.render("scene")
        self.assertIn("Uploaded 1 of 5 files, 7 bytes", notes)
        self.assertNotEqual(again.pop("maps/deep/b"), resources.pop("maps/deep/b"))
        self.assertEqual(again, resources)

    @needs_meshes
    def test_where_it_goes_and_what_it_is_called(self):
        self.folder("scene", {"square.obj": SQUARE_OBJ})
        self.write("other.txt", b"x")
        _, resources = self.render("scene:models/one/", "other.txt:notes/x")
        self.assertEqual(sorted(resources), ["models/one/square.obj", "notes/x"])
        self.cli("render", *QUICK, "scene/", "other.txt")
        self.cli("render", *QUICK, "other.txt", "scene")
        done = self.cli("render", *QUICK, "--quiet", "scene/.")
        self.assertEqual(done.err, "")
        self.assert_files("other.txt", "scene", "out.png", "scene.png", "scene-2.png", "other.png")

    def test_folders_that_are_no_scenes(self):
        os.mkdir(self.path("empty"))
        self.assertIn("empty has no file", self.cli("render", "empty", code=1).err)
        self.folder("odd", {"a\\b": b"x"})
        self.assertIn("rename it", self.cli("render", "odd", code=1).err)
        self.folder("both", {"a.obj": b"x"})
        self.write("a.obj", b"x")
        self.assertIn("a.obj and both/a.obj", self.cli("render", "a.obj", "both", code=2).err)
        self.folder("many", {str(i): b"x" for i in range(3)})
        server = self.server("--max-resources-per-session", "2", workers=1)
        done = self.cli("render", "many", code=1, FRANCINE_SERVER=server.url)
        self.assertIn("at most 2", done.err)

    def test_many_small_files_share_few_connections(self):
        count = fewer(1000)
        self.folder("scene", {f"{i % 10}/{i}": str(i).encode() for i in range(count)})
        proxy = self.through_proxy()
        notes, resources = self.render("scene")
        self.assertEqual(len(resources), count)
        self.assertIn(f"Uploaded {count} of {count} files", notes)
        self.assertLess(proxy.connections, 20)


class Breaks(UploadTest):
    def test_a_cut_connection_costs_little(self):
        self.write("large", LARGE)
        proxy = self.through_proxy()
        proxy.cut_at = 5_000_000
        self.render("large")
        self.assertIsNone(proxy.cut_at)
        self.assertLess(proxy.sent, len(LARGE) + 2_000_000)

    def test_the_next_call_goes_on(self):
        self.write("large", LARGE)
        proxy = self.through_proxy()
        proxy.hold_at = 12_000_000
        process = self.start("render", "large", "-o", "a.png")
        wait_until("it hangs", lambda: proxy.sent >= 12_000_000)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(60), 130)
        self.assert_files("large")
        proxy = self.through_proxy()
        self.render("large")
        self.assertLess(proxy.sent, 10_000_000)
        # And the one after sends nothing.
        proxy = self.through_proxy()
        self.render("large")
        self.assertLess(proxy.sent, 10_000)

    def test_a_terminal_shows_how_far_it_is(self):
        self.write("large", LARGE)
        self.write("small", b"x")
        proxy = self.through_proxy()
        proxy.hold_at = 1_000_000
        terminal = self.terminal("render", "large", "-o", "a.png")
        terminal.expect(r"uploading large: .* of 20\.5 MB")

    def test_more_than_the_server_has_room_for_at_once(self):
        server = self.server("--max-unfinished-upload-bytes-per-user", str(len(LARGE) + 1),
                             workers=1)
        self.folder("scene", {str(i): bytes([i]) + LARGE for i in range(fewer(5))})
        self.cli("render", *QUICK, "scene", "-o", "a.png", FRANCINE_SERVER=server.url)

    def test_a_server_that_refuses(self):
        self.folder("scene", {"a": b"a" * 2000, "b": b"b"})
        server = self.server("--max-resource-bytes", "1000", workers=1)
        done = self.cli("render", "scene", code=1, FRANCINE_SERVER=server.url)
        self.assertIn("cannot upload scene/a: ", done.err)


class Users(UploadTest):
    def test_what_others_have_uploaded_is_sent(self):
        config = os.path.join(self.directory(), "config")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"users": {"anna": "a", "bert": "b"}, "privateKey": "k" * 40}, file)
        self.master = self.server("--config", config, workers=1)
        proxy = self.through_proxy()
        self.write("large", LARGE)
        for user, password in (("anna", "a"), ("bert", "b")):
            self.cli("login", user, "--password-stdin", stdin=password + "\n")
            for sent in (len(LARGE), 0):
                before = proxy.sent
                self.cli("render", *QUICK, "large", "-o", "a.png")
                self.assertAlmostEqual(proxy.sent - before, sent, delta=100_000)


if __name__ == "__main__":
    unittest.main()
