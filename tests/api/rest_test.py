#!/usr/bin/env python3
"""The REST API as clients of the original use it, and what was added to it."""

import os
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import openapi
from harness import SQUARE_OBJ, Server, SystemTest, connect, fewer, needs_meshes, png_size, wait_until

SMALL = {"width": 64, "height": 48}


class Rest(SystemTest):
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

    def test_first_picture(self):
        answer = self.master.get("/")
        self.assertEqual(answer.status, 200, answer.body[:200])
        self.assertEqual(answer.type, "image/jpeg")
        self.assertEqual(answer.body[:2], b"\xff\xd8")
        self.assertEqual(answer.body[-2:], b"\xff\xd9")
        self.assertGreater(len(answer.body), 1000)

    def test_parallel_picture(self):
        parallel = fewer(16)
        answer = self.master.get(f"/?parallel={parallel}")
        self.assertEqual((answer.status, answer.type), (200, "image/jpeg"))
        # The same picture each time: same scene, parallel and seed.
        self.assertEqual(self.master.get(f"/?parallel={parallel}").body, answer.body)
        self.assertNotEqual(self.master.get(f"/?parallel={parallel - 1}").body, answer.body)

    def test_the_demo_leaves_no_session(self):
        self.master.get("/?parallel=2&format=png")
        wait_until("the demo's work is gone", lambda: self.idle(self.master))

    def idle(self, server):
        info = server.get("/info").json()
        return info["runningTasks"] == 0 and info["pendingShares"] == 0

    def test_head(self):
        answer = self.master.request("HEAD", "/")
        self.assertEqual((answer.status, answer.type, answer.body), (200, "image/jpeg", b""))
        answer = self.master.request("HEAD", "/info")
        self.assertEqual((answer.status, answer.body), (200, b""))

    def test_info(self):
        info = self.master.get("/info").json()
        self.assertEqual(info["instanceType"], "local")
        self.assertEqual(info["instanceManagerType"], "static")
        self.assertEqual(info["staticInstanceSize"], 2)
        self.assertEqual(info["schedulerType"], "queue")
        self.assertGreaterEqual(info["workers"], 1)

    def test_health(self):
        self.assertEqual(self.master.get("/healthz").json(), {"status": "ok"})
        self.assertEqual(self.master.get("/readyz").json(), {"status": "ok"})

    def test_session_as_the_original_answers_it(self):
        created = self.master.post("/sessions", {
            "command": "createSession", "responseId": 1, "producer": "ao", "reducer": "jpg"})
        self.assertEqual(created.status, 201)
        session = created.json()
        name = session["name"]
        self.assertEqual(
            session,
            {"name": name, "resources": [], "producer": "ao", "format": "jpg",
             "cachedWorkers": [], "executionNames": [], "updates": [], "userName": "",
             "tokens": {}, "running": False})
        self.assertEqual(self.master.get(f"/sessions/{name}").json(), session)
        deleted = self.master.request("DELETE", f"/sessions/{name}")
        self.assertEqual((deleted.status, deleted.json()), (200, {"success": True}))
        self.assert_refused(self.master.get(f"/sessions/{name}"), 404)
        self.assert_refused(self.master.request("DELETE", f"/sessions/{name}"), 404)

    def test_execution_as_the_original_answers_it(self):
        name = self.master.new_session()
        # Clients repeat the session's name in the body.
        created = self.master.post(f"/sessions/{name}/executions",
                                   {"sessionName": name, "parallel": 3, "update": {"width": 64}})
        self.assertEqual(created.status, 201)
        execution = created.json()
        self.assertEqual(execution["sessionName"], name)
        self.assertIs(execution["finished"], False)
        self.assertEqual(set(execution["time"]), {"fetching", "producing", "reducing", "total"})
        # They poll with the object that they were given.
        path = f"/sessions/{execution['sessionName']}/executions/{execution['name']}"
        wait_until("the execution has finished", lambda: self.master.get(path).json()["finished"])
        done = self.master.get(path).json()
        self.assertEqual((done["progress"], done["state"], done["name"]),
                         (3, "finished", execution["name"]))
        self.assertNotIn("error", done)
        for part in done["time"].values():
            self.assertIsInstance(part, int)
        self.assertGreaterEqual(done["time"]["total"], 0)
        result = self.master.get(f"{path}/result")
        self.assertEqual((result.status, result.type), (200, "image/png"))
        session = self.master.get(f"/sessions/{name}").json()
        self.assertEqual(session["executionNames"], [execution["name"]])
        self.assertEqual(session["updates"], [{"width": 64}])
        self.assertIs(session["running"], False)
        wait_until("workers say that they hold the session",
                   lambda: self.master.get(f"/sessions/{name}").json()["cachedWorkers"])

    def test_block(self):
        name = self.master.new_session(format="exr")
        path = f"/sessions/{name}/executions"
        pictures = [self.master.post(f"{path}?{block}", {"parallel": 2, "update": SMALL})
                    for block in ("block=true", "block=false", "block=1", "block")]
        for picture in pictures:
            self.assertEqual((picture.status, picture.type), (200, "image/x-exr"))
            self.assertEqual(picture.body, pictures[0].body)
        session = self.master.post("/sessions?block=true", {"producer": "ao", "format": "png"})
        self.assertEqual((session.status, session.type), (200, "image/png"))
        self.assertEqual(png_size(session.body), (256, 256))
        wide = self.master.post("/sessions?block=true",
                                {"producer": "ao", "parallel": 2, "update": {"height": 32}})
        self.assertEqual(png_size(wide.body), (256, 32))

    def test_seeds_differ_and_repeat(self):
        name = self.master.new_session(format="exr")
        path = f"/sessions/{name}/executions?block=true"
        first, second, again = (
            self.master.post(path, {"parallel": 2, "seed": seed, "update": SMALL}).body
            for seed in (0, 1, 0))
        self.assertEqual(first, again)
        self.assertNotEqual(first, second)

    def test_executions_are_pinned_to_their_updates(self):
        name = self.master.new_session()
        sizes = [(32 + 8 * i, 16 + 4 * i) for i in range(8)]
        names = []
        for width, height in sizes:  # all of them run at once
            answer = self.master.post(f"/sessions/{name}/executions",
                                      {"parallel": 8, "update": {"width": width,
                                                                 "height": height}})
            self.assertEqual(answer.status, 201, answer.body)
            names.append(answer.json()["name"])
        for execution, size in zip(names, sizes):
            path = f"/sessions/{name}/executions/{execution}"
            wait_until("the execution has finished", lambda p=path: self.master.get(p).json()["finished"])
            self.assertEqual(png_size(self.master.get(f"{path}/result").body), size)
        # Updates stay for later executions.
        last = self.master.post(f"/sessions/{name}/executions?block=true", {"parallel": 1})
        self.assertEqual(png_size(last.body), sizes[-1])

    def test_clients_at_the_same_time(self):
        pictures = {}

        def ask(i):
            pictures[i] = self.master.get(f"/?parallel={1 + i % 3}&format=png").body

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(fewer(12))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(pictures), len(threads))
        for i, picture in pictures.items():
            self.assertEqual(picture, pictures[i % 3])

    def test_cancel(self):
        name = self.master.new_session()
        answer = self.master.post(f"/sessions/{name}/executions", {"parallel": 20000})
        execution = answer.json()["name"]
        path = f"/sessions/{name}/executions/{execution}"
        self.assert_refused(self.master.get(f"{path}/result"), 409)
        cancelled = self.master.request("DELETE", path)
        self.assertEqual((cancelled.status, cancelled.json()), (200, {"success": True}))
        wait_until("it has ended", lambda: self.master.get(path).json()["finished"])
        info = self.master.get(path).json()
        self.assertEqual(info["state"], "cancelled")
        self.assertIn("error", info)
        self.assert_refused(self.master.get(f"{path}/result"), 409)
        self.assertEqual(self.master.get(f"/sessions/{name}").json()["executionNames"], [execution])
        # Once more, as old clients do: nothing runs, and that is fine.
        self.assertEqual(self.master.request("DELETE", path).json(), {"success": True})

    def test_lists_in_pages(self):
        names = [self.master.new_session() for _ in range(3)]
        listed = []
        path = "/sessions?limit=2"
        while path:
            page = self.master.get(path).json()
            self.assertLessEqual(len(page["sessions"]), 2)
            listed += [session["name"] for session in page["sessions"]]
            path = f"/sessions?limit=2&after={page['next']}" if "next" in page else None
        self.assertEqual([name for name in listed if name in names], names)
        for query in ("limit=0", "limit=1001", "limit=x", "after=x"):
            self.assert_refused(self.master.get(f"/sessions?{query}"), 400, query.split("=")[0])

        executions = f"/sessions/{names[0]}/executions"
        made = [self.master.post(executions, {"parallel": 1}).json()["name"] for _ in range(3)]
        first = self.master.get(f"{executions}?limit=2").json()
        second = self.master.get(f"{executions}?limit=2&after={first['next']}").json()
        self.assertEqual([e["name"] for e in first["executions"] + second["executions"]], made)
        self.assertNotIn("next", second)
        self.assert_refused(self.master.get("/sessions/nothing/executions"), 404)

    def test_workers_are_listed(self):
        workers = self.master.get("/workers").json()["workers"]
        self.assertTrue(workers)
        for worker in workers:
            self.assertRegex(worker["name"], r"^worker-\d+$")
        server = self.server(workers=3)
        wait_until("all have joined", lambda: server.get("/info").json()["workers"] == 3)
        names = [worker["name"] for worker in server.get("/workers").json()["workers"]]
        first = server.get("/workers?limit=2").json()
        second = server.get(f"/workers?limit=2&after={first['next']}").json()
        self.assertEqual([w["name"] for w in first["workers"] + second["workers"]], names)
        self.assertNotIn("next", second)
        for query in ("limit=0", "limit=1001", "after=x"):
            self.assert_refused(server.get(f"/workers?{query}"), 400, query.split("=")[0])

    def test_requests_that_are_repeated(self):
        key = {"Idempotency-Key": "one"}
        first = self.master.post("/sessions", {"producer": "ao"}, headers=key).json()
        again = self.master.post("/sessions", {"producer": "ao"}, headers=key).json()
        self.assertEqual(again["name"], first["name"])
        path = f"/sessions/{first['name']}/executions"
        execution = self.master.post(path, {"parallel": 2}, headers=key).json()
        picture = self.master.post(f"{path}?block", {"parallel": 2}, headers=key)
        self.assertEqual(picture.body,
                         self.master.get(f"{path}/{execution['name']}/result").body)
        self.assertEqual(len(self.master.get(path).json()["executions"]), 1)
        for wrong in ("", "x" * 256):
            self.assert_refused(self.master.post("/sessions", {"producer": "ao"},
                                                 headers={"Idempotency-Key": wrong}),
                                400, "Idempotency-Key")

    def test_a_repeated_request_that_fails_leaves_what_was_there(self):
        key = {"Idempotency-Key": "first without a picture"}
        made = self.master.post("/sessions", {"producer": "ao"}, headers=key).json()["name"]
        broken = {"producer": "ao", "update": {"width": -1}}
        self.assert_refused(self.master.post("/sessions?block", broken, headers=key),
                            400, "width")
        self.assertEqual(self.master.get(f"/sessions/{made}").status, 200)
        # What the refused request itself made is gone, with a key or without.
        before = self.names_of_sessions()
        for headers in ({}, {"Idempotency-Key": "another"}):
            self.assert_refused(self.master.post("/sessions?block", broken, headers=headers),
                                400, "width")
        self.assertEqual(self.names_of_sessions(), before)

    def names_of_sessions(self):
        page = self.master.get("/sessions?limit=1000").json()
        return [session["name"] for session in page["sessions"]]

    def test_the_document_of_this_api(self):
        served = self.master.get("/openapi.json").json()
        self.assertEqual(served, openapi.load("openapi.yaml"))

    def test_a_failure_leaves_a_session_that_can_be_used(self):
        """The original left `finished` false and the session `running` for ever."""
        server = self.server("--max-losses", "1", workers=1)
        name = server.new_session()
        path = f"/sessions/{name}/executions"
        execution = server.post(path, {"parallel": 60000, "update": SMALL}).json()["name"]
        wait_until("it renders", lambda: server.get("/info").json()["runningTasks"])
        self.assertTrue(server.get(f"/sessions/{name}").json()["running"])
        os.kill(server.worker_pids()[0], signal.SIGKILL)
        wait_until("it has ended",
                   lambda: server.get(f"{path}/{execution}").json()["finished"])
        info = server.get(f"{path}/{execution}").json()
        self.assertEqual(info["state"], "failed")
        self.assertTrue(info["error"])
        self.assertIs(server.get(f"/sessions/{name}").json()["running"], False)
        self.assert_refused(server.get(f"{path}/{execution}/result"), 500)
        picture = server.post(f"{path}?block", {"parallel": 2})
        self.assertEqual((picture.status, png_size(picture.body)), (200, (64, 48)))
        self.assertIs(server.get(f"/sessions/{name}").json()["running"], False)

    def test_delete_removes_the_picture(self):
        name = self.master.new_session()
        picture = self.master.post(f"/sessions/{name}/executions?block",
                                   {"parallel": 1, "update": SMALL, "seed": 20070})
        kept = [path for path in self.files_of(self.master) if self.content(path) == picture.body]
        self.assertEqual(len(kept), 1)
        self.master.request("DELETE", f"/sessions/{name}")
        wait_until("its file is gone", lambda: not os.path.exists(kept[0]))

    def files_of(self, server):
        paths = [os.path.join(place, file)
                 for place, _, files in os.walk(server.data) for file in files]
        return [path for path in paths if os.path.isfile(path)]  # and no FIFO

    def content(self, path):
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:  # the master and its workers go on meanwhile
            return None

    def test_delete_of_a_running_session(self):
        name = self.master.new_session()
        self.master.post(f"/sessions/{name}/executions", {"parallel": 20000})
        self.assertEqual(self.master.request("DELETE", f"/sessions/{name}").json(),
                         {"success": True})
        self.assert_refused(self.master.get(f"/sessions/{name}"), 404)
        wait_until("nothing runs", lambda: self.idle(self.master))

    def test_a_client_that_leaves_ends_the_unrecorded_only(self):
        server = self.server()
        leaver = connect(server.rest)
        leaver.sendall(b"GET /?parallel=60000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until("it renders", lambda: server.get("/info").json()["runningTasks"])
        leaver.close()
        wait_until("nothing runs", lambda: self.idle(server))

        name = server.new_session()
        body = b'{"parallel": 60000}'
        leaver = connect(server.rest)
        leaver.sendall(b"POST /sessions/%s/executions?block=true HTTP/1.1\r\nHost: localhost\r\n"
                       b"Content-Length: %d\r\n\r\n%s" % (name.encode(), len(body), body))
        execution = wait_until("it is listed",
                               lambda: server.get(f"/sessions/{name}").json()["executionNames"])[0]
        path = f"/sessions/{name}/executions/{execution}"
        wait_until("it renders", lambda: server.get(path).json()["progress"])
        leaver.close()
        before = server.get(path).json()["progress"]
        wait_until("it goes on", lambda: server.get(path).json()["progress"] > before + fewer(20))
        self.assertEqual(server.get(path).json()["state"], "running")
        server.request("DELETE", f"/sessions/{name}")
        self.assert_stops_clean(server)


@needs_meshes
class Meshes(SystemTest):
    def test_upload_and_render(self):
        server = self.server()
        identity = server.upload(SQUARE_OBJ)
        self.assertRegex(identity, r"\Asha256:[0-9a-f]{64}\Z")
        self.assertEqual(server.upload(SQUARE_OBJ), identity)
        resource = {"type": "upload", "id": identity, "dst": "models/square.obj"}
        session = server.post("/sessions", {"producer": "ao", "resources": [resource]})
        self.assertEqual(session.status, 201, session.body)
        self.assertEqual(session.json()["resources"], [resource])
        name = session.json()["name"]
        picture = server.post(f"/sessions/{name}/executions?block=true",
                              {"parallel": 4, "update": {"width": 64, "height": 64}})
        self.assertEqual((picture.status, picture.type), (200, "image/png"), picture.body[:300])
        self.assertEqual(png_size(picture.body), (64, 64))
        scene = server.post("/sessions?block=true",
                            {"producer": "ao", "parallel": 4,
                             "update": {"width": 64, "height": 64}})
        self.assertNotEqual(scene.body, picture.body)
        self.assert_stops_clean(server)

    def test_streamed_upload(self):
        server = self.server(workers=1)
        pieces = [bytes([i]) * 70_000 for i in range(20)]
        whole = server.upload(b"".join(pieces))
        chunked = server.request("PUT", "/resources", body=iter(pieces))
        self.assertEqual(chunked.json(), {"id": whole})


if __name__ == "__main__":
    unittest.main()
