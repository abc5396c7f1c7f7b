#!/usr/bin/env python3
"""Workers on hosts of their own (network namespaces on a bridge), cut off
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
MASTER = "10.213.7.1"
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
    def setUp(self):
        """A switch that this host, the master's, is plugged into."""
        self.switch = f"fr{os.getpid()}s"[:15]
        ip("link", "add", self.switch, "type", "bridge")
        self.addCleanup(ip, "link", "delete", self.switch, check=False)
        ip("address", "add", f"{MASTER}/24", "dev", self.switch)
        ip("link", "set", self.switch, "up")

    def host(self, number):
        """A host that is plugged into the switch: (namespace, its cable, its address)."""
        namespace, cable, address = f"{NAME}-{number}", f"fr{os.getpid()}c{number}"[:15], \
            f"10.213.7.{10 + number}"
        ip("netns", "add", namespace)
        self.addCleanup(ip, "netns", "delete", namespace, check=False)
        ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        self.addCleanup(ip, "link", "delete", cable, check=False)
        ip("link", "set", cable, "master", self.switch, "up")
        for command in (["address", "add", f"{address}/24", "dev", "eth0"],
                        ["link", "set", "eth0", "up"], ["link", "set", "lo", "up"]):
            ip("-n", namespace, *command)
        return namespace, cable, address

    def worker(self, host, name, port):
        namespace, _, address = host
        return self.program(
            "netns", "exec", namespace, SERVER, "worker", "--name", name, "--master-host", MASTER,
            "--port", str(port), "--bind-address", address, "--slots", "1",
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
        server = self.server("--cluster-bind-address", MASTER, "--ping-period", str(0.5 * SLOWNESS),
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
            wait_until("it is missed", lambda: self.workers(server).get("first") != "alive")
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
