#!/usr/bin/env python3
"""Files that workers pass on while they still come from a provider that takes its time,
and workers that die meanwhile."""

import http.server
import json
import os
import re
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SystemTest, wait_until  # noqa: E402

SIZE = 8 << 20
HALF = SIZE // 2
BLOCK = 64 << 10
BIG = os.urandom(SIZE)


class SlowSite:
    """Serves one file, and only its first half until `gate` is set."""

    def __init__(self):
        self.gate = threading.Event()
        self.sent = 0  # bytes
        self.begun = []  # (first byte, the client's port) of each time it was asked for
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                first = int(span[1]) if span else 0
                self.send_response(206 if span else 200)
                self.send_header("ETag", f'"{SIZE}"')
                self.send_header("Content-Length", str(SIZE - first))
                if span:
                    self.send_header("Content-Range",
                                     f"bytes {first}-{SIZE - 1}/{SIZE}")
                self.end_headers()
                site.begun.append((first, self.client_address[1]))
                try:
                    self.give(first, HALF)
                    site.gate.wait()
                    self.give(max(first, HALF), SIZE)
                except OSError:
                    self.close_connection = True  # whoever asked has died

            def give(self, first, end):
                for at in range(first, end, BLOCK):
                    piece = BIG[at:min(at + BLOCK, end)]
                    self.wfile.write(piece)
                    site.sent += len(piece)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


def open_files(pid):
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{name}"
            try:
                yield os.readlink(path), os.stat(path)
            except OSError:
                continue  # closed meanwhile
    except OSError:
        return


def arriving(pid):
    """Bytes of the largest file that the worker is receiving."""
    return max((status.st_size for path, status in open_files(pid) if "/incoming/" in path),
               default=0)


def owner_of(port, pids):
    """Whose end of a connection to this machine that port is."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    inodes = {f"socket:[{row[9]}]" for row in rows if int(row[1].split(":")[1], 16) == port}
    for pid in pids:
        if any(path in inodes for path, _ in open_files(pid)):
            return pid
    return None


class SpreadingTest(SystemTest):
    def setUp(self):
        self.site = SlowSite()
        self.addCleanup(self.site.close)
        path = os.path.join(self.directory(), "rc")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"http": {"allowPrivate": True}}, file)
        self.master = self.server("--config", path, workers=4)
        wait_until("all have joined", lambda: self.master.get("/info").json()["workers"] == 4)
        # No mesh: the scene is the renderer's own.
        session = self.master.new_session(format="exr", resources=[
            {"type": "http", "url": self.site.url + "/big.bin", "dst": "big.bin"}])
        answer = self.master.post(f"/sessions/{session}/executions",
                                  {"parallel": 64, "update": {"width": 64, "height": 64}})
        self.assertEqual(answer.status, 201, answer.body)
        self.execution = f"/sessions/{session}/executions/{answer.json()['name']}"
        # Half of the file is all that there is yet, and everybody has it: but for a block
        # in each stripe that is not whole.
        wait_until("all have what there is", lambda: len(self.receivers()) == 4)
        self.assertEqual(self.site.sent, HALF)
        self.scout = owner_of(self.site.begun[0][1], self.receivers())
        self.assertIsNotNone(self.scout)

    def receivers(self):
        return [pid for pid in self.master.worker_pids() if arriving(pid) >= HALF - 2 * BLOCK]

    def finish(self):
        self.site.gate.set()
        wait_until("it has finished",
                   lambda: self.master.get(self.execution).json()["state"] != "running", 60)
        shown = self.master.get(self.execution).json()
        self.assertEqual(shown["state"], "finished", shown)
        sha256 = self.master.get(self.execution + "/result").sha256
        session = self.master.new_session(format="exr")
        wanted = self.master.post(f"/sessions/{session}/executions?block=true",
                                  {"parallel": 64, "update": {"width": 64, "height": 64}})
        self.assertEqual(sha256, wanted.sha256)

    def test_all_receive_while_one_fetches(self):
        self.finish()
        self.assertEqual(len(self.site.begun), 1)
        self.assertEqual(self.site.sent, SIZE)

    def test_who_fetches_dies_and_another_goes_on_where_it_was(self):
        os.kill(self.scout, signal.SIGKILL)
        wait_until("another one fetches", lambda: len(self.site.begun) == 2)
        self.assertGreaterEqual(self.site.begun[1][0], HALF - 2 * BLOCK)
        self.finish()
        self.assertLessEqual(self.site.sent, SIZE + 4 * BLOCK)

    def test_who_passes_on_dies_and_the_others_receive_all(self):
        others = [pid for pid in self.receivers() if pid != self.scout]
        for pid in others[:2]:
            os.kill(pid, signal.SIGKILL)
        self.finish()
        self.assertEqual(len(self.site.begun), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
