"""What telling the merchant's server takes, on what the environment names.

    python -m benchmarks.notifications latency [payments a second] [seconds]
    python -m benchmarks.notifications drain [payments] [concurrency]

`latency` is from the 200 at our door to the request at the shop. `drain` tells what has piled up. The shop
answers after 20 ms.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2
from sqlalchemy import create_engine, func, select

from tasks.coinflow.samples import sample, with_identity
from tasks.store.schema import notifications
from tests.services import free_port
from tests.stack import KEY, Stack

_COUNT = select(func.count()).select_from(notifications)
_NAMES = ("BROKER_URL", "DATABASE_URL")
_SECRET = "whsec_" + "A" * 32
_ANSWER_AFTER = 0.02


class Shop(threading.Thread):
    """A server that answers 200 after 20 ms, and notes when each payment's request came."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.port = free_port()
        self.came: dict[str, float] = {}

    def run(self) -> None:
        """Serve until the program ends."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        async with await asyncio.start_server(self._answer, "127.0.0.1", self.port) as server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r")[0])
                body = await reader.readexactly(length)
                self.came.setdefault(
                    body.partition(b'"payment_id":"')[2].partition(b'"')[0].decode(), time.monotonic()
                )
                await asyncio.sleep(_ANSWER_AFTER)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@contextmanager
def _stack(shop: Shop, **variables: str) -> Iterator[Stack]:
    environment = {name: os.environ[name] for name in _NAMES if os.environ.get(name)}
    environment |= {"NOTIFY_URL": f"http://127.0.0.1:{shop.port}/", "NOTIFY_SECRET": _SECRET, **variables}
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), environment) as stack:
        stack.release()
        yield stack


def _packet(payment_id: str) -> dict[str, object]:
    packet = sample("Settled")
    with_identity(packet, payment_id=payment_id, wallet="bench")
    return packet


def _wait(shop: Shop, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(shop.came) < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(shop.came)} of {count} have arrived within two minutes.")
        time.sleep(0.01)


def latency(rate: int = 50, seconds: int = 20) -> None:
    """Deliver at a steady rate."""
    shop = Shop()
    shop.start()
    answered: dict[str, float] = {}

    async def deliver(client: httpx2.AsyncClient, url: str, payment_id: str) -> None:
        (await client.post(url, json=_packet(payment_id))).raise_for_status()
        answered[payment_id] = time.monotonic()

    async def load(url: str, name: str, count: int) -> None:
        async with httpx2.AsyncClient(headers={"Authorization": KEY}) as client, asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(deliver(client, url, f"{name}-{number}"))
                await asyncio.sleep(1 / rate)

    with _stack(shop) as stack:
        stack.start("web", "worker", "notify")
        asyncio.run(load(stack.url, "warm", rate))
        _wait(shop, rate)
        asyncio.run(load(stack.url, "bench", rate * seconds))
        _wait(shop, rate * (seconds + 1))
    taken = [shop.came[each] - at for each, at in answered.items() if each.startswith("bench")]
    _print_times(f"{len(taken)} payments at {rate}/s, from the 200 to the request at the shop", taken)


def drain(payments: int = 3_000, concurrency: int = 20) -> None:
    """Let notifications pile up, then tell them."""
    shop = Shop()
    shop.start()

    async def load(url: str) -> None:
        places = asyncio.Semaphore(32)

        async def deliver(client: httpx2.AsyncClient, number: int) -> None:
            async with places:
                (await client.post(url, json=_packet(f"bench-{number}"))).raise_for_status()

        async with httpx2.AsyncClient(headers={"Authorization": KEY}, timeout=60) as client:
            await asyncio.gather(*(deliver(client, number) for number in range(payments)))

    with _stack(shop, NOTIFY_CONCURRENCY=str(concurrency)) as stack:
        stack.start("web", "worker")
        asyncio.run(load(stack.url))
        deadline = time.monotonic() + 120
        engine = create_engine(stack.environment["DATABASE_URL"])
        with engine.connect() as connection:
            while connection.execute(_COUNT).scalar_one() < payments:
                connection.rollback()
                if time.monotonic() > deadline:
                    raise SystemExit("The payments were not granted within two minutes.")
                time.sleep(0.2)
        engine.dispose()
        for name in ("web", "worker"):
            stack.kill(name)
        stack.start("notify")
        process = stack.processes["notify"].pid
        # The bells that have piled up are there; the first request says that it has begun.
        _wait(shop, 1)
        began, used = time.monotonic(), _processor_seconds(process)
        _wait(shop, payments)
        took, used = time.monotonic() - began, _processor_seconds(process) - used
    print(  # noqa: T201  # what a benchmark is for
        f"{payments} notifications, {concurrency} at once: {payments / took:.0f}/s, "
        f"{1000 * used / payments:.2f} ms of processor each"
    )


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _print_times(what: str, seconds: Sequence[float]) -> None:
    milliseconds = sorted(1000 * each for each in seconds)
    print(  # noqa: T201  # what a benchmark is for
        f"{what}: p50 {statistics.median(milliseconds):.1f} ms, "
        f"p99 {milliseconds[int(len(milliseconds) * 0.99)]:.1f} ms, worst {milliseconds[-1]:.1f} ms"
    )


if __name__ == "__main__":
    {"latency": latency, "drain": drain}[sys.argv[1]](*map(int, sys.argv[2:]))
