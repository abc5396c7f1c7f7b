"""A farm on a Lan: a master, workers, and a web server with what they render, each a real
process on a host of its own.

The program is FRANCINE_SERVER in the environment, by default that of the build directory
(BENCH_BUILD_DIR, else build/). Its files are in memory (/dev/shm; FRANCINE_BENCH_DIR names
another place): the network is what is measured here.
"""

import contextlib
import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from lan import Lan

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SERVER = os.environ.get("FRANCINE_SERVER", os.path.join(
    os.environ.get("BENCH_BUILD_DIR", os.path.join(ROOT, "build")), "server", "francine-server"))
FILES = os.environ.get("FRANCINE_BENCH_DIR", "/dev/shm")
SECRET = {"FRANCINE_CLUSTER_SECRET": "what benchmarks whisper"}
NAME = "francine-bench"
PORT = 5000
REST_PORT = 3000
SETTINGS = {"width": 8, "height": 8, "samples": 1, "aoSamples": 1}  # cheap
PACE = threading.Event()  # never set: the pace at which we ask


def wait_until(what, predicate, seconds, pace=0.02):
    """Asks `predicate` until it answers something true, which is returned."""
    deadline = time.monotonic() + seconds
    while True:
        answer = predicate()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {seconds:.0f} s: {what}")
        PACE.wait(pace)


def remove_leftovers(place):
    """What benchmarks that were killed (kill -9) have left: files, nothing else."""
    for name in os.listdir(place):
        if name.startswith(f"{NAME}-") and not os.path.exists(f"/proc/{name.split('-')[2]}"):
            shutil.rmtree(os.path.join(place, name), ignore_errors=True)


class Process:
    """A program on a host. It ends with this process at the latest."""

    def __init__(self, host, arguments, log, **variables):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("FRANCINE_")}
        self.host, self.log = host, log
        with host.entered(), open(log, "ab") as errors:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *arguments], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors, env={**clean, **variables},
                start_new_session=True)  # Ctrl-C is for us, who then end it

    def read_line(self, seconds=30):
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            raise RuntimeError(f"{self.host.name} says nothing; {self.last_words()}")
        line = self.process.stdout.readline().decode()
        if not line:
            raise RuntimeError(f"{self.host.name} has ended; {self.last_words()}")
        return line

    def last_words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return f"the end of its log:\n{file.read()[-3000:]}"

    def processor_seconds(self):
        """Of all of its threads so far; 0 when it has ended."""
        try:
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            return 0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=30):
        """In order."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{self.host.name} does not end; {self.last_words()}") from None
        if code != 0:
            raise RuntimeError(f"{self.host.name} ended with {code}; {self.last_words()}")


class Worker:
    """A worker's host and files, and its process while it has one."""

    def __init__(self, host, directory):
        self.host = host
        self.data = os.path.join(directory, host.name)
        self.log = os.path.join(directory, f"{host.name}.log")
        self.process = None

    def start(self, master, slots):
        self.process = Process(
            self.host,
            [SERVER, "worker", "--name", self.host.name, "--master-host", master.address, "--port",
             str(PORT), "--bind-address", self.host.address, "--slots", str(slots),
             "--data-dir", self.data],
            self.log, **SECRET)

    def has(self, digest, size):
        """Whether the whole file of that SHA-256 is in its store."""
        try:
            path = os.path.join(self.data, "content", digest[:2], digest)
            return os.stat(path).st_size == size
        except OSError:
            return False

    def files(self):
        """How many files are in its store."""
        store = os.path.join(self.data, "content")
        return sum(len(name) == 64 for folder in os.listdir(store) if len(folder) == 2
                   for name in os.listdir(os.path.join(store, folder)))


class Farm:
    """Use it as a context; everything is ended and removed at its end."""

    def __init__(self, workers, chosen, room_bytes, slots=1):
        """`workers` hosts, on which nothing runs yet; `chosen` are the options of
        measures.py; `room_bytes` is what all files will take."""
        if not os.access(SERVER, os.X_OK):
            raise SystemExit(f"there is no {SERVER}: build it, or set FRANCINE_SERVER")
        self.slots, self.flags = slots, chosen.master
        place = FILES if os.path.isdir(FILES) else tempfile.gettempdir()
        remove_leftovers(place)
        if shutil.disk_usage(place).free < room_bytes:
            raise SystemExit(f"{place} has no room for {room_bytes} bytes: set FRANCINE_BENCH_DIR")
        self.processes, self.server = [], None
        self.directory = tempfile.mkdtemp(prefix=f"{NAME}-{os.getpid()}-", dir=place)
        try:
            self.site = os.path.join(self.directory, "site")
            os.mkdir(self.site)
            self.lan = Lan(chosen.rate)
            self.master, self.provider = self.lan.host("master"), self.lan.host("provider")
            self.workers = [Worker(self.lan.host(f"worker-{i}"), self.directory)
                            for i in range(1, workers + 1)]
            self.web = self.run(self.provider, [sys.executable, os.path.join(HERE, "provider.py"),
                                                self.provider.address, self.site])
            self.web_port = int(self.web.read_line())
        except BaseException:
            self.close()
            raise

    def run(self, host, arguments, **variables):
        process = Process(host, arguments, os.path.join(self.directory, f"{host.name}.log"),
                          TMPDIR=self.directory, **variables)
        self.processes.append(process)
        return process

    def start_master(self):
        config = os.path.join(self.directory, "francinerc")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"http": {"allowPrivate": True}}, file)
        self.server = self.run(
            self.master,
            [SERVER, "--config", config, "--instance-type", "static", "--cluster-bind-address",
             self.master.address, "--port", str(PORT), "--rest-port", str(REST_PORT), "--ws-port",
             "0", "--data-dir", os.path.join(self.directory, "master"), "--static-instance-size",
             "0", "--max-resources-per-session", "100000", *self.flags], **SECRET)
        self.server.read_line()

    def start_workers(self, workers):
        for worker in workers:
            worker.start(self.master, self.slots)
            self.processes.append(worker.process)

    def wait_for_workers(self, count):
        wait_until(f"{count} workers join",
                   lambda: self.ask("GET", "/info")["workers"] == count, 60, pace=0.005)

    def request(self, method, path, body=None, seconds=600):
        """The body of the master's answer, asked on its own host."""
        connection = http.client.HTTPConnection("127.0.0.1", REST_PORT, timeout=seconds)
        with self.master.entered():
            connection.connect()
        with contextlib.closing(connection):
            if isinstance(body, dict):
                body = json.dumps(body)
            connection.request(method, path, body=body)
            answer = connection.getresponse()
            content = answer.read()
        if answer.status // 100 != 2:
            raise RuntimeError(f"{method} {path} answers {answer.status}: {content[:1000]!r}")
        return content

    def ask(self, method, path, body=None):
        return json.loads(self.request(method, path, body))

    def url(self, name):
        return f"http://{self.provider.address}:{self.web_port}/{name}"

    def provide(self, name, content):
        """Puts a file where the provider serves it from; a resource of that name."""
        with open(os.path.join(self.site, name), "wb") as file:
            file.write(content)
        return {"type": "http", "url": self.url(name), "dst": name}

    def upload(self, name, content):
        """Uploads a file; a resource of that name."""
        uploaded = json.loads(self.request("PUT", "/resources", content))["id"]
        return {"type": "upload", "id": uploaded, "dst": name}

    def new_session(self, resources):
        return self.ask("POST", "/sessions", {"producer": "ao", "resources": resources})["name"]

    def render(self, session, parallel):
        """Seconds from the creation of an execution to its picture."""
        begin = time.monotonic()
        self.request("POST", f"/sessions/{session}/executions?block=true",
                     {"parallel": parallel, "update": SETTINGS})
        return time.monotonic() - begin

    def download(self, host, name):
        """Seconds that a host takes to get a file of the provider, over one connection."""
        connection = http.client.HTTPConnection(self.provider.address, self.web_port, timeout=600)
        begin = time.monotonic()
        with host.entered():
            connection.connect()
        with contextlib.closing(connection):
            connection.request("GET", f"/{name}")
            answer = connection.getresponse()
            buffer = memoryview(bytearray(1 << 18))
            while answer.readinto(buffer):
                pass
        return time.monotonic() - begin

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is RuntimeError and self.server:
            print(f"The master: {self.server.last_words()}", file=sys.stderr)
        self.close()

    def close(self):
        for process in self.processes:
            process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Processor:
    """How busy the processors were since this was made: where `machine_busy` comes near 1, it is
    the machine that was measured, not the farm. `farm_busy` is the part of the farm's own
    processes, without what the kernel did for their packets elsewhere; in seconds of one
    processor it hardly depends on what else the machine does."""

    def __init__(self, farm):
        self.farm = farm
        self.begin = time.monotonic()
        self.before = self.times()
        self.spent = {process: process.processor_seconds() for process in farm.processes}

    @staticmethod
    def times():
        with open("/proc/stat", encoding="ascii") as file:
            values = [int(v) for v in file.readline().split()[1:9]]
        return sum(values), values[3] + values[4]  # all; idle or waiting for disks

    def shares(self):
        everything, idle = (now - then for now, then in zip(self.times(), self.before))
        seconds = sum(max(0, p.processor_seconds() - self.spent.get(p, 0))
                      for p in self.farm.processes)
        available = (time.monotonic() - self.begin) * os.cpu_count()
        return {"machine_busy": (everything - idle) / max(1, everything),
                "farm_busy": seconds / available, "farm_processor_s": seconds}
