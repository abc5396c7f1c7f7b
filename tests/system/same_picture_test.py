#!/usr/bin/env python3
"""The same picture, bit for bit, whoever renders it and whoever dies meanwhile."""

import os
import random
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SLOWNESS, SystemTest, wait_until

# About two seconds of rendering on two cores.
LARGE = {"width": int(512 / SLOWNESS), "height": int(512 / SLOWNESS), "samples": 3}
SMALL = {"width": int(160 / SLOWNESS), "height": int(120 / SLOWNESS)}
PARALLEL = 16


def render(server, update):
    """The SHA-256 of the EXR file."""
    name = server.new_session(format="exr")
    answer = server.post(f"/sessions/{name}/executions?block=true",
                         {"parallel": PARALLEL, "update": update})
    assert answer.status == 200, answer.body[:300]
    return answer.sha256


class SamePicture(SystemTest):
    def reference(self):
        server = self.server(workers=1)
        digest = render(server, LARGE)
        self.assert_stops_clean(server)
        return digest

    def test_one_picture_on_every_farm(self):
        digest = self.reference()

        with self.subTest("four workers"):
            server = self.server(workers=4)
            self.assertEqual(render(server, LARGE), digest)
            self.assert_stops_clean(server)

        with self.subTest("threads of the master"):
            server = self.server(workers=2, instance_type="in_process")
            self.assertEqual((server.rpc, server.worker_pids()), (0, []))
            self.assertEqual(render(server, LARGE), digest)
            self.assert_stops_clean(server)

        with self.subTest("four workers, of which two are killed"):
            self.assertEqual(self.render_and_kill_two(), digest)

    def render_and_kill_two(self):
        server = self.server(workers=4)
        wait_until("all have joined", lambda: server.get("/info").json()["workers"] == 4)
        name = server.new_session(format="exr")
        execution = server.post(f"/sessions/{name}/executions",
                                {"parallel": PARALLEL, "update": LARGE}).json()["name"]
        path = f"/sessions/{name}/executions/{execution}"
        wait_until("a share is done", lambda: server.get(path).json()["progress"] >= 1, 60)
        for pid in server.worker_pids()[1:3]:
            os.kill(pid, signal.SIGKILL)
        wait_until("it has ended", lambda: server.get(path).json()["finished"], 120)
        info = server.get(path).json()
        self.assertEqual((info["state"], info["progress"]), ("finished", PARALLEL), info)
        self.assertGreater(info["retries"], 0, "the killed workers rendered nothing")
        digest = server.get(f"{path}/result").sha256
        self.assert_stops_clean(server)
        return digest


class Kills(SystemTest):
    def settled_workers(self, server):
        """The workers that have lived for more than a second. Those that end sooner
        are replaced later and later, as programs that cannot work should be; this
        test is of the executions, not of that."""
        def found():
            now = time.monotonic()
            pids = server.worker_pids()
            self.first_seen = {pid: self.first_seen.get(pid, now) for pid in pids}
            return [pid for pid in pids if now - self.first_seen[pid] > 1.2]
        return wait_until("there is a settled worker", found, 60)

    def test_a_worker_killed_in_each_of_100_executions(self):
        seed = random.SystemRandom().randrange(1 << 32)
        print(f"seed {seed}", flush=True)
        chance = random.Random(seed)
        count = 100 if SLOWNESS == 1 else 10
        server = self.server(workers=4)
        self.first_seen = {}
        name = server.new_session(format="exr")
        executions = f"/sessions/{name}/executions"
        reference = server.post(f"{executions}?block=true",
                                {"parallel": PARALLEL, "update": SMALL}).sha256
        hits = retries = 0
        for i in range(count):
            with self.subTest(seed=seed, execution=i):
                victim = chance.choice(self.settled_workers(server))
                execution = server.post(executions, {"parallel": PARALLEL}).json()["name"]
                path = f"{executions}/{execution}"
                # After so many shares: 0 is at once, the last while it is merged.
                moment = chance.randint(0, PARALLEL - 1)
                wait_until("so many shares are done",
                           lambda: server.get(path).json()["progress"] >= moment, 60)
                os.kill(victim, signal.SIGKILL)
                # What has not ended after the kill was running at it.
                hits += not server.get(path).json()["finished"]
                wait_until("it has ended", lambda: server.get(path).json()["finished"], 120)
                info = server.get(path).json()
                self.assertEqual(info["state"], "finished", info)
                retries += info["retries"]
                self.assertEqual(server.get(f"{path}/result").sha256, reference)
        print(f"{hits} of {count} kills hit a running execution, {retries} retries", flush=True)
        self.assertGreaterEqual(hits, 0.8 * count, "too many kills came too late to mean anything")
        self.assertGreater(retries, 0, "no kill hit anything")
        self.assert_stops_clean(server)


if __name__ == "__main__":
    unittest.main()
