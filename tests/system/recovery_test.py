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
from harness import (MESHES, SLOWNESS, SQUARE_OBJ, Answer, Server, SystemTest, deadline_in,
                     wait_until)

KILLS = int(os.environ.get("FRANCINE_KILLS", "12"))
USERS = {"anna": "anna's password", "bert": "bert's password"}
UPDATE = {"width": int(256 / SLOWNESS), "height": int(256 / SLOWNESS), "samples": 2}
PARALLEL = 16


def killed(server):
    server.process.kill()
    server.process.wait()


def ask(port, path="/", **headers):
    """The answer to a GET; None while the port is not open."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10 * SLOWNESS)
    try:
        connection.request("GET", path, headers=headers)
        return Answer(connection.getresponse())
    except ConnectionRefusedError:
        return None
    finally:
        connection.close()


def open_web_socket(port, **headers):
    """The answer to its opening request, as ask()."""
    opening = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    return ask(port, **opening, **headers)


class Durable(SystemTest):
    def users(self):
        """Flags of a server with users."""
        path = os.path.join(self.directory(), "config")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"users": USERS, "privateKey": "k" * 40, "maxRequestsPerSecond": 0}, file)
        os.chmod(path, 0o600)
        return ["--config", path]

    def log_in(self, server, user):
        """The headers of a user from now on."""
        answer = server.post("/auth", {"userName": user, "password": USERS[user]})
        self.assertEqual(answer.status, 200, answer.body)
        return {"X-API-Token": answer.json()["authToken"]}

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

    def test_tokens_are_good_for_the_next_life(self):
        users = self.users()
        server = self.server(*users, workers=1)
        anna, bert = self.log_in(server, "anna"), self.log_in(server, "bert")
        name = server.post("/sessions", {"producer": "ao"}, headers=anna).json()["name"]
        killed(server)
        again = self.restarted(server, *users, workers=1)
        self.assertEqual(again.get(f"/sessions/{name}", headers=anna).status, 200)
        self.assertEqual(open_web_socket(again.ws, **anna).status, 101)
        self.assertEqual(again.get(f"/sessions/{name}", headers=bert).status, 404)
        forged = {"X-API-Token": anna["X-API-Token"][:-2] + "AA"}
        for headers in ({}, forged):
            self.assertEqual(again.get(f"/sessions/{name}", headers=headers).status, 401)
        self.assertEqual(open_web_socket(again.ws, **forged).status, 401)
        self.assert_stops_clean(again)

    def test_ports_say_503_until_it_has_found_everything(self):
        with socket.socket() as one, socket.socket() as other:
            for probe in (one, other):
                probe.bind(("127.0.0.1", 0))
            rest, web_socket = one.getsockname()[1], other.getsockname()[1]
        process = self.program("--rest-port", str(rest), "--ws-port", str(web_socket), "--port",
                               "0", "--static-instance-size", "1")
        asked = {"REST": lambda: ask(rest, "/info"),
                 "WebSocket": lambda: open_web_socket(web_socket)}
        seen = {name: [] for name in asked}
        deadline = deadline_in(30)
        while time.monotonic() < deadline and not all(
                {200, 101} & set(statuses) for statuses in seen.values()):
            for name, get in asked.items():
                answer = get()
                if answer is None:
                    continue  # not open yet
                if answer.status == 503:
                    self.assertEqual(answer.headers["Retry-After"], "1")
                    self.assertIn("just begun", answer.error)
                seen[name].append(answer.status)
        self.assertEqual({name: set(statuses) for name, statuses in seen.items()},
                         {"REST": {503, 200}, "WebSocket": {503, 101}})
        process.process.terminate()
        self.assertEqual(process.wait(), 0)


class Ended(Exception):
    """The witness was told to stop."""


class Witness:
    """A client that notes what it was told, and asks again until it is told something. Its
    token is from before the first kill."""

    def __init__(self, server, headers):
        self.server, self.headers = server, headers
        self.executions = {}  # -> (session, key)
        self.finished = {}  # execution that was said to be finished -> SHA-256 of its picture
        self.cancelled = {}  # execution -> session
        self.deleted = []  # sessions
        self.uploads = []  # ids
        self.broken = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def ask(self, method, path, body=None, key=None, good=(200, 201)):
        """The answer, whichever master gives it in the end."""
        headers = {**self.headers, **({"Idempotency-Key": key} if key else {})}
        while not self.ended.is_set():
            try:
                answer = self.server.request(method, path, body, seconds=20, headers=headers)
                if answer.status in good:
                    return answer
                if answer.status != 503:
                    raise AssertionError(f"{method} {path}: {answer.status} {answer.body}")
            except (OSError, http.client.HTTPException, ValueError):
                pass
            self.ended.wait(0.02)
        raise Ended

    def run(self):
        try:
            number = 0
            while True:
                number += 1
                self.work(number)
        except Ended:
            pass
        except Exception as error:  # whatever it is: the test shall fail
            self.broken.append(repr(error))

    def new_session(self, key):
        return self.ask("POST", "/sessions", {"producer": "ao", "format": "exr"},
                        key).json()["name"]

    def new_execution(self, session, key, wish):
        return self.ask("POST", f"/sessions/{session}/executions", wish, key).json()["name"]

    def work(self, number):
        session = self.new_session(f"{number} to keep")
        for i in range(3):
            key = f"{number} {i}"
            wish = {"parallel": PARALLEL, "update": UPDATE if i == 0 else {}}
            self.executions[self.new_execution(session, key, wish)] = (session, key)

        endless = {"parallel": 60000, "update": UPDATE}
        session = self.new_session(f"{number} to cancel in")
        execution = self.new_execution(session, f"{number} endless", endless)
        self.ask("DELETE", f"/sessions/{session}/executions/{execution}")
        self.cancelled[execution] = session

        session = self.new_session(f"{number} to delete")
        self.new_execution(session, f"{number} endless", endless)
        # 404: deleted by a request whose answer was lost.
        self.ask("DELETE", f"/sessions/{session}", good=(200, 404))
        self.deleted.append(session)

        content = SQUARE_OBJ + f"# {number}\n".encode()
        self.uploads.append(self.ask("PUT", "/resources", content).json()["id"])
        # No more than the machine renders.
        while self.open_executions() > 4:
            self.ended.wait(0.05)

    def open_executions(self):
        open_ones = 0
        for execution, (session, _) in list(self.executions.items())[-8:]:
            path = f"/sessions/{session}/executions/{execution}"
            if self.ask("GET", path).json()["state"] == "running":
                open_ones += 1
            elif execution not in self.finished:
                self.finished[execution] = self.ask("GET", f"{path}/result").sha256
        return open_ones

    def stop(self):
        self.ended.set()
        self.thread.join()


class Kills(Durable):
    def test_kill_anything_at_any_moment(self):
        digest = self.reference()
        chance = random.Random(KILLS)
        users = self.users()
        server = self.server(*users, workers=2)
        witness = Witness(server, self.log_in(server, "anna"))
        self.addCleanup(witness.stop)
        masters = 0
        for _ in range(KILLS):
            witness.ended.wait(chance.uniform(0, 0.6) * SLOWNESS)  # a moment at random
            pids = server.worker_pids()
            if chance.random() < 0.5 or not pids:
                killed(server)
                masters += 1
                server = self.restarted(server, *users, workers=2)
                witness.server = server
            else:
                try:
                    os.kill(chance.choice(pids), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        wait_until("something of everything was acknowledged",
                   lambda: witness.broken or (witness.finished and witness.uploads), 120)
        witness.stop()
        self.assertEqual(witness.broken, [])
        self.assertGreater(masters, 0)
        # What was so when the last master died.
        killed(server)
        server = self.restarted(server, *users, workers=2)
        self.assert_stays(server, witness, digest)
        self.assert_ends(server, witness, digest)
        print(f"{KILLS} kills, of them {masters} of the master; {len(witness.executions)} "
              f"executions, {len(witness.finished)} finished when they were looked at, "
              f"{len(witness.cancelled)} cancelled, {len(witness.deleted)} sessions deleted, "
              f"{len(witness.uploads)} uploads")
        self.assert_stops_clean(server)

    def assert_stays(self, server, witness, digest):
        """What the witness was told of things that do not change any more."""
        def get(path):
            return server.get(path, headers=witness.headers)
        for execution, sha256 in witness.finished.items():
            path = f"/sessions/{witness.executions[execution][0]}/executions/{execution}"
            self.assertEqual(get(path).json()["state"], "finished")
            self.assertEqual((get(f"{path}/result").sha256, sha256), (digest, digest))
        for execution, session in witness.cancelled.items():
            path = f"/sessions/{session}/executions/{execution}"
            self.assertEqual(get(path).json()["state"], "cancelled")
        for session in witness.deleted:
            self.assertEqual(get(f"/sessions/{session}").status, 404)
        for identity in witness.uploads if MESHES else ():
            scene = {"producer": "ao", "resources": [
                {"type": "upload", "id": identity, "dst": "square.obj"}]}
            answer = server.post("/sessions", scene, headers=witness.headers)
            self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(server.get("/sessions").status, 401)  # tokens are needed

    def assert_ends(self, server, witness, digest):
        """Every execution that was acknowledged finishes, and is still known by its key."""
        for execution, (session, key) in witness.executions.items():
            path = f"/sessions/{session}/executions/{execution}"
            wait_until(f"{execution} has ended", lambda: server.get(
                path, headers=witness.headers).json()["finished"], 240)
            info = server.get(path, headers=witness.headers).json()
            self.assertEqual(info["state"], "finished", info)
            result = server.get(f"{path}/result", headers=witness.headers)
            self.assertEqual(result.sha256, digest, info)
            again = server.post(f"/sessions/{session}/executions", {"parallel": PARALLEL},
                                headers={**witness.headers, "Idempotency-Key": key})
            self.assertEqual(again.json()["name"], execution)


if __name__ == "__main__":
    unittest.main(verbosity=2)
