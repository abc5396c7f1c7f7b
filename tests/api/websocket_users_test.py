#!/usr/bin/env python3
"""The WebSocket API: who is asking, who does not read, and how connections end."""

import asyncio
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import connect, fewer, read_until_closed, wait_until
from websocket_client import DEADLINE, ENDLESS, SMALL, Client, WebSocketTest, steps, websockets

USERS = {"anna": "anna's password", "bert": "bert's password", "root": "the admin's"}


class WithUsers(WebSocketTest):
    def start(self, **members):
        path = os.path.join(self.directory(), "rc")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"users": USERS, "admins": ["root"],
                       "privateKey": "a private key of the tests, 32 bytes or more", **members},
                      file)
        os.chmod(path, 0o600)
        return self.server("--config", path, workers=1, instance_type="in_process")

    def token(self, master, user):
        answer = master.post("/auth", {"userName": user, "password": USERS[user]})
        return answer.json()["authToken"]

    @steps
    async def test_authenticate(self):
        master = self.start()
        async with Client(master) as client:
            for command in ("getSession", "createSession", "enableStatus", "getExecution",
                            "createExecution", "getAuthorizeStatus", "subscribe"):
                answer = await client.ask(command, requestId=2)
                self.assertEqual(list(answer), ["command", "requestId", "error"])
                self.assertIn("authenticate", answer["error"])
            self.assertIn("instanceType", await client.ask("info"))
            wrong = await client.ask("authenticate", userName="anna", password="guess")
            self.assertEqual(set(wrong), {"command", "error"})
            self.assertIn("error", await client.ask("createSession", producer="ao"))
            right = await client.ask("authenticate", responseId=1, userName="anna",
                                     password=USERS["anna"])
            self.assertEqual(list(right), ["command", "responseId", "authToken"])
            session = await client.ask("createSession", producer="ao")
            self.assertEqual(session["userName"], "anna")
            seen = master.get(f"/sessions/{session['name']}",
                              headers={"X-API-Token": right["authToken"]})
            self.assertEqual(seen.status, 200)

    @steps
    async def test_tokens_in_the_opening(self):
        master = self.start()
        token = self.token(master, "bert")
        for headers in ({"X_API_Token": token}, {"Authorization": f"Bearer {token}"}):
            async with Client(master, **headers) as client:
                session = await client.ask("createSession", producer="ao")
                self.assertEqual(session["userName"], "bert")
        for forged in (token[:-2], token + "x", "x", ""):
            with self.assertRaises(websockets.exceptions.InvalidStatusCode) as refused:
                async with Client(master, X_API_Token=forged):
                    pass
            self.assertEqual(refused.exception.status_code, 401)

    @steps
    async def test_what_belongs_to_another_is_not_found(self):
        master = self.start()
        async with Client(master, X_API_Token=self.token(master, "anna")) as anna, \
                Client(master, X_API_Token=self.token(master, "bert")) as bert, \
                Client(master, X_API_Token=self.token(master, "root")) as root:
            session = await anna.new_session()
            await anna.ask("createExecution", sessionName=session, parallel=1, update=SMALL)
            name = (await anna.ask("getSession", sessionName=session))["executionNames"][0]
            for members in ({"command": "getSession", "sessionName": session},
                            {"command": "deleteSession", "sessionName": session},
                            {"command": "createExecution", "sessionName": session, "parallel": 1},
                            {"command": "getExecution", "executionName": name},
                            {"command": "getExecution", "executionName": name,
                             "sessionName": session},
                            {"command": "getExecutionResult", "executionName": name},
                            {"command": "cancelExecution", "executionName": name},
                            {"command": "subscribe", "executionName": name}):
                with self.subTest(members):
                    theirs = (await bert.ask(**members))["error"]
                    nothing = {m: "nothing" if m.endswith("Name") else v
                               for m, v in members.items()}
                    self.assertEqual((await bert.ask(**nothing))["error"], theirs)
            self.assertEqual((await root.ask("getSession", sessionName=session))["userName"],
                             "anna")
            self.assertEqual((await root.ask("getExecution", executionName=name))["name"], name)

    @steps
    async def test_whoever_never_authenticates_is_closed(self):
        master = self.start(authenticationTimeout=0.5)
        async with Client(master) as client:
            self.assertEqual(await client.read_close(), 1008)

    @steps
    async def test_strangers_send_little(self):
        master = self.start(maxLogInBytes=1000)
        small, large = ({"command": "info", "padding": "x" * size} for size in (900, 1000))
        async with Client(master) as client:
            self.assertIn("instanceType", await client.ask(**small))
            await client.send(**large)
            self.assertEqual(await client.read_close(), 1009)
        self.assert_refused(master.post("/auth", large), 413)
        async with Client(master) as client:
            await client.ask("authenticate", userName="anna", password=USERS["anna"])
            self.assertIn("instanceType", await client.ask(**large))
        async with Client(master, X_API_Token=self.token(master, "anna")) as client:
            self.assertIn("instanceType", await client.ask(**large))

    @steps
    async def test_requests_are_counted_before_they_are_parsed(self):
        master = self.start(maxRequestsPerSecond=0.01, requestBurst=3)
        async with Client(master, X_API_Token=self.token(master, "anna")) as client:
            for _ in range(3):
                self.assertIn("instanceType", await client.ask("info"))
            # Small ones are answered with their id ...
            refused = await client.ask("info", requestId=7)
            self.assertEqual(refused["requestId"], 7)
            self.assertIn("too many requests", refused["error"])
            # ... and nobody has seen that a large one is no JSON, which ends connections.
            await client.socket.send("x" * 100_000)
            self.assertEqual(set(refused := await client.read()), {"error"})
            self.assertIn("too many requests", refused["error"])
            self.assertIn("error", await client.ask("info"))

    @steps
    async def test_log_ins_that_fail_at_once(self):
        master = self.start(logInBurst=2, maxLogInFailuresPerMinute=0.1)
        async with Client(master) as client:
            wrong = {"userName": "anna", "password": "guess"}
            errors = [(await client.ask("authenticate", **wrong))["error"] for _ in range(3)]
            self.assertEqual(["too many" in error for error in errors], [False, False, True])


class Bounds(WebSocketTest):
    @steps
    async def test_of_one_connection(self):
        master = self.server("--max-in-flight", "2", workers=0, instance_type="static",
                             FRANCINE_CLUSTER_SECRET="a secret")
        async with Client(master) as client:
            session = await client.new_session()
            for _ in range(2):
                await client.send("createExecution", sessionName=session, parallel=1)
            refused = await client.ask("createExecution", sessionName=session, parallel=1,
                                       requestId=5)
            self.assertEqual(refused["requestId"], 5)
            self.assertIn("2 a connection", refused["error"])

    @steps
    async def test_of_incomplete_messages_together(self):
        master = self.server("--max-inbound-bytes", "100000", "--max-body-bytes", "90000",
                             workers=1, instance_type="in_process")
        end = asyncio.Event()

        async def begin(client, size):
            begun = asyncio.Event()

            async def pieces():
                yield '{"command": "info", "padding": "' + "x" * size
                begun.set()
                await end.wait()
                yield '"}'
            sending.append(asyncio.create_task(client.socket.send(pieces())))
            await asyncio.wait_for(begun.wait(), DEADLINE)
        sending = []
        async with Client(master) as large, Client(master) as small:
            await begin(large, 80_000)
            await asyncio.wait_for(await large.socket.ping(), DEADLINE)  # all of it is there
            await begin(small, 60_000)
            self.assertEqual(await large.read_close(), 1013)
            end.set()
            self.assertIn("instanceType", await small.read())
            await asyncio.gather(*sending, return_exceptions=True)

    @steps
    async def test_silent_clients_are_pinged(self):
        master = self.server("--ws-ping-period", "0.1", "--ws-pong-timeout", "0.2", workers=1,
                             instance_type="in_process")
        connection = connect(master.ws)
        with connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                               b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                               b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
            head, frames = read_until_closed(connection).split(b"\r\n\r\n", 1)
        self.assertTrue(head.startswith(b"HTTP/1.1 101 "), head)
        self.assertEqual(frames[:2], b"\x89\x00")  # a ping, and then
        self.assertEqual(int.from_bytes(frames[4:6], "big"), 1008)


class NotReading(WebSocketTest):
    @steps
    async def test_whoever_does_not_read_is_told_what_they_missed(self):
        master = self.server(workers=1, instance_type="in_process")
        async with Client(master, max_queue=1) as lazy, Client(master) as busy:
            session = await busy.new_session(format="exr")
            await busy.ask("createExecution", sessionName=session, parallel=1,
                           update={"width": 1600, "height": 1200, "samples": 1, "aoSamples": 1})
            name = (await busy.ask("getSession", sessionName=session))["executionNames"][0]
            self.assertNotIn("missed", await lazy.ask("enableStatus"))
            pictures = 30  # far more than the system keeps for a connection
            for _ in range(pictures):
                await lazy.send("getExecutionResult", executionName=name)
            # Reports for others go on, and one at a time there are only as many pictures in
            # memory as the client has room for.
            await busy.ask("enableStatus")
            for _ in range(20):
                await busy.send("createSession", producer="ao")
                await busy.read_until(lambda m: m["command"] == "enableStatus")
            missed = 0
            while pictures:
                message = json.loads(await lazy.receive())
                pictures -= message["command"] == "getExecutionResult"
                missed += message.get("missed", 0)
            if not missed:  # nothing was told while they came
                missed = (await lazy.read())["missed"]
            self.assertGreater(missed, 0)

    @steps
    async def test_a_flood_of_requests_is_slowed_down_and_answered(self):
        master = self.server(workers=1, instance_type="in_process")
        count = fewer(30_000)
        async with Client(master, max_queue=1) as client:
            async def ask():
                for i in range(count):
                    await client.send("info", requestId=i)
            asking = asyncio.create_task(ask())
            for i in range(count):
                self.assertEqual(json.loads(await client.receive())["requestId"], i)
            await asking


class TheEnd(WebSocketTest):
    @steps
    async def test_stopping_answers_who_waits_and_says_goodbye(self):
        master = self.server("--shutdown-grace", "1", workers=1, instance_type="in_process")
        async with Client(master) as idle, Client(master) as client:
            await idle.ask("info")
            session = await client.new_session()
            await client.send("createExecution", requestId=1, sessionName=session, **ENDLESS)
            while not (await client.ask("getSession", sessionName=session)).get("executionNames"):
                pass
            stopping = asyncio.get_running_loop().run_in_executor(None, master.stop)
            self.assertEqual(await idle.read_close(), 1001)
            answer = await client.read()
            self.assertEqual(answer["requestId"], 1)
            self.assertIn("error", answer)
            self.assertEqual(await client.read_close(), 1001)
            self.assertEqual(await stopping, 0)

    @steps
    async def test_a_client_that_goes_leaves_its_execution_running(self):
        master = self.server(workers=1, instance_type="in_process")
        async with Client(master) as client:
            session = await client.new_session()
            await client.send("createExecution", sessionName=session, parallel=fewer(50),
                              update=SMALL)
        async with Client(master) as client:
            path = f"/sessions/{session}"
            name = wait_until("the execution exists",
                              lambda: master.get(path).json()["executionNames"])[0]
            wait_until("it has finished",
                       lambda: master.get(f"{path}/executions/{name}").json()["finished"])
            self.assertIn("image", await client.ask("getExecutionResult", executionName=name))


if __name__ == "__main__":
    unittest.main()
