"""A client of the WebSocket API for tests: Python's websockets, an implementation that
is not ours, with a deadline on every step."""

import asyncio
import json
import unittest

import openapi
from harness import SLOWNESS, SystemTest

try:
    import websockets
except ImportError:
    websockets = None

SMALL = {"width": 64, "height": 48}
ENDLESS = {"parallel": 60000, "update": {"width": 2048, "height": 2048, "samples": 8}}
DEADLINE = 60 * SLOWNESS


class Client:
    """One connection; every step has a deadline."""

    def __init__(self, master, max_queue=32, **headers):
        """Beyond `max_queue` messages that the test has not read, none is taken."""
        self.opening = websockets.connect(
            f"ws://127.0.0.1:{master.ws}/", max_size=None, compression=None, max_queue=max_queue,
            extra_headers={name.replace("_", "-"): value for name, value in headers.items()})

    async def __aenter__(self):
        self.socket = await asyncio.wait_for(self.opening.__aenter__(), DEADLINE)
        return self

    async def __aexit__(self, *details):
        await self.opening.__aexit__(*details)

    async def send(self, command=None, **members):
        if command is not None:
            members = {"command": command, **members}
        await self.socket.send(json.dumps(members))

    async def receive(self):
        return await asyncio.wait_for(self.socket.recv(), DEADLINE)

    async def read(self):
        message = json.loads(await self.receive())
        complaint = openapi.WEBSOCKET.complaint(message)
        if complaint:
            raise AssertionError(complaint)
        return message

    async def ask(self, command, **members):
        await self.send(command, **members)
        return await self.read()

    async def read_close(self):
        """The code that the server closes with."""
        await asyncio.wait_for(self.socket.wait_closed(), DEADLINE)
        return self.socket.close_code

    async def new_session(self, **members):
        return (await self.ask("createSession", producer="ao", **members))["name"]

    async def read_until_answer(self, command, **members):
        """Asks; what was sent in between is left out."""
        await self.send(command, **members)
        return await self.read_until(lambda message: message["command"] == command)

    async def read_until(self, predicate):
        """Within one deadline, however many messages come."""
        async with asyncio.timeout(DEADLINE):
            while not predicate(answer := await self.read()):
                pass
            return answer


def steps(test):
    """A test method that is a coroutine."""
    def run(self):
        asyncio.run(test(self))
    return run


@unittest.skipUnless(websockets, "needs the package python3-websockets")
class WebSocketTest(SystemTest):
    pass
