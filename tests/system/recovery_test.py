#!/usr/bin/env python3
"""A master that is killed, and workers: what was acknowledged stays, everything ends,
and every picture is the same. FRANCINE_KILLS says how often (default 12)."""

import http.client
import json
import os
import random
import signal
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SLOWNESS, Server, SystemTest, deadline_in, wait_until

KILLS = int(os.environ.get("FRANCINE_KILLS", "12"))
UPDATE = {"width": int(256 / SLOWNESS), "height": int(256 / SLOWNESS), "samples": 2}
PARALLEL = 16


def killed(server):
    server.process.kill()
    server.process.wait()


class Durable(SystemTest):
    def restarted(self, server, *flags, **more):
        return self.closing(Server(*flags, earlier=server, **more))

    def reference(self, update=None):
        server = self.server(workers=1)
        name = server.new_session(format="exr")
        answer = server.post(f"/sessions/{name}/executions?block=true",
                             {"parallel": PARALLEL, "update": update or UPDATE})
        self.assertEqual(answer.status, 200, answer.body[:300])
        self.assert_stops_clean(server)
        return answer.sha256


class Recovery(Durable):
    def test_running_tasks_survive_the_master(self):
        digest = self.reference()
        server = self.server(workers=2)
        wait_until("both have joined", lambda: server.get("/info").json()["workers"] == 2)
        workers = server.worker_pids()
        name = server.new_session(format="exr")
        execution = server.post(f"/sessions/{name}/executions",
                                {"parallel": PARALLEL, "update": UPDATE}).json()["name"]
        path = f"/sessions/{name}/executions/{execution}"
        wait_until("a share is done", lambda: server.get(path).json()["progress"] >= 1, 60)
        killed(server)
        again = self.restarted(server, workers=2)
        self.assertEqual((again.rpc, again.resource), (server.rpc, server.resource))
        wait_until("it has ended", lambda: again.get(path).json()["finished"], 120)
        info = again.get(path).json()
        self.assertEqual((info["state"], info["retries"]), ("finished", 0), info)
        self.assertEqual(again.get(f"{path}/result").sha256, digest)
        self.assertEqual(again.worker_pids(), workers)
        self.assert_stops_clean(again)

    def test_what_was_acknowledged_is_there_after_an_orderly_stop(self):
        server = self.server(workers=1)
        name = server.new_session()
        answer = server.post(f"/sessions/{name}/executions?block=true",
                             {"parallel": 2, "update": UPDATE})
        gone = server.new_session()
        self.assertEqual(server.request("DELETE", f"/sessions/{gone}").status, 200)
        self.assertEqual(server.stop(), 0)
        again = self.restarted(server, workers=1)
        session = again.get(f"/sessions/{name}").json()
        result = again.get(f"/sessions/{name}/executions/{session['executionNames'][0]}/result")
        self.assertEqual(result.body, answer.body)
        self.assertEqual(again.get(f"/sessions/{gone}").status, 404)
        self.assert_stops_clean(again)

    def test_a_second_master_is_refused(self):
        server = self.server(workers=1)
        second = self.program("--rest-port", "0", "--ws-port", "0", "--port", "0", "--data-dir",
                              server.data)
        self.assertEqual(second.wait(), 1)
        self.assertIn("another master", second.log())
        self.assert_stops_clean(server)

    def test_ports_say_503_until_it_has_found_everything(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = self.program("--rest-port", str(port), "--ws-port", "0", "--port", "0",
                               "--static-instance-size", "1")
        seen = []
        deadline = deadline_in(30)
        while time.monotonic() < deadline and 200 not in seen:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("GET", "/info")
                answer = connection.getresponse()
                if answer.status == 503:
                    self.assertEqual(answer.getheader("Retry-After"), "1")
                    self.assertIn("just begun", json.loads(answer.read())["error"])
                seen.append(answer.status)
            except ConnectionRefusedError:
                pass  # not open yet
            finally:
                connection.close()
        self.assertEqual(set(seen), {503, 200})
        process.process.terminate()
        self.assertEqual(process.wait(), 0)


class Witness:
    """A client that notes what it was told, and asks again until it is told something."""

    def __init__(self, test, server):
        self.test, self.server = test, server
        self.told = {}  # execution -> (session, key)
        self.broken = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def ask(self, method, path, body=None, key=None):
        """The answer, whichever master gives it in the end."""
        while not self.ended.is_set():
            try:
                answer = self.server.request(method, path, body, seconds=20,
                                             headers={"Idempotency-Key": key} if key else {})
                if answer.status != 503:
                    return answer
            except (OSError, http.client.HTTPException, ValueError):
                pass
            self.ended.wait(0.02)
        return None

    def work(self):
        number = 0
        while not self.ended.is_set():
            number += 1
            key = f"key {number}"
            session = self.ask("POST", "/sessions", {"producer": "ao", "format": "exr"}, key)
            if session is None:
                return
            name = session.json()["name"]
            for i in range(3):
                wish = {"parallel": PARALLEL, "update": UPDATE if i == 0 else {}}
                made = self.ask("POST", f"/sessions/{name}/executions", wish, f"{key} {i}")
                if made is None:
                    return
                if made.status != 201:
                    self.broken.append(f"refused: {made.body}")
                    return
                self.told[made.json()["name"]] = (name, f"{key} {i}")
            # No more than the machine renders.
            while not self.ended.is_set() and self.open_executions() > 4:
                self.ended.wait(0.05)

    def open_executions(self):
        open_ones = 0
        for execution, (session, _) in list(self.told.items())[-8:]:
            answer = self.ask("GET", f"/sessions/{session}/executions/{execution}")
            if answer is not None and answer.status == 200:
                open_ones += not answer.json()["finished"]
            elif answer is not None:
                self.broken.append(f"{execution} was acknowledged, and now: {answer.body}")
        return open_ones

    def stop(self):
        self.ended.set()
        self.thread.join()


class Kills(Durable):
    def test_kill_anything_at_any_moment(self):
        digest = self.reference()
        chance = random.Random(KILLS)
        server = self.server(workers=2)
        witness = Witness(self, server)
        self.addCleanup(witness.stop)
        masters = 0
        for _ in range(KILLS):
            witness.ended.wait(chance.uniform(0, 0.6) * SLOWNESS)  # a moment at random
            pids = server.worker_pids()
            if chance.random() < 0.5 or not pids:
                killed(server)
                masters += 1
                server = self.restarted(server, workers=2)
                witness.server = server
            else:
                try:
                    os.kill(chance.choice(pids), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        wait_until("something was acknowledged", lambda: len(witness.told) >= 3, 120)
        witness.stop()
        self.assertEqual(witness.broken, [])
        self.assertGreater(masters, 0)
        for execution, (session, key) in witness.told.items():
            path = f"/sessions/{session}/executions/{execution}"
            wait_until(f"{execution} has ended", lambda: server.get(path).json()["finished"], 240)
            info = server.get(path).json()
            self.assertEqual(info["state"], "finished", info)
            self.assertEqual(server.get(f"{path}/result").sha256, digest, info)
            again = server.post(f"/sessions/{session}/executions",
                                {"parallel": PARALLEL}, headers={"Idempotency-Key": key})
            self.assertEqual(again.json()["name"], execution)
        print(f"{KILLS} kills, of them {masters} of the master; {len(witness.told)} executions")
        self.assert_stops_clean(server)


if __name__ == "__main__":
    unittest.main(verbosity=2)
