"""FakeDropbox, FakeGoogleDrive and an S3 server from outside: a program (fake_clouds.cc) that
runs them, and does what users and the services' own people do."""

import base64
import os
import subprocess

PROGRAM = os.environ.get("FRANCINE_FAKE_CLOUDS", "")
REDIRECT = "http://127.0.0.1:1/done"
SECRET = "fake secret"


class FakeClouds:
    def __init__(self):
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        urls = self.process.stdout.readline().split()
        self.dropbox = {"apiKey": "fake client", "apiSecret": SECRET, "authorizeUrl": urls[1],
                        "tokenUrl": urls[2], "contentUrl": urls[0]}
        self.googledrive = {"clientId": "fake client", "clientSecret": SECRET,
                            "redirectUri": REDIRECT, "authorizeUrl": urls[4],
                            "tokenUrl": urls[5], "apiUrl": urls[3]}
        self.s3 = {"endpoint": urls[6], "bucket": "scenes-bucket", "region": "eu-test-1",
                   "accessKey": "AKIAFAKE", "secretKey": "fake/secret+key"}

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n")
        assert not answer.startswith("! "), answer
        return answer

    def put(self, provider, name, content):
        """Makes a file; its revision, or its id at googledrive."""
        return self.ask("put", provider, name,
                        base64.urlsafe_b64encode(content).decode().rstrip("="))

    def agree(self, provider, url):
        """The code and the state that a user brings back."""
        code, state = self.ask("agree", provider, url).split(" ")
        return code, state

    def object(self, key):
        """What was put into the bucket; None: nothing."""
        coded = self.ask("object", "s3", key)
        if coded == "none":
            return None
        coded = coded.removeprefix("is ")
        return base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4))

    def break_s3(self, count):
        """So many of its next requests are answered 503."""
        self.ask("break", "s3", str(count))

    def counts(self, provider):
        """Exchanges, refreshes and requests for content."""
        return tuple(map(int, self.ask("counts", provider).split()))

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
