#!/usr/bin/env python3
"""Uploads: whose they are, what costs no transfer, and what goes on after a break."""

import base64
import hashlib
import json
import os
import signal
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import SQUARE_OBJ, Server, SystemTest, connect, read_until_closed, wait_until

TUS = {"Tus-Resumable": "1.0.0"}
LARGE = bytes(range(256)) * 40_000  # some 10 MB


def id_of(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_of(content):
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


class Client:
    """A user of a server, or nobody in particular."""

    def __init__(self, server, user=None, password="p"):
        self.server = server
        self.token = {}
        if user:
            answer = server.post("/auth", {"userName": user, "password": password})
            self.token = {"X-API-Token": answer.json()["authToken"]}

    def request(self, method, path, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.request(method, path, body=body, headers={**self.token, **named})

    def put(self, content, **headers):
        return self.request("PUT", "/resources", content, **headers)

    def begin(self, content, length=None, **headers):
        return self.request("POST", "/resources/uploads", Repr_Digest=digest_of(content),
                            Upload_Length=str(len(content) if length is None else length),
                            **{"Tus_Resumable": "1.0.0", **headers})

    def append(self, content, offset, body, **headers):
        return self.request("PATCH", f"/resources/uploads/{id_of(content)}", body, **{
            "Tus_Resumable": "1.0.0", "Upload_Offset": str(offset),
            "Content_Type": "application/offset+octet-stream", **headers})

    def stands(self, content):
        answer = self.request("HEAD", f"/resources/uploads/{id_of(content)}", Tus_Resumable="1.0.0")
        return int(answer.headers["Upload-Offset"]) if answer.status == 200 else None

    def has(self, content):
        status = self.request("HEAD", f"/resources/{id_of(content)}").status
        assert status in (200, 404), status
        return status == 200

    def session(self, identity):
        resource = {"type": "upload", "id": identity, "dst": "a.txt"}
        return self.request("POST", "/sessions",
                            json.dumps({"producer": "ao", "resources": [resource]}))

    def append_torn(self, content, offset, body):
        """Sends the headers of all that is left, and so much of it; the connection."""
        connection = connect(self.server.rest)
        token = "".join(f"{name}: {value}\r\n" for name, value in self.token.items())
        connection.sendall((
            f"PATCH /resources/uploads/{id_of(content)} HTTP/1.1\r\nHost: localhost\r\n{token}"
            f"Upload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\n"
            f"Content-Length: {len(content) - offset}\r\n\r\n").encode() + body)
        return connection


class UploadsTest(SystemTest):
    def with_users(self, *flags, **more):
        config = os.path.join(self.directory(), "config")
        with open(config, "w", encoding="utf-8") as file:
            json.dump({"users": {"anna": "p", "bert": "p"}, "privateKey": "k" * 40}, file)
        return self.server("--config", config, *flags, workers=1, **more)

    def files_below(self, *parts):
        return [os.path.join(place, name)
                for place, _, names in os.walk(os.path.join(*parts)) for name in names]


class Owners(UploadsTest):
    def test_an_id_that_this_user_never_uploaded_does_not_exist(self):
        server = self.with_users()
        anna, bert = Client(server, "anna"), Client(server, "bert")
        secret, never = b"the scene of anna", b"nobody's scene"
        identity = anna.put(secret).json()["id"]
        self.assertEqual(identity, id_of(secret))
        self.assertEqual(anna.session(identity).status, 201)
        for path in ("/resources/", "/resources/uploads/"):
            there = bert.request("GET", path + identity)
            nowhere = bert.request("GET", path + id_of(never))
            self.assert_refused(there, 404)
            self.assertEqual(there.error.replace(identity[7:], id_of(never)[7:]), nowhere.error)
        refused, of_nothing = bert.session(identity), bert.session(id_of(never))
        self.assert_refused(refused, 400, "has not been uploaded", "resources[0].id")
        self.assertEqual(refused.error.replace(identity, id_of(never)), of_nothing.error)
        known = json.dumps({"ids": [identity, id_of(never)]})
        self.assertEqual(bert.request("POST", "/resources/known", known).json(), {"known": []})
        self.assertEqual(anna.request("POST", "/resources/known", known).json(),
                         {"known": [identity]})
        self.assertEqual(anna.request("GET", f"/resources/{identity}").json(),
                         {"id": identity, "bytes": len(secret)})
        # Once he has sent it himself, it is his as well, and stored once.
        self.assertEqual(bert.put(secret).json()["id"], identity)
        self.assertEqual(bert.session(identity).status, 201)
        stored = [path for path in self.files_below(server.data, "resources")
                  if os.path.basename(path) == identity[7:]]
        self.assertEqual(len(stored), 1)

    def test_whose_it_is_survives_a_restart(self):
        server = self.with_users()
        Client(server, "anna").put(SQUARE_OBJ)
        server.process.kill()
        server.process.wait()
        again = self.with_users(earlier=server)
        self.assertTrue(Client(again, "anna").has(SQUARE_OBJ))
        self.assertFalse(Client(again, "bert").has(SQUARE_OBJ))
        self.assertEqual(Client(again, "bert").session(id_of(SQUARE_OBJ)).status, 400)
        self.assertEqual(Client(again, "anna").session(id_of(SQUARE_OBJ)).status, 201)

    def test_those_used_longest_ago_are_to_be_uploaded_again(self):
        server = self.with_users("--max-uploads-per-user", "3")
        anna, bert = Client(server, "anna"), Client(server, "bert")
        bert.put(b"0")
        for i in range(5):
            anna.put(str(i).encode())
        self.assertEqual(sum(anna.has(str(i).encode()) for i in range(5)), 3)
        self.assertTrue(anna.has(b"4"))
        self.assertTrue(bert.has(b"0"))


class Content(UploadsTest):
    @classmethod
    def setUpClass(cls):
        cls.shared = Server(workers=1)
        cls.addClassCleanup(cls.shared.close)

    def setUp(self):
        self.client = Client(self.shared)

    def test_a_wrong_digest(self):
        refused = self.client.put(b"that", Repr_Digest=digest_of(b"this"))
        self.assert_refused(refused, 400, "SHA-256")
        self.assertFalse(self.client.has(b"that"))
        self.assertEqual(self.client.put(b"that", Repr_Digest=digest_of(b"that")).status, 201)
        several = f"sha-512=:AAAA:, {digest_of(b'those')}"
        self.assertEqual(self.client.put(b"those", Repr_Digest=several).status, 201)
        for broken in ("", "sha-512=:AAAA:", "sha-256=:AAAA:", digest_of(b"x")[:-1],
                       digest_of(b"x").replace("=:", "="), "x" + digest_of(b"x")):
            self.assert_refused(self.client.put(b"x", Repr_Digest=broken), 400, "Repr-Digest")
        self.assertFalse(self.client.has(b"x"))

    def test_what_is_known(self):
        ids = [self.client.put(str(i).encode()).json()["id"] for i in range(3)]
        asked = {"ids": [ids[2], id_of(b"never"), ids[0]]}
        answer = self.client.request("POST", "/resources/known", json.dumps(asked))
        self.assertEqual(answer.json(), {"known": [ids[2], ids[0]]})
        for body, words in [({}, "missing"), ({"ids": "x"}, "array"), ({"ids": [1]}, "ids[0]"),
                            ({"ids": ["x"]}, "sha256:"), ({"ids": ids * 4000}, "10000")]:
            self.assert_refused(self.client.request("POST", "/resources/known", json.dumps(body)),
                                400, words)
        self.assert_refused(self.client.request("GET", "/resources/x"), 400, "sha256:")

    def test_an_upload_in_parts(self):
        content = b"in parts" * 1000
        begun = self.client.begin(content)
        self.assertEqual((begun.status, begun.json()),
                         (201, {"id": id_of(content), "offset": 0, "bytes": len(content)}))
        self.assertEqual(begun.headers["Location"], f"/resources/uploads/{id_of(content)}")
        self.assertEqual(begun.headers["Tus-Resumable"], "1.0.0")
        part = self.client.append(content, 0, content[:3000])
        self.assertEqual((part.status, part.body, part.headers["Upload-Offset"]),
                         (204, b"", "3000"))
        self.assertFalse(self.client.has(content))
        self.assertEqual(self.client.session(id_of(content)).status, 400)
        stands = self.client.request("GET", f"/resources/uploads/{id_of(content)}")
        self.assertEqual((stands.json()["offset"], stands.headers["Upload-Length"],
                          stands.headers["Cache-Control"]),
                         (3000, str(len(content)), "no-store"))
        self.assert_refused(self.client.append(content, 2000, b"x"), 409, "3000")
        # As a client does that has lost everything but the file.
        self.assertEqual(self.client.begin(content).headers["Upload-Offset"], "3000")
        rest = self.client.append(content, 3000, iter([content[3000:5000], content[5000:]]))
        self.assertEqual((rest.status, rest.headers["Upload-Offset"]), (204, str(len(content))))
        self.assertTrue(self.client.has(content))
        self.assertEqual(self.client.session(id_of(content)).status, 201)
        # Uploading it again costs no transfer.
        self.assertEqual(self.client.begin(content).headers["Upload-Offset"], str(len(content)))
        self.assertEqual(self.client.stands(content), len(content))

    def test_parts_of_something_else(self):
        content = b"what was announced"
        self.client.begin(content)
        refused = self.client.append(content, 0, b"what was announcee")
        self.assert_refused(refused, 400, "SHA-256")
        self.assertFalse(self.client.has(content))
        self.assertIsNone(self.client.stands(content))
        self.client.begin(content)
        self.assert_refused(self.client.append(content, 0, content + b"!"), 413, "18 bytes")

    def test_what_is_not_understood(self):
        content = b"some content"
        self.assert_refused(self.client.request("POST", "/resources/uploads", Upload_Length="3"),
                            400, "Repr-Digest")
        for length in ("x", "-1", "", "9" * 20):
            self.assert_refused(self.client.begin(content, length), 400, "Upload-Length")
        refused = self.client.begin(content, Tus_Resumable="0.2.2")
        self.assert_refused(refused, 412, "1.0.0")
        self.assertEqual(refused.headers["Tus-Version"], "1.0.0")
        self.assert_refused(self.client.append(content, 0, b"x"), 404, "begin it again")
        self.client.begin(content)
        self.assert_refused(self.client.append(content, 0, b"x", Content_Type="text/plain"), 415,
                            "application/offset+octet-stream")
        self.assert_refused(self.client.append(content, "x", b"x"), 400, "Upload-Offset")
        self.assert_refused(self.client.begin(content, 13), 409, "12 bytes")
        path = f"/resources/uploads/{id_of(content)}"
        self.assertEqual(self.client.request("DELETE", path).status, 204)
        self.assert_refused(self.client.request("DELETE", path), 404)
        self.assert_refused(self.client.request("GET", "/resources/uploads/x"), 400, "sha256:")

    def test_an_empty_file(self):
        self.assertEqual(self.client.begin(b"").json()["offset"], 0)
        self.assertTrue(self.client.has(b""))


class Breaks(UploadsTest):
    def test_a_connection_that_is_cut(self):
        server = self.with_users()
        anna, bert = Client(server, "anna"), Client(server, "bert")
        anna.begin(LARGE)
        connection = anna.append_torn(LARGE, 0, LARGE[:3_000_000])
        wait_until("it has come", lambda: anna.stands(LARGE) == 3_000_000)
        connection.close()
        # It is nobody else's.
        self.assertIsNone(bert.stands(LARGE))
        self.assert_refused(bert.append(LARGE, 3_000_000, LARGE[3_000_000:]), 404)
        self.assert_refused(bert.request("DELETE", f"/resources/uploads/{id_of(LARGE)}"), 404)
        self.assertEqual(bert.begin(LARGE).headers["Upload-Offset"], "0")
        self.assertEqual(anna.append(LARGE, 3_000_000, LARGE[3_000_000:]).status, 204)
        self.assertTrue(anna.has(LARGE))
        self.assertFalse(bert.has(LARGE))

    def test_a_connection_that_hangs_is_taken_over(self):
        client = Client(self.server(workers=1))
        client.begin(LARGE)
        connection = client.append_torn(LARGE, 0, LARGE[:1_000_000])
        wait_until("it has come", lambda: client.stands(LARGE) == 1_000_000)
        self.assertEqual(client.append(LARGE, 1_000_000, LARGE[1_000_000:]).status, 204)
        self.assertTrue(client.has(LARGE))
        with connection:
            connection.sendall(LARGE[1_000_000:1_100_000])
            self.assertRegex(read_until_closed(connection), rb"\AHTTP/1.1 4\d\d ")

    def test_a_server_that_is_killed_meanwhile(self):
        server = self.with_users()
        anna = Client(server, "anna")
        anna.begin(LARGE)
        with anna.append_torn(LARGE, 0, LARGE[:4_000_000]):
            wait_until("it has come", lambda: anna.stands(LARGE) == 4_000_000)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
        again = self.with_users(earlier=server)
        anna = Client(again, "anna")
        self.assertEqual(anna.begin(LARGE).headers["Upload-Offset"], "4000000")
        self.assertIsNone(Client(again, "bert").stands(LARGE))
        self.assertEqual(anna.append(LARGE, 4_000_000, LARGE[4_000_000:]).status, 204)
        stored = [path for path in self.files_below(again.data, "resources")
                  if os.path.basename(path) == id_of(LARGE)[7:]]
        with open(stored[0], "rb") as file:
            self.assertEqual(file.read(), LARGE)

    def test_clients_that_upload_the_same(self):
        client = Client(self.server(workers=1))
        ended = []

        def upload():
            for _ in range(50):
                offset = int(client.begin(LARGE).headers["Upload-Offset"])
                if offset == len(LARGE):
                    ended.append(True)
                    return
                client.append(LARGE, offset, LARGE[offset:offset + 1_000_000])

        threads = [threading.Thread(target=upload) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(ended), 4)
        self.assertTrue(client.has(LARGE))


class Bounds(UploadsTest):
    def test_too_large(self):
        client = Client(self.server("--max-resource-bytes", "1000", workers=1))
        content = b"x" * 1001
        self.assert_refused(client.put(content), 413, "1000 bytes")
        self.assert_refused(client.put(iter([content])), 413)
        self.assert_refused(client.begin(content), 413, "1000 bytes")
        self.assertIsNone(client.stands(content))
        self.assertEqual(client.begin(content[1:]).status, 201)

    def test_unfinished_uploads_of_a_user(self):
        server = self.with_users("--max-unfinished-upload-bytes-per-user", "25000000")
        anna, bert = Client(server, "anna"), Client(server, "bert")
        others = [bytes([i]) + LARGE for i in range(3)]
        for content in others[:2]:
            anna.begin(content)
        connection = anna.append_torn(others[0], 0, others[0][:1000])
        wait_until("it has come", lambda: anna.stands(others[0]) == 1000)
        # The one that nobody is sending gives way.
        self.assertEqual(anna.begin(others[2]).status, 201)
        self.assertIsNone(anna.stands(others[1]))
        self.assertEqual(anna.stands(others[0]), 1000)
        refused = anna.begin(b"y" * 20_000_000)
        self.assert_refused(refused, 429, "25000000 bytes")
        self.assertEqual(bert.begin(others[1]).status, 201)
        connection.close()

    def test_abandoned_uploads_are_swept(self):
        server = self.server("--max-unfinished-upload-age", "1", workers=1)
        client = Client(server)
        client.begin(LARGE)
        client.append(LARGE, 0, LARGE[:1000])
        self.assertEqual(len(self.unfinished(server)), 1)
        wait_until("it is swept", lambda: not self.unfinished(server))
        self.assertIsNone(client.stands(LARGE))

    def unfinished(self, server):
        return [path for path in self.files_below(server.data, "uploads")
                if os.path.basename(os.path.dirname(path)) == "unfinished"]


if __name__ == "__main__":
    unittest.main()
