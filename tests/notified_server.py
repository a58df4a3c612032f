"""A merchant's server in a test's own process: it notes what comes, and the test says how it behaves."""

import asyncio
import json
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeAlias

from standardwebhooks import Webhook, WebhookVerificationError

from tasks.sink.http import Answer, Request, read_request
from tests.notifications import new_secret
from tests.services.server import free_port, stop_listening

DONE = Answer(HTTPStatus.NO_CONTENT)
#: With this, closing a connection resets it.
_NO_LINGER = struct.pack("ii", 1, 0)


class Broken(Enum):
    """What comes in place of an answer."""

    CLOSED = auto()
    RESET = auto()


Behaviour: TypeAlias = Callable[[Request], Awaitable[Answer | Broken]]


async def is_fine(_request: Request) -> Answer:
    """Take whatever comes."""
    return DONE


def passing_on(port: int) -> Behaviour:
    """Return the behaviour of a server of this machine, to which everything is passed on."""

    async def pass_on(request: Request) -> Answer | Broken:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            return Broken.CLOSED
        try:
            lines = [f"{name}: {value}" for name, value in {**request.headers, "connection": "close"}.items()]
            head = "\r\n".join([f"POST {request.path} HTTP/1.1", *lines, "", ""])
            writer.write(head.encode("latin-1") + request.body)
            answer = await reader.read()
        except ConnectionError:
            return Broken.CLOSED
        finally:
            writer.close()
        # Of one that was killed nothing may have come.
        return Answer(int(answer.split()[1])) if answer else Broken.CLOSED

    return pass_on


@dataclass(frozen=True, slots=True)
class Heard:
    """A notification as it came."""

    #: By the monotonic clock.
    at: float
    message_id: str
    payment_id: str
    version: int
    body: bytes

    @property
    def usable(self) -> dict[tuple[str, str], int]:
        """What each wallet may use of each item by this payment."""
        lines: list[dict[str, Any]] = json.loads(self.body)["data"]["items"]
        return {(line["wallet"], line["item"]): line["usable"] for line in lines}


class NotifiedServer:
    """Listens on a port of its own while it is entered, and not while it is away."""

    def __init__(self, behaviour: Behaviour = is_fine, *, secret: str | None = None) -> None:
        self.secret = secret or new_secret()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/notifications"
        self.behaviour = behaviour
        #: What was verified, in the order in which it came.
        self.heard: list[Heard] = []
        #: How many requests no secret has signed, and how many the server has done at once at most.
        self.unverified = self.most_at_once = 0
        self._at_once = 0
        self._webhook = Webhook(self.secret)
        self._connections: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Future[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.come_back()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def come_back(self) -> None:
        """Listen."""
        self._listening = self._do(
            asyncio.start_server(self._connected, "127.0.0.1", self.port, backlog=1024)
        )

    def go_away(self) -> None:
        """Reset every connection, and refuse those that come."""
        self._do(self._leave())

    def forget_secret(self) -> None:
        """Verify by another secret from now on."""
        self._webhook = Webhook(new_secret())

    def versions(self) -> Mapping[str, list[int]]:
        """Return the versions of each payment as they came."""
        versions: dict[str, list[int]] = defaultdict(list)
        for each in tuple(self.heard):
            versions[each.payment_id].append(each.version)
        return versions

    def _do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    async def _leave(self) -> None:
        await stop_listening(self._listening)
        for connection in self._connections:
            connection.transport.abort()

    async def _end(self) -> None:
        await self._leave()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # Those that were taken meanwhile, and a turn of the loop in which they are closed.
        await self._leave()
        await asyncio.sleep(0)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # At once: what is cancelled before its first step would leave its connection open.
        self._connections.add(writer)
        serving = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.CancelledError):
            while (request := await read_request(reader)) and await self._exchange(request, reader, writer):
                pass
        self._connections.discard(writer)
        writer.close()

    async def _exchange(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer a request, unless its client leaves; tell whether another may follow."""
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        answering = asyncio.ensure_future(self._answer(request))
        # A client sends nothing before it has its answer.
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._at_once -= 1
            for each in (answering, leaving):
                each.cancel()
        await asyncio.wait((answering, leaving))
        if answering.cancelled():
            return False
        answer = answering.result()
        if isinstance(answer, Broken):
            if answer is Broken.RESET:
                connection: socket.socket = writer.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                writer.transport.abort()
            return False
        writer.write(answer.encode(keeps_alive=True))
        await writer.drain()
        return True

    async def _answer(self, request: Request) -> Answer | Broken:
        try:
            self._webhook.verify(request.body, dict(request.headers), json_parse=False)
        except WebhookVerificationError:
            self.unverified += 1
            return Answer(HTTPStatus.UNAUTHORIZED, "Who are you?\n")
        change = json.loads(request.body)["data"]
        self.heard.append(
            Heard(
                time.monotonic(),
                request.headers["webhook-id"],
                change["payment_id"],
                change["version"],
                request.body,
            )
        )
        return await self.behaviour(request)
