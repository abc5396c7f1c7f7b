"""Real francine-server processes for tests: started on free ports with directories
of their own, awaited by event under a deadline, and checked to leave nothing.

The program is FRANCINE_SERVER in the environment, by default that of build/;
FRANCINE_MESHES says whether it renders meshes (1, the default) or not (0). All
deadlines are multiplied by FRANCINE_TEST_SLOWNESS (builds with sanitizers are slow).
"""

import hashlib
import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import uuid

import openapi

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SERVER = os.environ.get("FRANCINE_SERVER",
                        os.path.join(ROOT, "build", "server", "francine-server"))
SLOWNESS = float(os.environ.get("FRANCINE_TEST_SLOWNESS", "1"))
MESHES = os.environ.get("FRANCINE_MESHES", "1") == "1"
needs_meshes = unittest.skipUnless(MESHES, "this build was made without Embree")
MARK = "SYSTEM_TEST_MARK"  # in the environment of everything that a test starts
READY = re.compile(r"francine-server ready: rest=(\d+) ws=(\d+) rpc=(\d+) resource=(\d+) "
                   r"workers=(\d+)\n")


def fewer(count):
    """So many where things are fast, fewer where they are slow."""
    return max(2, int(count / SLOWNESS))


def deadline_in(seconds):
    return time.monotonic() + seconds * SLOWNESS


def wait_until(what, predicate, seconds=20):
    """Asks `predicate` until it answers something true, which is returned."""
    deadline = deadline_in(seconds)
    pause = threading.Event()  # never set: the pace at which we ask
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not in time: {what}")
        pause.wait(0.002)


def environment(mark, **more):
    clean = {k: v for k, v in os.environ.items()
             if not k.startswith("FRANCINE_") and k != "HOME"}
    return {**clean, MARK: mark, **more}


def marked_processes(mark):
    """The living processes (no zombies) that carry the mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(int(entry))
        except OSError:  # it has just ended, or is not ours
            pass
    return found


def kill_marked(mark):
    for pid in marked_processes(mark):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def wait_for_end(pid, seconds=20):
    """Waits for the end of a process that need not be our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not select.select([descriptor], [], [], seconds * SLOWNESS)[0]:
            raise AssertionError(f"process {pid} goes on")
    finally:
        os.close(descriptor)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.type = response.headers.get("Content-Type", "")
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json()["error"]

    @property
    def sha256(self):
        return hashlib.sha256(self.body).hexdigest()


class Program:
    """A francine-server process, whatever its role."""

    def __init__(self, arguments, program=SERVER, **variables):
        self.mark = variables.pop("mark", uuid.uuid4().hex)
        self.log_file = tempfile.NamedTemporaryFile(prefix="francine-log-", mode="w+b")
        self.process = subprocess.Popen(
            [program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self.log_file, env=environment(self.mark, **variables))

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        self.log_file.seek(0)
        return self.log_file.read().decode(errors="replace")

    def read_line(self, seconds=30):
        """The next line of standard output; "" at its end."""
        deadline = deadline_in(seconds)
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise AssertionError(f"no line in time; the log:\n{self.log()}")
            piece = os.read(self.process.stdout.fileno(), 1)
            if not piece:
                break
            line += piece
        return line.decode()

    def wait(self, seconds=30):
        """The exit code."""
        try:
            return self.process.wait(seconds * SLOWNESS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end; the log:\n{self.log()}") from None

    def close(self):
        """Ends it by force, with all that it has started."""
        kill_marked(self.mark)
        self.process.wait()
        self.process.stdout.close()
        self.log_file.close()


class Server(Program):
    """A master that is ready. With `earlier`, in the directory of that one, which was
    killed, and found by the same mark."""

    def __init__(self, *flags, workers=2, instance_type="local", earlier=None, **variables):
        if earlier:
            self.directory = earlier.directory
            variables["mark"] = earlier.mark
        else:
            self.directory = tempfile.mkdtemp(prefix="francine-system-")
        # The default of every temporary directory, so that leftovers are seen.
        self.scratch = os.path.join(self.directory, "tmp")
        os.makedirs(self.scratch, exist_ok=True)
        self.data = os.path.join(self.directory, "data")
        try:
            super().__init__(
                ["--rest-port", "0", "--ws-port", "0", "--port", "0", "--data-dir", self.data,
                 "--static-instance-size", str(workers), "--instance-type", instance_type,
                 *flags],
                TMPDIR=self.scratch, **variables)
        except OSError:
            shutil.rmtree(self.directory)
            raise
        try:
            line = self.read_line()
            ready = READY.fullmatch(line)
            if not ready:
                raise AssertionError(f"not ready but {line!r}; the log:\n{self.log()}")
            self.rest, self.ws, self.rpc, self.resource, self.workers = map(int, ready.groups())
        except BaseException:
            self.close()
            raise
        self.url = f"http://127.0.0.1:{self.rest}"

    def request(self, method, path, body=None, headers=None, seconds=120):
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.rest,
                                                timeout=seconds * SLOWNESS)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            connection.request(method, path, body=body, headers=headers or {})
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        complaint = openapi.REST.complaint(method, path, answer.status, answer.headers, answer.body)
        if complaint:
            raise AssertionError(complaint)
        return answer

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body, **more):
        return self.request("POST", path, body=body, **more)

    def new_session(self, **members):
        answer = self.post("/sessions", {"producer": "ao", **members})
        assert answer.status == 201, answer.body
        return answer.json()["name"]

    def upload(self, content):
        answer = self.request("PUT", "/resources", body=content)
        assert answer.status == 201, answer.body
        return answer.json()["id"]

    def worker_pids(self):
        """The living workers, oldest first."""
        pids = [pid for pid in marked_processes(self.mark) if pid != self.pid]
        return sorted(pid for pid in pids if b"worker" in command_line(pid))

    def stop(self, signal_number=signal.SIGTERM, seconds=30):
        """Stops it in order; the exit code."""
        self.process.send_signal(signal_number)
        return self.wait(seconds)

    def close(self):
        super().close()
        shutil.rmtree(self.directory, ignore_errors=True)


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


class SystemTest(unittest.TestCase):
    """server() and program() are closed at the end of the test."""

    def server(self, *flags, **more):
        return self.closing(Server(*flags, **more))

    def program(self, *arguments, **more):
        return self.closing(Program(list(arguments), **more))

    def closing(self, thing):
        self.addCleanup(self.close, thing)
        return thing

    def close(self, thing):
        """Ends it, and fails where a sanitizer had something to report, be it in a
        worker, whose master would just start another."""
        log = thing.log()
        thing.close()
        if "Sanitizer" in log or "runtime error:" in log:
            self.fail(f"a sanitizer reports:\n{log[-20000:]}")

    def directory(self):
        path = tempfile.mkdtemp(prefix="francine-system-")
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def assert_stops_clean(self, server, signal_number=signal.SIGTERM):
        """It ends with 0 and leaves no process and no temporary file."""
        self.assertEqual(server.stop(signal_number), 0, server.log())
        self.assertEqual(marked_processes(server.mark), [])
        self.assertEqual(os.listdir(server.scratch), [])

    def assert_refused(self, answer, status, *words):
        """An error as they all are, whose sentence has these words."""
        self.assertEqual(answer.status, status, answer.body)
        self.assertTrue(answer.type.startswith("application/json"), answer.type)
        for word in words:
            self.assertIn(word, answer.error)


def connect(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=20 * SLOWNESS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read_until_closed(connection):
    """What the peer sent until it closed (or reset) the connection."""
    received = b""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionError:
            return received
        if not piece:
            return received
        received += piece


def png_size(data):
    """(width, height) of a PNG file."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR", data[:16]
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


# Two triangles: a square before the camera, in the plane z = 0.
SQUARE_OBJ = b"v -1 -1 0\nv 1 -1 0\nv 1 1 0\nv -1 1 0\nf 1 2 3\nf 1 3 4\n"
