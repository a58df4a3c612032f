"""A merchant's server for tests, on real sockets: a script says what it does, right or wrong."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self, TypeAlias

from tests.services import Certificates
from tests.waiting import PATIENCE


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    line: str
    #: Names in lower case.
    headers: dict[str, str]
    body: bytes


class Visit:
    """One connection, as a script sees it."""

    def __init__(self, shop: "Shop", number: int, connection: socket.socket) -> None:
        self._shop = shop
        #: From 1, in the order in which the shop took them.
        self.number = number
        self.connection = connection
        self._incoming = connection.makefile("rb")

    def request(self) -> Asked:
        """Return the next request, which the shop notes. Raises ConnectionError where none comes."""
        line, *lines = [*iter(lambda: self._incoming.readline().decode().rstrip("\r\n"), "")] or [""]
        if not line:
            raise ConnectionResetError("the client has gone")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        asked = Asked(line, headers, self._incoming.read(int(headers["content-length"])))
        self._shop.asked.append(asked)
        return asked

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def drip(self, data: bytes, seconds: float) -> None:
        """Send a byte at a time, so far apart."""
        for number in range(len(data)):
            self.send(data[number : number + 1])
            if self._shop.closes.wait(seconds):
                return

    def wait(self) -> None:
        """Do nothing until the shop closes."""
        self._shop.closes.wait(PATIENCE)

    def end(self) -> None:
        """Say that no more comes, and wait until the client leaves."""
        self.connection.shutdown(socket.SHUT_WR)
        self.outlast()

    def outlast(self) -> None:
        """Say nothing until the client leaves."""
        while self.connection.recv(65_536):
            pass

    def reset(self) -> None:
        """End the connection as a crash does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """End the connection in good order."""
        self._incoming.close()
        self.connection.close()


Script: TypeAlias = Callable[[Visit], None]


class Shop:
    """Listens on a port of its own while it is entered; each connection has a thread that runs the script."""

    def __init__(
        self, script: Script, *, tls: Certificates | None = None, address: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._script = script
        self._tls = None
        if tls:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(tls.certificate, tls.key)
        self._listening = socket.create_server((address, port))
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._take)]
        self._visits: list[socket.socket] = []
        #: How many connections are over.
        self.left = 0
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://{address}:{self.port}/hook"
        self.asked: list[Asked] = []
        self.closes = threading.Event()

    @property
    def connections(self) -> int:
        """How many came so far."""
        return len(self._visits)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.closes.set()
        # Closing alone wakes nobody who waits on it.
        for each in (self._listening, *self._visits):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        self._listening.close()

    def _take(self) -> None:
        with suppress(OSError):
            while not self.closes.is_set():
                connection, _ = self._listening.accept()
                self._visits.append(connection)
                visit = threading.Thread(target=self._run, args=(len(self._visits), connection))
                self._threads.append(visit)
                visit.start()

    def _run(self, number: int, connection: socket.socket) -> None:
        # The client may go at any time.
        with suppress(OSError):
            if self._tls:
                with connection:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._visits[number - 1] = connection
            with closing(Visit(self, number, connection)) as visit:
                self._script(visit)
        with self._lock:
            self.left += 1


def answer(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """Return an answer as HTTP writes it."""
    phrase = HTTPStatus(status).phrase if status in {*HTTPStatus} else "Odd"
    lines = [f"HTTP/1.1 {status} {phrase}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def always(*answers: bytes) -> Script:
    """Return a script that gives each connection these answers in turn, and the last one from then on."""

    def script(visit: Visit) -> None:
        left = list(answers)
        while True:
            visit.request()
            visit.send(left.pop(0) if len(left) > 1 else left[0])

    return script
