#!/usr/bin/env python3
"""The WebSocket API, each line of the specification's, asked by implementations that are
not ours: Python's websockets and, where it is installed, ws of Node."""

import base64
import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import Server, SystemTest, connect, fewer, png_size, read_until_closed
from websocket_client import DEADLINE, ENDLESS, SMALL, Client, WebSocketTest, steps


class Open(WebSocketTest):
    """Without users."""

    @classmethod
    def setUpClass(cls):
        cls.shared = SystemTest()
        cls.master = Server()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.shared.assert_stops_clean(cls.master)
        finally:
            cls.shared.close(cls.master)

    @steps
    async def test_sessions_as_over_rest(self):
        async with Client(self.master) as client:
            session = await client.ask("createSession", responseId=7, producer="ao",
                                       format="jpg", resources=[])
            self.assertEqual(list(session)[:2], ["command", "responseId"])
            self.assertEqual((session.pop("command"), session.pop("responseId")),
                             ("createSession", 7))
            name = session["name"]
            self.assertEqual(session, self.master.get(f"/sessions/{name}").json())
            again = await client.ask("getSession", sessionName=name)
            self.assertEqual(again, {"command": "getSession", **session})
            self.assertEqual(await client.ask("deleteSession", requestId=1, sessionName=name),
                             {"command": "deleteSession", "requestId": 1, "success": True})
            gone = await client.ask("getSession", sessionName=name)
            self.assertEqual(set(gone), {"command", "error"})

    @steps
    async def test_ids_come_back_as_they_were_written(self):
        async with Client(self.master) as client:
            for text in ("0", "1.50", "-3", "1e3", "12345678901234567890", "0.0"):
                for name in ("requestId", "responseId"):
                    await client.socket.send(f'{{"{name}": {text}, "command": "info"}}')
                    answer = await client.receive()
                    self.assertTrue(answer.startswith(f'{{"command":"info","{name}":{text},"'),
                                    answer)
            await client.socket.send('{"command": "info"}')
            self.assertFalse({"requestId", "responseId"} & set(await client.read()))
            both = await client.ask("info", requestId=1, responseId=2)
            self.assertEqual((both["requestId"], both["responseId"]), (1, 2))

    @steps
    async def test_an_execution_is_answered_with_its_picture(self):
        async with Client(self.master) as client:
            for wanted, magic in (("png", b"\x89PNG"), ("jpg", b"\xff\xd8"), ("exr", b"v/1\x01")):
                session = await client.new_session(format=wanted)
                answer = await client.ask("createExecution", responseId=3, sessionName=session,
                                          parallel=2, update=SMALL)
                self.assertEqual(set(answer), {"command", "responseId", "format", "image"})
                self.assertEqual(answer["format"], wanted)
                image = base64.b64decode(answer["image"], validate=True)
                self.assertTrue(image.startswith(magic))
                execution = (await client.ask("getSession", sessionName=session))
                path = f"/sessions/{session}/executions/{execution['executionNames'][0]}/result"
                self.assertEqual(self.master.get(path).body, image)

    @steps
    async def test_the_demo_of_the_original(self):
        async with Client(self.master) as client:
            session = await client.ask("createSession", producer="ao", reducer="jpg", resources=[])
            self.assertEqual(session["format"], "jpg")

    @steps
    async def test_executions_by_their_name_alone(self):
        async with Client(self.master) as client:
            session = await client.new_session()
            picture = await client.ask("createExecution", sessionName=session, parallel=3,
                                       update=SMALL)
            name = (await client.ask("getSession", sessionName=session))["executionNames"][0]
            execution = await client.ask("getExecution", responseId=1, executionName=name)
            self.assertEqual((execution["name"], execution["sessionName"]), (name, session))
            self.assertEqual((execution["progress"], execution["finished"]), (3, True))
            self.assertEqual(set(execution["time"]),
                             {"fetching", "producing", "reducing", "total"})
            self.assertEqual(
                await client.ask("getExecution", responseId=1, executionName=name,
                                 sessionName=session), execution)
            wrong = await client.ask("getExecution", executionName=name, sessionName="other")
            self.assertIn("error", wrong)
            result = await client.ask("getExecutionResult", executionName=name)
            self.assertEqual((result["format"], result["image"]), ("png", picture["image"]))

    @steps
    async def test_requests_that_are_repeated(self):
        async with Client(self.master) as client:
            key = {"idempotencyKey": "over a WebSocket"}
            session = await client.new_session(**key)
            self.assertEqual(await client.new_session(**key), session)
            self.assertNotEqual(await client.new_session(), session)
            answers = [await client.ask("createExecution", sessionName=session, parallel=1,
                                        update=SMALL, **key) for _ in range(2)]
            self.assertEqual(answers[0], answers[1])
            seen = await client.ask("getSession", sessionName=session)
            self.assertEqual(len(seen["executionNames"]), 1)
            self.assertEqual(seen["updates"], [SMALL])
            # One key, whichever way it is sent.
            over_rest = self.master.post("/sessions", {"producer": "ao"},
                                         headers={"Idempotency-Key": key["idempotencyKey"]})
            self.assertEqual(over_rest.json()["name"], session)
            for wrong in ("", "x" * 256, 5):
                refused = await client.ask("createSession", producer="ao", idempotencyKey=wrong)
                self.assertIn("idempotencyKey", refused["error"])

    @steps
    async def test_binary_pictures(self):
        async with Client(self.master) as client:
            session = await client.new_session()
            await client.send("createExecution", requestId=5, binary=True, sessionName=session,
                              parallel=2, update=SMALL)
            answer = await client.read()
            image = await client.receive()
            self.assertEqual(answer, {"command": "createExecution", "requestId": 5,
                                      "format": "png", "binary": True, "bytes": len(image)})
            self.assertEqual(png_size(image), (64, 48))
            name = (await client.ask("getSession", sessionName=session))["executionNames"][0]
            await client.send("getExecutionResult", binary=True, executionName=name)
            self.assertEqual((await client.read())["bytes"], len(image))
            self.assertEqual(await client.receive(), image)
            wrong = await client.ask("getExecutionResult", binary="yes", executionName=name)
            self.assertIn("binary", wrong["error"])

    @steps
    async def test_many_commands_in_flight(self):
        count = fewer(60)
        async with Client(self.master) as client:
            session = await client.new_session()
            for i in range(count):
                await client.send("createExecution", requestId=i, sessionName=session, parallel=1,
                                  update={"width": 16, "height": 16}, seed=i)
                await client.send("getSession", requestId=1000 + i, sessionName=session)
            answers = [await client.read() for _ in range(2 * count)]
            self.assertEqual(sorted(a["requestId"] for a in answers),
                             [*range(count), *range(1000, 1000 + count)])
            for answer in answers:
                self.assertIn("image" if answer["requestId"] < 1000 else "name", answer)

    @steps
    async def test_cancel(self):
        async with Client(self.master) as client:
            session = await client.new_session()
            await client.send("createExecution", requestId=1, sessionName=session, **ENDLESS)
            async with Client(self.master) as other:
                async def running():
                    while True:
                        names = (await other.ask("getSession", sessionName=session))
                        if names["executionNames"]:
                            return names["executionNames"][0]
                name = await running()
                early = await other.ask("getExecutionResult", executionName=name)
                self.assertIn("not finished", early["error"])
                self.assertEqual(await other.ask("cancelExecution", executionName=name),
                                 {"command": "cancelExecution", "success": True})
                execution = await other.ask("getExecution", executionName=name)
                self.assertEqual((execution["state"], execution["finished"]), ("cancelled", True))
            answer = await client.read()
            self.assertEqual((answer["command"], answer["requestId"]), ("createExecution", 1))
            self.assertIn("cancelled", answer["error"])

    @steps
    async def test_deleting_a_session_answers_who_waits_for_it(self):
        async with Client(self.master) as client:
            session = await client.new_session()
            await client.send("createExecution", requestId=1, sessionName=session, **ENDLESS)
            while not (await client.ask("getSession", sessionName=session)).get("executionNames"):
                pass
            await client.send("deleteSession", requestId=2, sessionName=session)
            answers = {a["requestId"]: a for a in [await client.read(), await client.read()]}
            self.assertEqual(answers[2]["success"], True)
            self.assertIn("error", answers[1])

    @steps
    async def test_info(self):
        async with Client(self.master) as client:
            info = await client.ask("info", requestId=0)
            self.assertEqual(
                (info["instanceType"], info["instanceManagerType"], info["staticInstanceSize"],
                 info["schedulerType"]), ("local", "static", 2, "queue"))

    @steps
    async def test_providers_that_are_not_configured(self):
        async with Client(self.master) as client:
            status = await client.ask("getAuthorizeStatus", responseId=1, resourceName="dropbox")
            self.assertIn("not configured", status["error"])
            token = await client.ask("registerResourceToken", resourceName="dropbox", code="c")
            self.assertIn("not configured", token["error"])
            for members in ({}, {"resourceName": 5}, {"resourceName": "__proto__"}):
                self.assertIn("error", await client.ask("getAuthorizeStatus", **members))

    @steps
    async def test_status(self):
        async with Client(self.master) as watcher, Client(self.master) as client:
            first = await watcher.ask("enableStatus", requestId=1)
            self.assertEqual(list(first), ["command", "requestId", "sessions", "executions",
                                           "timeouts", "workers", "tasks"])
            self.assertEqual(len(first["workers"]), 2)
            session = await client.new_session()
            await client.send("createExecution", sessionName=session, **ENDLESS)
            busy = await watcher.read_until(lambda s: s["tasks"]["running"] > 0)
            self.assertLessEqual(set(busy["workers"]), {"UNUSED", "PRODUCING", "REDUCING"})
            self.assertEqual(busy["timeouts"], busy["tasks"]["running"])
            if "PRODUCING" not in busy["workers"]:
                await watcher.read_until(lambda s: "PRODUCING" in s["workers"])
            await client.send("deleteSession", sessionName=session)
            await watcher.read_until(lambda s: s["tasks"] == {"waiting": 0, "running": 0} and
                                     s["sessions"] == first["sessions"])

    @steps
    async def test_status_comes_although_nothing_changes(self):
        master = self.server("--status-interval", "0.1", workers=0, instance_type="static",
                             FRANCINE_CLUSTER_SECRET="a secret")
        async with Client(master) as client:
            first = await client.ask("enableStatus", requestId=4)
            for _ in range(5):
                self.assertEqual(await client.read(), first)

    @steps
    async def test_subscribe(self):
        async with Client(self.master) as client, Client(self.master) as watcher:
            session = await client.new_session()
            parallel = fewer(300)
            await client.send("createExecution", sessionName=session, parallel=parallel,
                              update={"width": 128, "height": 128})
            names = []
            while not names:
                names = (await watcher.ask("getSession", sessionName=session))["executionNames"]
            await watcher.send("subscribe", requestId=9, executionName=names[0])
            told = []
            while not told or not told[-1]["finished"]:
                told.append(await watcher.read())
            for report in told:
                self.assertEqual(list(report)[:2], ["command", "requestId"])
                self.assertEqual((report["command"], report["requestId"], report["name"]),
                                 ("subscribe", 9, names[0]))
                self.assertAlmostEqual(report["weight"], report["sharesDone"] / parallel)
            done = [report["sharesDone"] for report in told]
            self.assertEqual(done, sorted(done))
            self.assertEqual((told[-1]["state"], done[-1], told[-1]["timeLeft"]),
                             ("finished", parallel, 0))
            # Of one that has ended, only its end; and nothing after it.
            self.assertTrue((await watcher.ask("subscribe", executionName=names[0]))["finished"])
            self.assertEqual((await watcher.ask("info"))["command"], "info")
            self.assertIn("error", await watcher.ask("subscribe", executionName="nothing"))

    @steps
    async def test_binary_frames_may_hold_json(self):
        async with Client(self.master) as client:
            await client.socket.send(b'{"command": "info", "requestId": 4}')
            self.assertEqual((await client.read())["requestId"], 4)

    @steps
    async def test_malformed_messages_are_answered_and_end_the_connection(self):
        deep = '{"command": "info", "x": ' + "[" * 100_000 + "]" * 100_000 + "}"
        for text in ("", "nonsense", "null", "5", "[]", "{}", '{"command": 5}',
                     '{"command": null}', '{"command": "info", "requestId": "1"}',
                     '{"command": "info", "responseId": null}',
                     '{"command": "info", "command": "info"}', '{"command": "info"', deep):
            with self.subTest(text[:60]):
                async with Client(self.master) as client:
                    await client.socket.send(text)
                    self.assertEqual(list(await client.read()), ["error"])
                    self.assertEqual(await client.read_close(), 1008)

    @steps
    async def test_wrong_commands_are_answered_and_the_connection_stays(self):
        async with Client(self.master) as client:
            session = await client.new_session()
            for members in (
                    {"command": "toString"}, {"command": ""}, {"command": "getsession"},
                    {"command": "getSession"}, {"command": "getSession", "sessionName": 5},
                    {"command": "getSession", "sessionName": "__proto__"},
                    {"command": "createSession"}, {"command": "createSession", "producer": "x"},
                    {"command": "createExecution"},
                    {"command": "createExecution", "sessionName": session},
                    {"command": "createExecution", "sessionName": session, "parallel": 0},
                    {"command": "createExecution", "sessionName": session, "parallel": 1e300},
                    {"command": "createExecution", "sessionName": "no", "parallel": 1},
                    {"command": "getExecution"}, {"command": "getExecutionResult"},
                    {"command": "getExecutionResult", "executionName": "none"},
                    {"command": "cancelExecution", "executionName": "none"},
                    {"command": "deleteSession"}, {"command": "subscribe"},
                    {"command": "authenticate", "userName": "a", "password": "b"}):
                with self.subTest(members):
                    answer = await client.ask(requestId=3, **members)
                    self.assertEqual(list(answer), ["command", "requestId", "error"])
                    self.assertEqual(answer["command"], members["command"])

    def handshake(self, *headers, host="localhost"):
        connection = connect(self.master.ws)
        try:
            lines = ["GET / HTTP/1.1", f"Host: {host}", "Upgrade: websocket",
                     "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                     "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", *headers, "", ""]
            connection.sendall("\r\n".join(lines).encode())
            return connection.recv(65536).decode()
        finally:
            connection.close()

    def test_pages_of_others_may_not_connect(self):
        for origin in ("https://evil.example", "null", "http://localhost.evil.example",
                       f"http://localhost:{self.master.rpc}"):
            answer = self.handshake(f"Origin: {origin}")
            self.assertTrue(answer.startswith("HTTP/1.1 403 "), answer)
            self.assertIn('{"error":', answer)
        # A name that somebody has pointed at 127.0.0.1.
        answer = self.handshake("Origin: http://evil.example", host="evil.example")
        self.assertTrue(answer.startswith("HTTP/1.1 403 "), answer)
        for origin in ("http://localhost:4000", f"http://localhost:{self.master.rest}",
                       f"http://localhost:{self.master.ws}"):
            answer = self.handshake(f"Origin: {origin}")
            self.assertTrue(answer.startswith("HTTP/1.1 101 "), answer)

    def test_plain_http(self):
        connection = connect(self.master.ws)
        with connection:
            connection.sendall(b"GET /sessions HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = read_until_closed(connection).decode()
        self.assertTrue(answer.startswith("HTTP/1.1 426 "), answer)
        self.assertIn("error", json.loads(answer.split("\r\n\r\n", 1)[1]))

    @steps
    async def test_messages_that_are_too_large(self):
        async with Client(self.master) as client:
            await client.socket.send("x" * (5 << 20))
            self.assertEqual(await client.read_close(), 1009)

    @steps
    async def test_large_messages(self):
        async with Client(self.master) as client:
            session = await client.ask("createSession", requestId=1, producer="ao",
                                       unknown="x" * (1 << 20))
            self.assertIn("name", session)
            await client.socket.send('{"command": 5, "x": "' + "x" * (1 << 20) + '"}')
            self.assertIn("command", (await client.read())["error"])
            self.assertEqual(await client.read_close(), 1008)

    @unittest.skipUnless(shutil.which("node") and os.path.isdir("/usr/share/nodejs/ws"),
                         "needs node and the package node-ws")
    def test_node(self):
        script = """
            const WebSocket = require('ws');
            const socket = new WebSocket('ws://127.0.0.1:' + process.argv[1]);
            const send = (message) => socket.send(JSON.stringify(message));
            socket.on('open', () => send({command: 'createSession', requestId: 0, producer: 'ao'}));
            socket.on('message', (data, isBinary) => {
              if (isBinary) { console.log(data.length); return socket.close(1000); }
              const answer = JSON.parse(data);
              if (answer.command === 'createSession') {
                send({command: 'createExecution', sessionName: answer.name, parallel: 2,
                      update: {width: 32, height: 32}, binary: true});
              } else {
                console.log(answer.bytes);
              }
            });
            socket.on('close', (code) => console.log(code));
        """
        done = subprocess.run(["node", "-e", script, str(self.master.ws)], capture_output=True,
                              text=True, timeout=DEADLINE, check=True,
                              env={**os.environ, "NODE_PATH": "/usr/share/nodejs"})
        announced, came, code = done.stdout.split()
        self.assertEqual(announced, came)
        self.assertEqual(code, "1000")


if __name__ == "__main__":
    unittest.main()
