"""Connecting to whichever address of a name takes a connection first (RFC 8305)."""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Sequence
from itertools import chain, zip_longest

from tasks.notifications.failure import Failure
from tasks.notifications.look_up import AddressInfo

#: Addresses that are tried.
_MOST = 6
#: Seconds that an address has before the next one is tried beside it.
_HEAD_START = 0.25


def by_turns(infos: Sequence[AddressInfo]) -> list[AddressInfo]:
    """Return what is worth a try, in the order of the system, but IPv6 and IPv4 by turns."""
    first = [info for info in infos if info[0] == infos[0][0]]
    second = [info for info in infos if info[0] != infos[0][0]]
    return [info for info in chain.from_iterable(zip_longest(first, second)) if info][:_MOST]


def place(info: AddressInfo) -> str:
    """Return an address and its port as in a URL."""
    host, port = info[4][:2]
    return f"[{host}]:{port}" if info[0] == socket.AF_INET6 else f"{host}:{port}"


async def first_connected(infos: Sequence[AddressInfo]) -> tuple[AddressInfo, socket.socket]:
    """Return the first address to take a connection, with that. Raises Failure with a reason of each."""
    waiting = deque(infos)
    attempts: dict[asyncio.Task[socket.socket], AddressInfo] = {}
    won = None
    try:
        while won is None:
            if waiting:
                info = waiting.popleft()
                attempts[asyncio.create_task(_connected(info))] = info
            if not (running := [attempt for attempt in attempts if not attempt.done()]):
                raise Failure("; ".join(_reason(info, attempt) for attempt, info in attempts.items()))
            await asyncio.wait(
                running, timeout=_HEAD_START if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            won = next((attempt for attempt in attempts if attempt.done() and not attempt.exception()), None)
        return attempts[won], won.result()
    finally:
        for attempt in attempts:
            if attempt is not won:
                attempt.add_done_callback(_close)
                attempt.cancel()


async def _connected(info: AddressInfo) -> socket.socket:
    connecting = socket.socket(*info[:3])
    try:
        connecting.setblocking(False)  # noqa: FBT003  # the socket's own method
        await asyncio.get_running_loop().sock_connect(connecting, info[4])
    except BaseException:
        connecting.close()
        raise
    return connecting


def _close(attempt: asyncio.Task[socket.socket]) -> None:
    """Close what has come too late."""
    if not attempt.cancelled() and not attempt.exception():
        attempt.result().close()


def _reason(info: AddressInfo, attempt: asyncio.Task[socket.socket]) -> str:
    error = attempt.exception()
    if isinstance(error, ConnectionRefusedError):
        return f"connection refused at {place(info)}"
    told = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return f"no way to {place(info)} ({told})"
