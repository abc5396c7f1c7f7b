#!/usr/bin/env python3
"""Workers on hosts of their own (network namespaces, joined by veth pairs), cut off
and joined again: no share is counted twice, and no execution is stuck. Needs root and
iproute2; without the right to make namespaces it is skipped, and says so."""

import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SERVER, SLOWNESS, SystemTest, wait_until

SECRET = {"FRANCINE_CLUSTER_SECRET": "what partitions whisper"}
UPDATE = {"width": int(256 / SLOWNESS), "height": int(256 / SLOWNESS), "samples": 2}
PARALLEL = 16
NAME = f"francine-{os.getpid()}"


def ip(*arguments, check=True):
    return subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True)


def may_make_hosts():
    if shutil.which("ip") is None or ip("netns", "add", f"{NAME}-probe", check=False).returncode:
        return False
    ip("netns", "delete", f"{NAME}-probe")
    return True


@unittest.skipUnless(may_make_hosts(), "no right to make network namespaces")
class Partition(SystemTest):
    def host(self, number):
        """A host with one cable to this one: (namespace, our end, our address, its)."""
        namespace, ours, theirs = f"{NAME}-{number}", f"fr{os.getpid()}a{number}"[:15], "eth0"
        here, there = f"10.213.{number}.1", f"10.213.{number}.2"
        ip("netns", "add", namespace)
        self.addCleanup(ip, "netns", "delete", namespace, check=False)
        ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", namespace)
        self.addCleanup(ip, "link", "delete", ours, check=False)
        ip("address", "add", f"{here}/24", "dev", ours)
        ip("link", "set", ours, "up")
        for command in (["address", "add", f"{there}/24", "dev", theirs],
                        ["link", "set", theirs, "up"], ["link", "set", "lo", "up"],
                        ["route", "add", "default", "via", here]):
            ip("-n", namespace, *command)
        return namespace, ours, here, there

    def worker(self, host, name, port):
        namespace, _, here, there = host
        return self.program(
            "netns", "exec", namespace, SERVER, "worker", "--name", name, "--master-host", here,
            "--port", str(port), "--bind-address", there, "--slots", "1",
            program=shutil.which("ip"), **SECRET)

    def render(self, server):
        session = server.new_session(format="exr")
        execution = server.post(f"/sessions/{session}/executions",
                                {"parallel": PARALLEL, "update": UPDATE}).json()["name"]
        return f"/sessions/{session}/executions/{execution}"

    def finished(self, server, path):
        wait_until("it has ended", lambda: server.get(path).json()["finished"], 180)
        info = server.get(path).json()
        self.assertEqual((info["state"], info["progress"]), ("finished", PARALLEL), info)
        return server.get(f"{path}/result").sha256

    def workers(self, server):
        return {one["name"]: one["health"] for one in server.get("/workers").json()["workers"]}

    def test_cut_and_healed(self):
        server = self.server("--cluster-bind-address", "0.0.0.0", "--ping-period", "0.5",
                             instance_type="static", workers=0, **SECRET)
        hosts = [self.host(number) for number in (1, 2)]
        for host, name in zip(hosts, ("first", "second")):
            self.worker(host, name, server.rpc)
        everybody = {"first": "alive", "second": "alive"}
        wait_until("both have joined", lambda: self.workers(server) == everybody)
        digest = self.finished(server, self.render(server))

        with self.subTest("a short cut: nothing is rendered again"):
            path = self.render(server)
            wait_until("a share is done", lambda: server.get(path).json()["progress"] >= 1, 60)
            ip("link", "set", hosts[0][1], "down")
            wait_until("it is missed", lambda: self.workers(server)["first"] != "alive")
            ip("link", "set", hosts[0][1], "up")
            self.assertEqual(self.finished(server, path), digest)

        with self.subTest("a long cut: others go on, and it comes back"):
            wait_until("both are back", lambda: self.workers(server) == everybody, 60)
            path = self.render(server)
            wait_until("a share is done", lambda: server.get(path).json()["progress"] >= 1, 60)
            ip("link", "set", hosts[0][1], "down")
            wait_until("it is lost", lambda: "first" not in self.workers(server), 60)
            ip("link", "set", hosts[0][1], "up")
            self.assertEqual(self.finished(server, path), digest)
            wait_until("it is back", lambda: self.workers(server) == everybody, 60)
        self.assert_stops_clean(server)


if __name__ == "__main__":
    unittest.main(verbosity=2)
