#!/usr/bin/env python3
"""Starts that cannot work, stops that leave nothing, and workers of other origin."""

import os
import resource
import shutil
import signal
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import (SERVER, SLOWNESS, SystemTest, connect, fewer, marked_processes,
                     read_until_closed, wait_for_end, wait_until)

LONG = {"parallel": 60000}
SECRET = "0123456789abcdef0123456789abcdef"


class Starts(SystemTest):
    def assert_does_not_start(self, code, *arguments, words=(), **more):
        program = self.program("--rest-port", "0", "--ws-port", "0", "--port", "0", *arguments, **more)
        self.assertEqual(program.wait(), code, program.log())
        self.assertEqual(program.read_line(), "")
        for word in words:
            self.assertIn(word, program.log())
        self.assertEqual(marked_processes(program.mark), [])

    def taken_port(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        return str(listener.getsockname()[1])

    def test_ports_in_use(self):
        for flag in ("--rest-port", "--ws-port", "--port", "--resource-port"):
            with self.subTest(flag):
                port = self.taken_port()
                self.assert_does_not_start(1, flag, port, words=[port, "in use"])

    def test_directory_not_writable(self):
        file = os.path.join(self.directory(), "file")
        with open(file, "w", encoding="utf-8"):
            pass
        self.assert_does_not_start(1, "--data-dir", f"{file}/data", words=[file])
        self.assert_does_not_start(1, "--data-dir", "/proc/francine", words=["/proc/francine"])

    def test_workers_that_fail_at_once(self):
        data = self.directory()
        # Where workers would make their directories.
        with open(os.path.join(data, "workers"), "w", encoding="utf-8"):
            pass
        self.assert_does_not_start(1, "--data-dir", data, words=["worker"])

    def test_no_worker_can_start(self):
        # A copy of the program that is gone when it wants to start workers. It waits
        # for its configuration, which comes through a pipe.
        directory = self.directory()
        copy = os.path.join(directory, "francine-server")
        shutil.copy(SERVER, copy)
        pipe = os.path.join(directory, "config")
        os.mkfifo(pipe)
        program = self.program("--config", pipe, "--rest-port", "0", "--ws-port", "0", "--port", "0",
                               program=copy)
        os.unlink(copy)
        with open(pipe, "w", encoding="utf-8") as config:
            config.write("{}")
        self.assertNotEqual(program.wait(), 0, program.log())
        self.assertIn(copy, program.log())
        self.assertEqual(marked_processes(program.mark), [])

    def test_configuration(self):
        file = os.path.join(self.directory(), "rc")
        with open(file, "w", encoding="utf-8") as config:
            config.write('{\n"restPort": "3000"}')
        self.assert_does_not_start(2, "--config", file, words=[f"{file}:2", "restPort"])
        self.assert_does_not_start(2, "--rest-prot", "1", words=["--rest-port"])
        self.assert_does_not_start(2, "--bind-address", "0.0.0.0", words=["bindAddress"])
        self.assert_does_not_start(2, "--instance-type", "static", words=["clusterSecret"])
        self.assert_does_not_start(2, "--config", f"{file}-missing", words=["missing"])

    def test_help_and_version(self):
        for arguments, word in ((["--help"], "--rest-port"), (["--version"], "francine-server"),
                                (["worker", "--help"], "--master-host")):
            program = self.program(*arguments)
            output = program.process.stdout.read().decode()
            self.assertEqual((program.wait(), word in output), (0, True), output)


class Stops(SystemTest):
    def test_as_many_open_files_as_the_system_permits(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, hard), hard))
        try:
            server = self.server()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for pid in [server.pid, *server.worker_pids()]:
            self.assertEqual(resource.prlimit(pid, resource.RLIMIT_NOFILE), (hard, hard))

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                server = self.server()
                server.get("/")
                self.assert_stops_clean(server, number)

    def test_a_temporary_data_directory_is_removed(self):
        server = self.server("--data-dir", "")
        self.assertNotEqual(os.listdir(server.scratch), [])
        server.get("/")
        self.assert_stops_clean(server)

    def blocked_client(self, server, path, method="GET", body=None):
        """A thread that waits for a picture, and where its answer will be."""
        answers = []
        thread = threading.Thread(
            target=lambda: answers.append(server.request(method, path, body=body)))
        thread.start()
        self.addCleanup(thread.join)
        wait_until("it renders", lambda: server.get("/info").json()["runningTasks"])
        return thread, answers

    def test_a_stop_answers_those_who_wait(self):
        server = self.server("--shutdown-grace", "0.5")
        name = server.new_session()
        thread, answers = self.blocked_client(server, f"/sessions/{name}/executions?block=1",
                                              "POST", LONG)
        self.assert_stops_clean(server)
        thread.join()
        self.assertIn(answers[0].status, (409, 503))
        self.assertTrue(answers[0].error)

    def test_a_stop_lets_requests_end(self):
        server = self.server("--shutdown-grace", "60")
        thread, answers = self.blocked_client(server, f"/?parallel={fewer(60)}")
        self.assert_stops_clean(server)
        thread.join()
        self.assertEqual(answers[0].status, 200, answers[0].body[:200])

    def test_a_second_signal_does_not_wait(self):
        server = self.server("--shutdown-grace", "10000")
        name = server.new_session()
        thread, answers = self.blocked_client(server, f"/sessions/{name}/executions?block=1",
                                              "POST", LONG)
        server.process.send_signal(signal.SIGTERM)
        wait_until("it stops", lambda: "stopping" in server.log())
        self.assert_stops_clean(server)
        thread.join()
        self.assertIn(answers[0].status, (409, 503))

    def test_no_new_connections_while_stopping(self):
        server = self.server("--shutdown-grace", "10000")
        self.blocked_client(server, "/?parallel=60000")
        server.process.send_signal(signal.SIGTERM)

        def refused():
            try:
                connect(server.rest).close()
                return False
            except OSError:
                return True

        wait_until("the port is closed", refused)
        self.assert_stops_clean(server)

    def test_workers_end_with_a_killed_master_whose_directory_is_temporary(self):
        server = self.server("--data-dir", "")
        workers = server.worker_pids()
        self.assertEqual(len(workers), 2)
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        for pid in workers:
            wait_for_end(pid)

    def test_a_killed_worker_is_replaced(self):
        server = self.server()
        wait_until("all have joined", lambda: server.get("/info").json()["workers"] == 2)
        before = server.worker_pids()
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until("two others have joined",
                   lambda: server.get("/info").json()["workers"] == 2 and
                   len(set(server.worker_pids()) - set(before)) == 2, 30)
        self.assertEqual(server.get("/?parallel=4").status, 200)
        self.assert_stops_clean(server)


class WorkersThatDialIn(SystemTest):
    def worker(self, server, secret=SECRET, *flags):
        return self.program("worker", "--port", str(server.rpc), "--slots", "1", *flags,
                            TMPDIR=server.scratch, FRANCINE_CLUSTER_SECRET=secret)

    def master(self, *flags):
        return self.server("--instance-type", "static", *flags, FRANCINE_CLUSTER_SECRET=SECRET)

    def test_they_render(self):
        server = self.master()
        self.assertEqual(server.workers, 0)
        self.assert_refused(server.get("/readyz"), 503, "worker")
        workers = [self.worker(server), self.worker(server)]
        wait_until("both have joined", lambda: server.get("/info").json()["workers"] == 2)
        self.assertEqual(server.get("/readyz").status, 200)
        self.assertEqual(server.get("/?parallel=8").status, 200)
        workers[0].process.send_signal(signal.SIGTERM)
        self.assertEqual(workers[0].wait(), 0, workers[0].log())
        wait_until("one has left", lambda: server.get("/info").json()["workers"] == 1)
        self.assertEqual(server.get("/?parallel=8").status, 200)

    def test_work_waits_for_a_worker(self):
        server = self.master()
        name = server.new_session()
        execution = server.post(f"/sessions/{name}/executions", {"parallel": 4}).json()["name"]
        path = f"/sessions/{name}/executions/{execution}"
        self.assertIs(server.get(path).json()["finished"], False)
        self.worker(server)
        wait_until("it has finished", lambda: server.get(path).json()["state"] == "finished")

    def test_the_wrong_secret(self):
        server = self.master()
        wrong = self.worker(server, "fedcba9876543210fedcba9876543210")
        self.assertEqual(wrong.wait(), 1, wrong.log())
        self.assertIn("secret", wrong.log())
        for log in (wrong.log(), server.log()):
            self.assertNotIn(SECRET, log)
            self.assertNotIn("fedcba9876543210", log)
        self.assertEqual(server.get("/info").json()["workers"], 0)
        self.worker(server)
        wait_until("the right one joins", lambda: server.get("/info").json()["workers"] == 1)

    def test_no_secret(self):
        program = self.program("worker")
        self.assertEqual(program.wait(), 2)
        self.assertIn("FRANCINE_CLUSTER_SECRET", program.log())

    def test_the_secret_is_not_in_the_list_of_processes(self):
        server = self.server(FRANCINE_CLUSTER_SECRET=SECRET)
        for pid in [server.pid, *server.worker_pids()]:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
                self.assertNotIn(SECRET, file.read())

    def test_an_orphan_ends(self):
        server = self.master()
        worker = self.worker(server, SECRET, "--orphan-timeout", str(int(300 * SLOWNESS)))
        wait_until("it has joined", lambda: server.get("/info").json()["workers"] == 1)
        os.kill(server.pid, signal.SIGKILL)
        self.assertEqual(worker.wait(), 1, worker.log())
        self.assertIn("no master", worker.log())

    def test_an_unknown_name_and_a_bad_flag(self):
        program = self.program("worker", "--name", "a b", FRANCINE_CLUSTER_SECRET=SECRET)
        self.assertEqual(program.wait(), 2, program.log())
        self.assertIn("name", program.log())


class Garbage(SystemTest):
    """Strangers on every port, while a picture is rendered."""

    def test_nobody_else_notices(self):
        server = self.server()
        path = f"/?parallel={fewer(40)}"
        expected = server.get(path).body
        answers = []
        thread = threading.Thread(target=lambda: answers.append(server.get(path)))
        thread.start()
        self.addCleanup(thread.join)
        junk = bytes(range(256)) * 16
        hello = b'{"jsonrpc":"2.0","id":1,"method":"run","params":{}}'
        for port in (server.rpc, server.resource, server.rest):
            for raw in (junk, b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0" * 5000,
                        len(hello).to_bytes(4, "big") + hello,
                        b"\0\0\x10\0" + b"[" * 4096,
                        b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
                        b"GET /partials/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
                connection = connect(port)
                try:
                    connection.sendall(raw)
                    connection.shutdown(socket.SHUT_WR)
                except OSError:  # closed already
                    pass
                received = read_until_closed(connection)
                self.assertNotIn(b"root:", received)
                connection.close()
        thread.join()
        self.assertEqual(answers[0].body, expected)
        self.assertEqual(server.get("/info").json()["workers"], 2)
        self.assert_stops_clean(server)

    def test_many_silent_connections(self):
        server = self.server()
        silent = [connect(port) for port in (server.rest, server.rpc, server.resource)
                  for _ in range(100)]
        self.assertEqual(server.get("/healthz").status, 200)
        self.assertEqual(server.get("/?parallel=2").status, 200)
        for connection in silent:
            connection.close()
        self.assert_stops_clean(server)


if __name__ == "__main__":
    unittest.main()
