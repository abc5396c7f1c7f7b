#!/usr/bin/env python3
"""Faults that a farm must bear, provoked in real processes: workers that kill
themselves, a master that is stopped for a while, a disk that takes nothing."""

import os
import resource
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SLOWNESS, Server, SystemTest, wait_until

UPDATE = {"width": int(256 / SLOWNESS), "height": int(256 / SLOWNESS)}
PARALLEL = 8
EXECUTIONS = int(os.environ.get("FRANCINE_CHAOS_EXECUTIONS", "6"))


class Faults(SystemTest):
    def render(self, server, session, **more):
        answer = server.post(f"/sessions/{session}/executions?block=true",
                             {"parallel": PARALLEL, "update": UPDATE}, seconds=300, **more)
        self.assertEqual(answer.status, 200, answer.body[:300])
        return answer.sha256

    def test_workers_that_kill_themselves(self):
        """chaos: 10, but every 2 s instead of every 20 s."""
        server = self.server("--chaos", "10", "--chaos-interval-seconds", "2", workers=3)
        session = server.new_session(format="exr")
        digests = {self.render(server, session) for _ in range(EXECUTIONS)}
        self.assertEqual(len(digests), 1)
        self.assertEqual(server.stop(), 0)

    def test_nobody_is_lost_while_the_master_is_stopped(self):
        server = self.server(workers=2)
        wait_until("both have joined", lambda: server.get("/info").json()["workers"] == 2)
        workers = server.worker_pids()
        os.kill(server.pid, signal.SIGSTOP)
        threading.Event().wait(5.5)  # longer than a ping period: what is tested
        os.kill(server.pid, signal.SIGCONT)
        session = server.new_session()
        self.render(server, session)
        self.assertEqual(server.worker_pids(), workers)
        self.assertNotIn("was lost", server.log())
        self.assert_stops_clean(server)

    def test_a_disk_that_takes_nothing(self):
        server = self.server(workers=1)
        session = server.new_session(format="exr")
        digest = self.render(server, session)
        [before] = server.get(f"/sessions/{session}/executions").json()["executions"]
        soft, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, hard))

        def refused():
            answer = server.post("/sessions", {"producer": "ao"})
            if answer.status == 503:
                self.assertEqual(answer.headers["Retry-After"], "1")
                self.assertIn("journal", answer.error)
            return answer.status == 503
        wait_until("new work is refused", refused)
        path = f"/sessions/{session}/executions/{before['name']}"
        self.assertEqual(server.get(f"{path}/result").sha256, digest)

        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (soft, hard))
        wait_until("there is space again",
                   lambda: server.post("/sessions", {"producer": "ao"}).status == 201)
        self.assertEqual(self.render(server, session), digest)
        server.process.kill()
        server.process.wait()
        again = self.closing(Server(earlier=server, workers=1))
        self.assertEqual(again.get(f"{path}/result").sha256, digest)
        self.assert_stops_clean(again)

    def test_a_picture_that_is_finished_while_the_disk_takes_nothing(self):
        server = self.server(workers=1)
        session = server.new_session(format="exr")
        digest = self.render(server, session)
        execution = server.post(f"/sessions/{session}/executions",
                                {"parallel": PARALLEL}).json()["name"]
        soft, hard = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (0, hard))

        def refused():
            answer = server.post("/sessions", {"producer": "ao"})
            return answer.status == 503 and "finished picture cannot be stored" in answer.error
        wait_until("new work is refused because of it", refused, 60)
        path = f"/sessions/{session}/executions/{execution}"
        self.assertEqual(server.get(path).json()["state"], "running")

        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (soft, hard))
        wait_until("it has ended", lambda: server.get(path).json()["finished"])
        info = server.get(path).json()
        self.assertEqual((info["state"], info["retries"]), ("finished", 0), info)
        self.assertEqual(server.get(f"{path}/result").sha256, digest)
        self.render(server, session)
        self.assert_stops_clean(server)


if __name__ == "__main__":
    unittest.main(verbosity=2)
