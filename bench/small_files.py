#!/usr/bin/env python3
"""small-files: a session of 10,000 files of 4 KiB on four workers, each on a host of its
own with a cable of 100 Mbit/s (see spread.py).

small-files: seconds from the creation of its first execution until the picture is there;
the files come from an http provider, and in a second farm from uploads.
small-files-warm: then all workers are stopped (SIGTERM) and started again with what they
have. Seconds from their start to the picture of another execution, which is asked for when
all of them have joined (joined_s).

have_it is how many workers have all files at that moment; line_rate_s, how long the bytes
of all files take over one cable.
"""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "network"))
from farm import Farm, Processor  # noqa: E402
from measures import MESH, MIB, SHARES_A_WORKER, Traffic, main, options, report  # noqa: E402

FILE_BYTES = 4096


class SmallFiles(Farm):
    def __init__(self, chosen, source):
        self.count, self.source = chosen.files, source
        self.all_bytes = self.count * FILE_BYTES
        # In memory, a file and what is kept beside it take whole pages.
        room = 3 * (chosen.workers + 2) * self.all_bytes
        super().__init__(chosen.workers, chosen, room)
        self.line_rate_s = self.all_bytes * 8e-6 / chosen.rate if chosen.rate else None

    def make(self):
        """Starts everything, and makes the session."""
        scene = MESH + b"#" * (FILE_BYTES - len(MESH) - 1) + b"\n"
        contents = [("scene.obj", scene)] + [
            (f"{i}.bin", os.urandom(FILE_BYTES)) for i in range(1, self.count)]
        self.start_master()
        self.start_workers(self.workers)
        self.wait_for_workers(len(self.workers))
        put = self.provide if self.source == "http" else self.upload
        resources = [put(name, content) for name, content in contents]
        begin = time.monotonic()
        self.session = self.new_session(resources)
        self.session_s = time.monotonic() - begin

    def measure(self, name, required, work):
        traffic, processor = Traffic(self), Processor(self)
        begin = time.monotonic()
        more = work()
        seconds = time.monotonic() - begin
        sent = traffic.sent_by_each()
        have_it = sum(worker.files() >= self.count for worker in self.workers)
        report(name, seconds, "s", required=required, source=self.source, files=self.count,
               workers=len(self.workers), have_it=have_it, **more, line_rate_s=self.line_rate_s,
               mib_from_provider=sent[self.provider] / MIB,
               mib_from_master=sent[self.master] / MIB,
               mib_from_workers=sum(sent[worker.host] for worker in self.workers) / MIB,
               **processor.shares())

    def cold(self):
        self.render(self.session, SHARES_A_WORKER * len(self.workers))
        return {"session_s": self.session_s}

    def stop_workers(self):
        for worker in self.workers:
            worker.process.process.send_signal(signal.SIGTERM)
        for worker in self.workers:
            worker.process.stop()
        self.wait_for_workers(0)

    def warm(self):
        begin = time.monotonic()
        self.start_workers(self.workers)
        self.wait_for_workers(len(self.workers))
        joined = time.monotonic() - begin
        self.render(self.session, SHARES_A_WORKER * len(self.workers))
        return {"joined_s": joined}


def run():
    chosen = options(__doc__, workers=(4, 2, "workers"), files=(10_000, 1000, "files"))
    for source in ("http", "upload"):
        with SmallFiles(chosen, source) as farm:
            farm.make()
            farm.measure("small-files", 10.0, farm.cold)
            farm.stop_workers()
            farm.measure("small-files-warm", 1.0, farm.warm)


if __name__ == "__main__":
    main(run)
