#!/usr/bin/env python3
"""deduplication: what is moved for a session most of whose bytes the workers have from
another one. Four workers, each on a host of its own with a cable of 100 Mbit/s (see
spread.py); sessions of 20 files of 3 MiB, of which the second has one that is new. From an
http provider, and in a second farm from uploads.

deduplication: the bytes that workers receive for the first execution of the second session,
in multiples of the new bytes that each of them lacks; from_provider and from_master are the
bytes that these two send, in multiples of the new bytes.
deduplication-warm: the same for another execution, to which nothing is new: what is left
are tasks, answers and partials.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "network"))
from farm import Farm, Processor  # noqa: E402
from measures import MESH, MIB, SHARES_A_WORKER, Traffic, main, options, report  # noqa: E402


class Sessions(Farm):
    def __init__(self, chosen, source):
        self.count, self.size, self.source = chosen.files, chosen.mib * MIB, source
        room = 2 * (chosen.workers + 2) * (self.count + 1) * self.size
        super().__init__(chosen.workers, chosen, room)

    def make(self):
        self.start_master()
        self.start_workers(self.workers)
        self.wait_for_workers(len(self.workers))
        put = self.provide if self.source == "http" else self.upload
        scene = put("scene.obj", MESH)
        files = [put(f"{i}.bin", os.urandom(self.size)) for i in range(self.count + 1)]
        self.first = self.new_session([scene, *files[:-1]])
        self.second = self.new_session([scene, *files[1:]])

    def measure(self, name, required, session):
        traffic, processor = Traffic(self), Processor(self)
        seconds = self.render(session, SHARES_A_WORKER * len(self.workers))
        received = traffic.received(self.workers)
        sent = traffic.sent_by_each()
        report(name, received / (len(self.workers) * self.size), "of the new bytes",
               required=required, source=self.source, seconds=seconds,
               from_provider=sent[self.provider] / self.size,
               from_master=sent[self.master] / self.size,
               new_bytes=self.size, session_bytes=self.count * self.size,
               workers=len(self.workers), received_bytes=received, **processor.shares())


def run():
    chosen = options(__doc__, workers=(4, 2, "workers"), files=(20, 20, "files of a session"),
                     mib=(3, 1, "MiB of each file"))
    for source in ("http", "upload"):
        with Sessions(chosen, source) as farm:
            farm.make()
            farm.measure("deduplication-first", None, farm.first)
            farm.measure("deduplication", 1.1, farm.second)
            farm.measure("deduplication-warm", 0.01, farm.second)


if __name__ == "__main__":
    main(run)
