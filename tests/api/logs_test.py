#!/usr/bin/env python3
"""What is logged, as clients see it: GET /logs, subscribe, lastFailure."""

import json
import os
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

from harness import SystemTest, wait_until
from websocket_client import ENDLESS, Client, WebSocketTest, steps

KEY = "k" * 40


def texts(answer):
    return [record["text"] for record in answer.json()["logs"]]


def lose_a_task(server):
    """An execution that runs, a task of which was lost with its worker."""
    session = server.new_session()
    name = server.post(f"/sessions/{session}/executions", ENDLESS).json()["name"]
    path = f"/sessions/{session}/executions/{name}"
    # Ready is a server with its first worker: whom we kill shall have a task to lose.
    wait_until("both workers work", lambda: 2 == sum(
        w["busySlots"] for w in server.get("/workers").json()["workers"]))
    os.kill(server.worker_pids()[0], signal.SIGKILL)
    wait_until("a task was lost", lambda: "lastFailure" in server.get(path).json())
    return session, name


class LogsTest(SystemTest):
    def test_pages(self):
        server = self.server()
        wait_until("both have joined", lambda: 2 == sum(
            "joined with" in text for text in texts(server.get("/logs?limit=1000"))))
        everything = server.get("/logs?limit=1000&after=0").json()
        self.assertEqual(everything["dropped"], 0)
        numbers = [record["number"] for record in everything["logs"]]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        self.assertEqual(everything["next"], str(numbers[-1]))

        read, after = [], "0"
        while True:
            page = server.get(f"/logs?limit=1&after={after}").json()
            if not page["logs"]:
                break
            read += page["logs"]
            after = page["next"]
        self.assertEqual(read[:len(numbers)], everything["logs"])
        newest = server.get("/logs?limit=2").json()["logs"]
        self.assertEqual(len(newest), 2)
        self.assertGreaterEqual(newest[-1]["number"], numbers[-1])  # more may have come
        first = newest[0]["number"] - numbers[0]
        everything = server.get("/logs?limit=1000&after=0").json()
        self.assertEqual(newest, everything["logs"][first:first + 2])

    def test_what_a_worker_logs_is_told_once_with_its_name(self):
        server = self.server()
        mine = wait_until("worker-1 has logged", lambda: server.get(
            "/logs?worker=worker-1&limit=1000").json()["logs"])
        for record in mine:
            self.assertEqual(record["worker"], "worker-1")
        joined = [record for record in mine if "joined the master" in record["text"]]
        self.assertEqual(len(joined), 1, mine)
        # The same on standard error, and there once as well.
        self.assertEqual(server.log().count("worker-1: worker worker-1 joined the master"), 1)

    def test_a_worker_that_dials_in_sends_its_log(self):
        server = self.server("--ping-period", "0.1", instance_type="static", workers=0,
                             FRANCINE_CLUSTER_SECRET="a secret of tests")
        self.program("worker", "--port", str(server.rpc), "--name", "ann",
                     FRANCINE_CLUSTER_SECRET="a secret of tests")
        records = wait_until("ann has logged", lambda: server.get(
            "/logs?worker=ann&wait=5").json()["logs"])
        self.assertIn("joined the master", records[0]["text"])
        self.assertIn("ann: worker ann joined the master", server.log())

    def test_what_an_execution_lost(self):
        server = self.server()
        session, name = lose_a_task(server)
        other = server.new_session()
        execution = server.get(f"/sessions/{session}/executions/{name}").json()
        failure = execution["lastFailure"]
        self.assertIn("worker-", failure["worker"])
        self.assertIn(failure["worker"], failure["reason"])
        self.assertIn("lost", failure["logs"][-1]["text"])
        self.assertEqual((failure["task"], failure["time"]),
                         (failure["logs"][-1]["task"], failure["logs"][-1]["time"]))
        # What is logged of the execution later is not of this failure.
        answer = server.request("DELETE", f"/sessions/{session}/executions/{name}")
        self.assertEqual(answer.status, 200)
        wait_until("it is logged", lambda: "cancelled" in texts(
            server.get(f"/logs?execution={name}"))[-1])
        again = server.get(f"/sessions/{session}/executions/{name}").json()["lastFailure"]
        self.assertEqual(again, failure)
        for query in (f"execution={name}", f"session={session}",
                      f"execution={name}&session={session}&worker={failure['worker']}"):
            records = server.get(f"/logs?{query}").json()["logs"]
            self.assertTrue(records, query)
            for record in records:
                self.assertEqual((record["execution"], record["session"]), (name, session))
        task = failure["task"]
        self.assertEqual(server.get(f"/logs?task={task}").json()["logs"],
                         server.get(f"/logs?task={task}&execution={name}").json()["logs"])
        of_task = server.get(f"/logs?task={task}").json()["logs"]
        self.assertIn("lost", of_task[-1]["text"])
        self.assertEqual({record["task"] for record in of_task}, {task})
        for query in (f"execution={name}&session={other}", f"session={other}",
                      f"task={task}&session={other}", f"task={task + 1000}",
                      f"execution={name}&level=error", "worker=nobody"):
            self.assertEqual(server.get(f"/logs?{query}").json()["logs"], [], query)
        listed = server.get(f"/sessions/{session}/executions").json()["executions"][0]
        self.assertNotIn("lastFailure", listed)

    def test_waiting_for_something_new(self):
        server = self.server("--ping-period", "0.2")
        after = server.get("/logs").json()["next"]
        answers = []

        def wait():
            answers.append(server.get(f"/logs?after={after}&worker=worker-3&wait=30").json())
        waiting = threading.Thread(target=wait)
        waiting.start()
        os.kill(server.worker_pids()[0], signal.SIGKILL)  # another is started
        waiting.join()
        self.assertEqual(answers[0]["logs"][0]["worker"], "worker-3")
        none = server.get("/logs?worker=nobody&wait=1").json()
        self.assertEqual(none["logs"], [])
        self.assertGreaterEqual(int(none["next"]), int(after))

    def test_wrong_queries(self):
        server = self.server(workers=1)
        for query, word in (("level=loud", "level"), ("after=-1", "after"), ("after=x", "after"),
                            ("limit=0", "limit"), ("limit=1001", "limit"), ("wait=31", "wait"),
                            ("wait=0.5", "wait"), ("task=0", "task"), ("task=x", "task"),
                            ("task=-7", "task"), ("after=99999999999999999999", "after")):
            self.assert_refused(server.get(f"/logs?{query}"), 400, word)
        self.assertEqual(server.get("/logs?execution=%00&level=error").status, 200)

    def test_owners_see_what_is_theirs(self):
        config = os.path.join(self.directory(), "config")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"users": {"anna": "a", "bert": "b", "root": "r"}, "admins": ["root"],
                       "privateKey": KEY}, file)
        os.chmod(config, 0o600)
        server = self.server("--config", config)

        def headers(user):
            answer = server.post("/auth", {"userName": user, "password": user[0]})
            return {"X-API-Token": answer.json()["authToken"]}
        anna, bert, root = map(headers, ("anna", "bert", "root"))
        self.assert_refused(server.get("/logs"), 401)
        answer = server.post("/sessions", {"producer": "ao"}, headers=anna)
        session = answer.json()["name"]
        name = server.post(f"/sessions/{session}/executions", ENDLESS, headers=anna).json()["name"]
        answer = server.request("DELETE", f"/sessions/{session}/executions/{name}", headers=anna)
        self.assertEqual(answer.status, 200)
        found = wait_until("it is logged", lambda: server.get(
            f"/logs?execution={name}", headers=anna).json()["logs"])
        self.assertIn("cancelled", found[-1]["text"])
        own = server.get("/logs", headers=anna).json()["logs"]
        self.assertEqual({record["session"] for record in own}, {session})
        for query in ("", f"?execution={name}", f"?session={session}", "?worker=worker-1"):
            self.assertEqual(server.get(f"/logs{query}", headers=bert).json()["logs"], [], query)
        self.assertIn("joined with", "".join(texts(server.get("/logs?limit=1000", headers=root))))
        self.assertTrue(server.get(f"/logs?execution={name}", headers=root).json()["logs"])


class SubscribeTest(WebSocketTest):
    @steps
    async def test_what_is_logged_comes(self):
        server = self.server()
        async with Client(server) as client:
            self.assertTrue((await client.ask("subscribe", requestId=1, logs=True, after="0",
                                              workerName="worker-1"))["success"])
            first = await client.read()
            self.assertEqual((first["command"], first["requestId"]), ("log", 1))
            self.assertEqual(first["logs"][0]["worker"], "worker-1")

            session = await client.new_session()
            await client.send("subscribe", requestId=2, logs=True, sessionName=session)
            await client.read_until(lambda m: m.get("requestId") == 2)
            await client.send("createExecution", requestId=3, sessionName=session,
                              parallel=1, update={"width": 16, "height": 16})
            record = await client.read_until(lambda m: m["command"] == "log")
            self.assertEqual((record["requestId"], record["logs"][0]["session"]), (2, session))

            ended = await client.read_until_answer("unsubscribe", requestId=2)
            self.assertTrue(ended["success"])
            self.assertIn("no subscription",
                          (await client.read_until_answer("unsubscribe", requestId=2))["error"])

    @steps
    async def test_the_log_of_a_task(self):
        server = self.server()
        _, name = lose_a_task(server)
        records = server.get(f"/logs?execution={name}").json()["logs"]
        task = [record["task"] for record in records if "was lost" in record["text"]][0]
        async with Client(server) as client:
            self.assertTrue((await client.ask("subscribe", requestId=1, logs=True, after="0",
                                              task=task))["success"])
            heard = await client.read()
            self.assertEqual({record["task"] for record in heard["logs"]}, {task})

    @steps
    async def test_progress_can_be_unsubscribed(self):
        server = self.server()
        async with Client(server) as client:
            session = await client.new_session()
            name = server.post(f"/sessions/{session}/executions", ENDLESS).json()["name"]
            await client.ask("subscribe", requestId=7, executionName=name)
            self.assertTrue(
                (await client.read_until_answer("unsubscribe", requestId=7))["success"])

    @steps
    async def test_wrong_subscriptions(self):
        server = self.server(workers=1)
        async with Client(server) as client:
            for members in ({"logs": 1}, {"logs": True, "level": "loud"},
                            {"logs": True, "after": 5}, {"logs": True, "after": "x"},
                            {"logs": True, "workerName": 7}, {"logs": True, "task": "7"},
                            {"logs": True, "task": 0}, {"logs": True, "task": 1.5}):
                self.assertIn("error", await client.ask("subscribe", **members), members)
            for _ in range(16):
                await client.ask("subscribe", logs=True, workerName="nobody")
            self.assertIn("bounded", (await client.ask("subscribe", logs=True))["error"])


if __name__ == "__main__":
    unittest.main()
