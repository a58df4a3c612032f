"""One connection, to a server that may send anything: one request at a time, in HTTP/1.1."""

import asyncio
from typing import TypeAlias, cast

import h11

from tasks.notifications.answer import Answer
from tasks.notifications.failure import Failure, Unanswered
from tasks.notifications.progress import Progress
from tasks.notifications.request import Request

#: Bytes of an answer, its head and all that frames it included, after which the connection is closed.
LIMIT = 65_536

_Event: TypeAlias = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]


class Connection(asyncio.Protocol):
    """Asks the server that `place` names in what is said of it."""

    def __init__(self, place: str) -> None:
        self.place = place
        #: By the loop's clock: the last answer's end.
        self.idle_since = 0.0
        #: Done once the connection is closed.
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport
        self._http = h11.Connection(h11.CLIENT)
        self._awaited: asyncio.Future[Answer | Failure] | None = None
        self._progress = Progress()
        self._head: h11.Response | None = None
        self._body = bytearray()
        self._received = 0

    @property
    def is_open(self) -> bool:
        """Whether another request may be sent."""
        return not self._transport.is_closing()

    async def ask(self, request: Request, progress: Progress) -> Answer:
        """Return the answer, or its first 64 KiB. Raises Failure; Unanswered if not a byte of one came.

        A connection that cannot take another request is closed.
        """
        if not self.is_open:
            raise Unanswered(f"{self.place} closed the connection before it was asked")
        self._awaited = asyncio.get_running_loop().create_future()
        self._progress = progress
        self._head, self._body, self._received = None, bytearray(), 0
        progress.asked, progress.doing = True, f"waiting for {self.place} to answer"
        try:
            self._transport.write(self._written(request))
            found = await self._awaited
        finally:
            self._awaited = None
            self._rest()
        if isinstance(found, Failure):
            raise found
        return found

    def close(self) -> None:
        """End it at once: nothing that anybody waits for is on its way."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take what asyncio sends by."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read a part of the answer."""
        if self._awaited is None or self._awaited.done():
            # What is said unasked would be taken for the answer to the next request.
            self.close()
            return
        self._received += len(data)
        self._read(data)
        if self._received > LIMIT:
            self._end(Failure(f"{self.place} sends without end, and no status has come"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for an answer; an answer that has begun is over then, be it whole or not."""
        how = "reset the connection" if exc else "closed the connection"
        if self._received:
            self._end(Failure(f"{self.place} {how} in the middle of its answer"))
        else:
            self._end(
                Unanswered(f"{self.place} {how} without an answer; what the server has done is unknown")
            )
        self.ended.set_result(None)

    def _written(self, request: Request) -> bytes:
        head = h11.Request(method="POST", target=request.target, headers=request.headers)
        events = (head, h11.Data(request.body), h11.EndOfMessage())
        return b"".join(self._http.send(event) or b"" for event in events)

    def _read(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            while self._take(self._http.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            self._end(Failure(f"{self.place} does not answer in HTTP: {error}"))

    def _take(self, event: _Event) -> bool:
        """Take in a part of the answer; tell whether there may be another one."""
        if isinstance(event, h11.Response):
            self._head = event
            self._progress.status = event.status_code
            self._progress.doing = f"reading the rest of what {self.place} answers"
        if isinstance(event, h11.Data):
            self._body += event.data
        if isinstance(event, h11.EndOfMessage):
            self._end()
        return isinstance(event, h11.InformationalResponse | h11.Response | h11.Data)

    def _end(self, failure: Failure | None = None) -> None:
        """Give whoever waits the answer, be it cut off, or the failure that kept its status from coming."""
        if self._awaited is None or self._awaited.done():
            return
        if self._head is not None:
            # Of those that come several times the first is left.
            headers = {name.decode(): value.decode("latin-1") for name, value in [*self._head.headers][::-1]}
            self._awaited.set_result(Answer(self._head.status_code, headers, bytes(self._body)))
        elif failure is not None:
            self._awaited.set_result(failure)

    def _rest(self) -> None:
        """Make ready for another request, or close."""
        through = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        more = self._http.trailing_data[0] or self._transport.get_write_buffer_size()
        if through and not more and self.is_open:
            self._http.start_next_cycle()
            self.idle_since = asyncio.get_running_loop().time()
        else:
            self.close()
