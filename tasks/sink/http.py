"""As much of HTTP/1.1 as a client needs that posts notifications and keeps its connection."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import responses

#: Bytes; what is told of the largest payment is far below.
_BODY_LIMIT = 1 << 20


class BadRequest(Exception):
    """A request that cannot be read; its connection is of no use any more."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """One request; the names of its headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    keeps_alive: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered."""

    status: int
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self, *, keeps_alive: bool) -> bytes:
        """Return what goes over the wire."""
        body = self.text.encode()
        headers = dict(self.headers)
        # An answer of 204 has no body and must not say how long it is.
        if self.status != HTTPStatus.NO_CONTENT:
            headers = {
                "Content-Type": "text/plain; charset=utf-8",
                "Content-Length": str(len(body)),
            } | headers
        if not keeps_alive:
            headers["Connection"] = "close"
        lines = [f"{name}: {value}" for name, value in headers.items()]
        first = f"HTTP/1.1 {self.status} {responses.get(self.status, '')}"
        return "\r\n".join([first, *lines, "", ""]).encode() + body


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Return the next request of a connection, or None at its end. Raises BadRequest."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(_length(headers))
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest(431, "The headers are too large.") from None
    method, _, rest = first.partition(" ")
    target, _, protocol = rest.partition(" ")
    if protocol not in {"HTTP/1.1", "HTTP/1.0"}:
        raise BadRequest(400, "This is no request of HTTP/1.1.")
    keeps_alive = protocol == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return Request(method, target.partition("?")[0], headers, body, keeps_alive)


def _length(headers: Mapping[str, str]) -> int:
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers:
        raise BadRequest(411, "Send the body in one piece, with its Content-Length.")
    if not (length.isascii() and length.isdecimal()):
        raise BadRequest(400, "Content-Length is no number.")
    if int(length) > _BODY_LIMIT:
        raise BadRequest(413, "The body is too large.")
    return int(length)
