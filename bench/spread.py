#!/usr/bin/env python3
"""spread: how long a large file takes from its provider to all workers of a farm, in
multiples of the time that one transfer of it takes at line rate.

From the creation of an execution until the last worker has the whole file in its store
(looked for every 20 ms). Each worker, the master and the provider are on a host of their
own with a cable of 100 Mbit/s both ways; bytes are those that the switch's ports counted.

In the same run: line_rate_s, one plain download of the file by one of the hosts;
chain_s, plain sockets that pass the bytes on from host to host at once: what this machine
and its cables permit at best; and how busy the machine was meanwhile.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "network"))
from measures import main, options  # noqa: E402
from spreading import Spreading  # noqa: E402


def run():
    chosen = options(__doc__, workers=(16, 4, "workers"), mib=(64, 8, "MiB of the file"))
    with Spreading(chosen, late=0) as spreading:
        spreading.compare()
        spreading.start()
        spreading.watch([])
        spreading.report("spread", required=1.15)


if __name__ == "__main__":
    main(run)
