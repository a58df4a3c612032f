"""A TCP proxy between the product and a server, whose connections can be cut, stalled or silenced."""

import asyncio
import random
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.services.server import free_port, stop_listening


class Proxy:
    """Forwards a port of its own to a server's, in a thread of its own."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._doomed: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self._moving = asyncio.Event()

    def __enter__(self) -> Self:
        self._moving.set()
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._connect, "127.0.0.1", self.port), self._loop
        ).result()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        await stop_listening(self._server)
        self._moving.set()
        for client in self._clients:
            client.transport.abort()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

    def cut(self, share: float, chance: random.Random) -> int:
        """Let a share of the connections break in the middle of what they send next; return how many."""
        doomed = [client for client in tuple(self._clients) if chance.random() < share]
        self._doomed.update(doomed)
        return len(doomed)

    def stall(self) -> int:
        """Let no byte through, also on new connections; return how many connections there are."""
        self._loop.call_soon_threadsafe(self._moving.clear)
        return len(self._clients)

    def resume(self) -> None:
        """Let everything through that was held up."""
        self._loop.call_soon_threadsafe(self._moving.set)

    def silence(self) -> int:
        """Swallow whatever the connections that exist still send, without closing them; return how many."""
        self._silent.update(silenced := tuple(self._clients))
        return len(silenced)

    async def _connect(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            from_server, server = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            client.transport.abort()
            return
        self._clients.add(client)
        pumps = [self._pump(reader, server, client), self._pump(from_server, client, client)]
        _, left = await asyncio.wait(map(asyncio.ensure_future, pumps), return_when=asyncio.FIRST_COMPLETED)
        for pump in left:
            pump.cancel()
        for end in (client, server):
            if client in self._doomed:
                end.transport.abort()
            else:
                end.close()
        self._clients.discard(client)
        self._doomed.discard(client)
        self._silent.discard(client)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while chunk := await source.read(65_536):
                await self._moving.wait()
                if client in self._silent:
                    continue
                if client in self._doomed:
                    sink.write(chunk[: len(chunk) // 2])
                    await sink.drain()
                    return
                sink.write(chunk)
                await sink.drain()
