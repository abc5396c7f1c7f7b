#!/usr/bin/env python3
"""Workers of this machine outlive a master that is killed, and the next one with the
same directory adopts them."""

import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SLOWNESS, SystemTest, marked_processes, wait_for_end, wait_until


class Outlive(SystemTest):
    def all_joined(self, server, count=2):
        wait_until("all have joined", lambda: server.get("/info").json()["workers"] == count, 30)

    def killed(self, *flags):
        """A master that was killed when its two workers had joined, and their ids."""
        server = self.server(*flags)
        self.all_joined(server)
        workers = server.worker_pids()
        self.assertEqual(len(workers), 2)
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        return server, workers

    def assert_stops_clean(self, server, signal_number=signal.SIGTERM):
        super().assert_stops_clean(server, signal_number)
        # Nothing that a next master could take for a living worker.
        for _, _, files in os.walk(os.path.join(server.data, "workers")):
            self.assertNotIn("record", files)

    def test_the_next_master_adopts_them(self):
        killed, workers = self.killed()
        server = self.server(earlier=killed)
        self.all_joined(server)
        self.assertEqual(server.worker_pids(), workers)
        for name in ("worker-1", "worker-2"):
            self.assertIn(f"adopted {name} of an earlier master", server.log())
        self.assertEqual(server.get("/?parallel=8").status, 200)
        self.assert_stops_clean(server)

    def test_again_and_again(self):
        server, workers = self.killed()
        for _ in range(3):
            server = self.server(earlier=server)
            self.all_joined(server)
            self.assertEqual(server.worker_pids(), workers)
            os.kill(server.pid, signal.SIGKILL)
            server.wait()

    def test_one_that_died_meanwhile_is_replaced(self):
        killed, workers = self.killed()
        os.kill(workers[0], signal.SIGKILL)
        wait_for_end(workers[0])
        server = self.server(earlier=killed)
        self.all_joined(server)
        self.assertIn(workers[1], server.worker_pids())
        self.assertEqual({worker["name"] for worker in server.get("/workers").json()["workers"]}
                         & {"worker-1", "worker-2", "worker-3"}, {self.name_of(server, workers[1]),
                                                                  "worker-3"})
        self.assert_stops_clean(server)

    def name_of(self, server, pid):
        workers = os.path.join(server.data, "workers")
        for name in os.listdir(workers):
            try:
                with open(os.path.join(workers, name, "record"), encoding="utf-8") as file:
                    if f"pid {pid}" in file.read().split("\n"):
                        return name
            except OSError:  # it has just ended
                pass
        return None

    def test_an_adopted_worker_that_is_killed_is_replaced(self):
        killed, workers = self.killed()
        server = self.server(earlier=killed)
        self.all_joined(server)
        os.kill(workers[0], signal.SIGKILL)
        wait_until("another has joined",
                   lambda: workers[0] not in server.worker_pids() and
                   len(server.worker_pids()) == 2 and
                   server.get("/info").json()["workers"] == 2, 30)
        self.assertIn(workers[1], server.worker_pids())
        self.assert_stops_clean(server)

    def test_those_that_the_next_master_cannot_use_are_ended(self):
        killed, workers = self.killed("--worker-slots", "1")
        server = self.server("--worker-slots", "2", earlier=killed)
        for pid in workers:
            wait_for_end(pid)
        self.all_joined(server)
        self.assertEqual(len(server.worker_pids()), 2)
        self.assertIn("was started with other options", server.log())
        self.assert_stops_clean(server)

    def test_or_left_alone(self):
        killed, workers = self.killed("--worker-slots", "1")
        server = self.server("--worker-slots", "2", "--disable-zombie-destroy", earlier=killed)
        wait_until("others have been started", lambda: len(server.worker_pids()) == 4)
        self.assertLess(set(workers), set(server.worker_pids()))
        self.assertIn("it is left alone (disableZombieDestroy)", server.log())
        self.assert_stops_clean(server)  # in order, all end

    def test_another_instance_type_ends_them(self):
        killed, workers = self.killed()
        server = self.server(earlier=killed, instance_type="in_process", workers=1)
        for pid in workers:
            wait_for_end(pid)
        self.assert_stops_clean(server)

    def test_orphans_end(self):
        killed, workers = self.killed("--orphan-timeout", str(0.5 * SLOWNESS))
        for pid in workers:
            wait_for_end(pid)
        self.assertEqual(marked_processes(killed.mark), [])
        server = self.server(earlier=killed)
        self.all_joined(server)
        self.assertEqual({worker["name"] for worker in server.get("/workers").json()["workers"]},
                         {"worker-3", "worker-4"})
        self.assert_stops_clean(server)

    def test_a_killed_worker_is_known_to_be_gone(self):
        server = self.server("--ping-period", "1000")
        self.all_joined(server)
        os.kill(server.worker_pids()[0], signal.SIGKILL)
        wait_until("it is said", lambda: "its process was killed by SIGKILL" in server.log())
        self.all_joined(server)
        self.assert_stops_clean(server)


if __name__ == "__main__":
    unittest.main(verbosity=2)
