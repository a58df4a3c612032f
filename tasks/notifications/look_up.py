"""Asking the system for a name's addresses, which may take longer than anybody waits."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread
from typing import Any, TypeAlias

from tasks.notifications.failure import Failure
from tasks.notifications.outcome import OutcomeKind

#: As `socket.getaddrinfo` returns it; its last part is what is connected to.
AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]
#: Blocks until it has the addresses of a host for a port.
LookUp: TypeAlias = Callable[[str, int], Sequence[AddressInfo]]


def ask_system(host: str, port: int) -> Sequence[AddressInfo]:
    """Return a host's addresses, in the system's order. Raises OSError; ValueError for what is no name."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class NameLookUp:
    """Looks one host up. All who ask meanwhile share the answer, and nobody after them.

    Each question has a thread that the process does not wait for, because nothing can end a question to a
    name server that hangs.
    """

    def __init__(self, host: str, port: int, look_up: LookUp) -> None:
        self._host = host
        self._port = port
        self._look_up = look_up
        self._asked: asyncio.Future[Sequence[AddressInfo] | Failure] | None = None

    async def addresses(self) -> Sequence[AddressInfo]:
        """Return what the system knows. Raises Failure."""
        if self._asked is None:
            loop = asyncio.get_running_loop()
            self._asked = loop.create_future()
            Thread(target=self._ask, args=(loop,), name="name-look-up", daemon=True).start()
        found = await asyncio.shield(self._asked)
        if isinstance(found, Failure):
            raise found
        return found

    def _ask(self, loop: asyncio.AbstractEventLoop) -> None:
        found: Sequence[AddressInfo] | Failure
        try:
            found = self._look_up(self._host, self._port)
        except ValueError:
            found = Failure(f"{self._host} is no host name; mend NOTIFY_URL", OutcomeKind.REFUSED)
        except OSError as error:
            found = self._failure(error)
        # The loop has ended if nobody waited any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._tell, found)

    def _failure(self, error: OSError) -> Failure:
        if error.errno == socket.EAI_AGAIN:
            return Failure(f"no name server says where {self._host} is ({error.strerror})")
        return Failure(f"no address for {self._host} ({error.strerror}); is NOTIFY_URL right?")

    def _tell(self, found: Sequence[AddressInfo] | Failure) -> None:
        asked, self._asked = self._asked, None
        if asked is not None:
            asked.set_result(found)
