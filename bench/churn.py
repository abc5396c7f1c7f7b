#!/usr/bin/env python3
"""churn: spread (see spread.py), while workers are killed (kill -9) and others join.

When half of the bytes that the first workers need have come to them, some are killed,
first of all the one that most came to; --join-at of the time at line rate after the
execution was created, as many others are started. It ends when everybody who lives has the
whole file.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "network"))
from measures import main, options  # noqa: E402
from spreading import Spreading  # noqa: E402


def run():
    chosen = options(__doc__, workers=(16, 4, "workers"), mib=(64, 8, "MiB of the file"),
                     changes=(4, 1, "workers that are killed, and that join"),
                     kill_at=(0.5, 0.5, "of the bytes have come when workers are killed"),
                     join_at=(0.25, 0.25, "of the time at line rate when others join"))
    with Spreading(chosen, late=chosen.changes) as spreading:
        spreading.compare()
        spreading.start()
        spreading.watch([spreading.killing(chosen.changes, chosen.kill_at),
                         spreading.joining(chosen.join_at)])
        spreading.report("churn", required=1.5)


if __name__ == "__main__":
    main(run)
