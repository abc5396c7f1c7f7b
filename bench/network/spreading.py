"""A large file that spreads over a farm, and what happens meanwhile."""

import hashlib
import os
import time

from farm import SETTINGS, Farm, Processor, wait_until
from measures import MESH, MIB, SHARES_A_WORKER, Traffic, along_a_chain, both_ways, report

CHECK_BYTES = 8 * MIB


class Spreading(Farm):
    def __init__(self, chosen, late):
        self.size = chosen.mib * MIB
        count = chosen.workers + late
        # Each has it once, and once more where a session's files are no links.
        super().__init__(count, chosen, (2 * count + 2) * self.size)
        self.first, self.late = self.workers[:chosen.workers], self.workers[chosen.workers:]
        self.killed, self.arrived = [], {}  # workers; {worker: seconds}
        self.joined_s = self.failure = None

    def compare(self):
        """What the network gives without Francine."""
        big = os.urandom(self.size)
        self.digest = hashlib.sha256(big).hexdigest()
        self.resources = [self.provide("scene.obj", MESH), self.provide("big.bin", big)]
        hosts = [worker.host for worker in self.first]
        self.line_rate_s = self.download(hosts[0], "big.bin")
        self.both_ways_mbit = both_ways(hosts[0], hosts[1], CHECK_BYTES)
        processor = Processor(self)
        self.chain_s = along_a_chain([self.provider, *hosts], self.size)
        self.chain_busy = processor.shares()["machine_busy"]

    def start(self):
        self.start_master()
        self.start_workers(self.first)
        self.wait_for_workers(len(self.first))
        session = self.new_session(self.resources)
        self.traffic, self.processor = Traffic(self), Processor(self)
        self.begin = time.monotonic()
        self.execution = f"/sessions/{session}/executions/" + self.ask(
            "POST", f"/sessions/{session}/executions",
            {"parallel": SHARES_A_WORKER * len(self.workers), "update": SETTINGS})["name"]

    def killing(self, count, part):
        """An event: workers are killed, first the one that most bytes came to."""
        def event():
            came = self.traffic.received_by_each()
            if sum(came[w.host] for w in self.first) < part * self.size * len(self.first):
                return False
            order = sorted(self.first, key=lambda worker: came[worker.host], reverse=True)
            self.killed = order[::len(order) // count][:count]
            for worker in self.killed:
                worker.process.kill()
            self.killed_s = time.monotonic() - self.begin
            self.killed_with_it = sum(worker in self.arrived for worker in self.killed)
            return True
        return event

    def joining(self, part):
        """An event: the others are started."""
        def event():
            if time.monotonic() - self.begin < part * self.line_rate_s:
                return False
            self.start_workers(self.late)
            self.joined_s = time.monotonic() - self.begin
            return True
        return event

    def lacking(self):
        living = [worker for worker in self.workers if worker not in self.killed]
        return [worker for worker in living if worker not in self.arrived]

    def watch(self, events):
        """Returns when all events have happened and everybody who lives has the file, or
        when that will not be: `failure` says why."""
        try:
            wait_until("everybody has the file", self.look_with(list(events)),
                       60 + 2 * len(self.workers) * self.line_rate_s)
        except RuntimeError as error:
            lacking = ", ".join(worker.host.name for worker in self.lacking())
            self.failure = f"{error} (they lack it: {lacking})"
        self.busy = self.processor.shares()
        self.bytes = self.traffic.sent_by_each()
        if not self.failure:
            wait_until("the execution ends", lambda: self.state() == "finished", 60)
            self.picture_s = time.monotonic() - self.begin

    def look_with(self, pending):
        """What watch() asks: whether all of it has come true."""
        next_question, ended = self.begin, None

        def look():
            nonlocal next_question, ended
            pending[:] = [event for event in pending if not event()]
            now = time.monotonic()
            for worker in self.lacking():
                if worker.has(self.digest, self.size):
                    self.arrived[worker] = now - self.begin
            if not pending and not self.lacking():
                return True
            if now >= next_question:
                next_question = now + 1
                if self.state() != "finished":
                    ended = None
                elif ended is None:
                    ended = now
                elif now > ended + 2 * self.line_rate_s:
                    raise RuntimeError("the execution has finished without some workers")
            return False

        return look

    def state(self):
        """Of the execution; it may not have failed."""
        shown = self.ask("GET", self.execution)
        if shown["state"] not in ("running", "finished"):
            raise RuntimeError(f"the execution has {shown['state']}: {shown.get('error')}")
        return shown["state"]

    def report(self, name, required):
        """Prints it; a failure is a value that is none."""
        arrived = sorted(t for worker, t in self.arrived.items() if worker not in self.killed)
        more = {"bytes": self.size, "workers": len(self.first)}
        if self.killed:
            more |= {"killed": len(self.killed), "killed_s": self.killed_s,
                     "killed_with_the_file": self.killed_with_it}
        if self.late:
            more |= {"joined": len(self.late), "joined_s": self.joined_s}
        if self.failure:
            more |= {"failure": self.failure, "seconds": time.monotonic() - self.begin}
        else:
            more |= {"seconds": arrived[-1], "picture_s": self.picture_s}
        if arrived:
            more |= {"first_s": arrived[0], "median_s": arrived[len(arrived) // 2]}
        report(name, None if self.failure else arrived[-1] / self.line_rate_s,
               "of one transfer at line rate", required=required, **more, have_it=len(arrived),
               line_rate_s=self.line_rate_s, both_ways_mbit_per_s=self.both_ways_mbit,
               chain_s=self.chain_s, chain_machine_busy=self.chain_busy, **self.busy)
        report(f"{name}-provider", self.bytes[self.provider] / self.size, "of the file sent",
               required=1.1, bytes=self.bytes[self.provider])
        report(f"{name}-master", self.bytes[self.master] / MIB, "MiB sent", required=1.0)
        sent = [self.bytes[worker.host] for worker in self.workers]
        report(f"{name}-workers", sum(sent) / self.size, "of the file sent by all workers",
               most_by_one=max(sent) / self.size)
        if self.failure:
            raise RuntimeError(self.failure)
