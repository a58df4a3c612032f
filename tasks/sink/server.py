"""The sink's connections: requests in, answers out, and broken connections where those are asked for."""

import asyncio
import json
import signal
import socket
import struct
from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus

from tasks.sink.http import Answer, BadRequest, Request, read_request
from tasks.sink.inventory import Inventory
from tasks.sink.reception import Reception

#: With this, closing a connection resets it.
_NO_LINGER = struct.pack("ii", 1, 0)


class Server:
    """Takes notifications by POST, on any path, and shows the inventory by `GET /inventory`."""

    def __init__(self, reception: Reception, inventory: Inventory, delay: float) -> None:
        self._reception = reception
        self._inventory = inventory
        self._delay = delay

    async def run(self, address: str, port: int, ready: Callable[[], None]) -> None:
        """Serve until Ctrl-C or SIGTERM. Raises OSError where nobody can listen at the address."""
        ended = asyncio.Event()
        for each in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(each, ended.set)
        # Until its backlog is full, a burst of connections waits in place of being refused.
        server = await asyncio.start_server(self._connected, address, port, backlog=1024)
        ready()
        await ended.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.CancelledError):
            # The other side has gone, or all of it ends.
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer the next request; tell whether another may follow."""
        try:
            request = await read_request(reader)
        except BadRequest as error:
            writer.write(Answer(error.status, f"{error}\n").encode(keeps_alive=False))
            return False
        if request is None:
            return False
        answer = await self._answer(request, writer)
        if answer:
            writer.write(answer.encode(keeps_alive=request.keeps_alive))
            await writer.drain()
        return answer is not None and request.keeps_alive

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> Answer | None:
        match request.method, request.path:
            case "POST", _:
                reply = self._reception.receive(request.headers, request.body)
                await asyncio.sleep(self._delay if reply.seconds is None else reply.seconds)
                if reply.resets:
                    _reset(writer)
                return reply.answer
            case "GET", "/inventory":
                return self._kept()
        return Answer(HTTPStatus.NOT_FOUND, "POST notifications here, or GET /inventory.\n")

    def _kept(self) -> Answer:
        wallets: dict[str, dict[str, int]] = {}
        for held in self._inventory.held():
            wallets.setdefault(held.wallet, {})[held.item] = held.usable
        kept = {"wallets": wallets, "lines": list(map(asdict, self._inventory.lines()))}
        return Answer(HTTPStatus.OK, json.dumps(kept), {"Content-Type": "application/json"})


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()
