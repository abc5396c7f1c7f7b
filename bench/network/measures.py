"""What the network benchmarks have in common: their options, what they print (as
bench/report.h does), and what they compare with, measured in the same run."""

import argparse
import json
import signal
import socket
import sys
import threading
import time

import lan

# A triangle before the camera: cheap to render.
MESH = b"v -1 -1 0\nv 1 -1 0\nv 0 1 0\nf 1 2 3\n"
# More shares than workers: each of them finds work, who joins late as well.
SHARES_A_WORKER = 4
MIB = 1 << 20


def report(name, value, unit, **more):
    """One JSON object on a line; numbers with six significant digits."""
    line = {"name": name, "value": value, "unit": unit, **more}
    for key, number in line.items():
        if isinstance(number, float):
            line[key] = float(f"{number:.6g}")
    print(json.dumps(line, separators=(",", ":")), flush=True)


def options(description, **defaults):
    """The command line: --quick, and what is in `defaults`: {name: (usual, quick, help)}."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller, to try things")
    parser.add_argument("--rate", type=int, default=100, metavar="MBIT",
                        help="of each cable, both ways (default 100; 0: as fast as it goes)")
    parser.add_argument("--master", action="append", default=[], metavar="FLAG",
                        help="one more flag for the master: --master=--min-task-timeout=600")
    for name, (usual, quick, text) in defaults.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(usual), default=None,
                            help=f"{text} (default {usual}, quick {quick})")
    chosen = parser.parse_args()
    for name, (usual, quick, _) in defaults.items():
        if getattr(chosen, name) is None:
            setattr(chosen, name, quick if chosen.quick else usual)
    return chosen


def main(run):
    """Runs it, and says why on standard error when it cannot. Signals end it in order."""
    def stop(*_):
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    lan.require()
    try:
        run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except (RuntimeError, OSError) as error:
        raise SystemExit(f"{sys.argv[0]}: {error}") from None


class Traffic:
    """What went over the cables since this was made."""

    def __init__(self, farm):
        self.lan = farm.lan
        self.before = self.lan.counters()

    def received_by_each(self):
        """{host: bytes}"""
        return {host: now[1] - self.before[host][1] for host, now in self.lan.counters().items()}

    def received(self, workers):
        came = self.received_by_each()
        return sum(came[worker.host] for worker in workers)

    def sent_by_each(self):
        return {host: now[0] - self.before[host][0] for host, now in self.lan.counters().items()}


def in_threads(jobs):
    """Runs them all at once; seconds until the last has ended."""
    threads = [threading.Thread(target=job, daemon=True) for job in jobs]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
        if thread.is_alive():
            raise RuntimeError("a raw transfer does not end")
    return time.monotonic() - begin


def connected(sender, receiver):
    """Both ends of a connection between two hosts."""
    with receiver.entered():
        listener = socket.create_server((receiver.address, 0))
    with listener:
        with sender.entered():
            one = socket.create_connection(listener.getsockname(), timeout=600)
        other, _ = listener.accept()
    other.settimeout(600)
    return one, other


def send_all(connection, size):
    piece = memoryview(bytes(1 << 18))
    with connection:
        while size > 0:
            size -= connection.send(piece[:size])


def pass_on(source, targets):
    """Sends on what comes, at once, until its end."""
    buffer = memoryview(bytearray(1 << 18))
    with source:
        while size := source.recv_into(buffer):
            for target in targets:
                target.sendall(buffer[:size])
    for target in targets:
        target.close()


def both_ways(one, other, size):
    """Mbit/s of payload that two hosts send each other at the same time, each way."""
    there, back = connected(one, other), connected(other, one)
    seconds = in_threads([lambda: send_all(there[0], size), lambda: pass_on(there[1], []),
                          lambda: send_all(back[0], size), lambda: pass_on(back[1], [])])
    return size * 8e-6 / seconds


def along_a_chain(hosts, size):
    """Seconds that bytes take from the first host to all others, each of which passes on at
    once what comes, to the next one: what the machine and its cables permit at best."""
    links = [connected(one, next_one) for one, next_one in zip(hosts, hosts[1:])]
    jobs = [lambda: send_all(links[0][0], size)]
    for i, (_, incoming) in enumerate(links):
        onward = [links[i + 1][0]] if i + 1 < len(links) else []
        jobs.append(lambda source=incoming, targets=onward: pass_on(source, targets))
    return in_threads(jobs)
