"""A steady, small load: how long until the answer, and until the grant is committed."""

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from urllib.parse import urlsplit

from benchmarks.figures import percentile
from benchmarks.ledger import Ledger
from benchmarks.measured import Measured, shares
from benchmarks.processor import Machine, by_role
from benchmarks.purchases import purchase
from benchmarks.servers import Servers
from benchmarks.subject import Extent, Running, Subject
from tests.stack import KEY

_CONNECTIONS = 16
#: Deliveries before anything counts.
_WARM_UP = 50
#: Seconds.
_PATIENCE = 60


def steady(servers: Servers, subject: Subject, extent: Extent, rate: int, seconds: int) -> Measured:
    """Measure milliseconds from a request until its answer or, with a worker, its committed grant."""
    with ExitStack() as exits:
        running = exits.enter_context(subject.start(servers, extent))
        ledger = exits.enter_context(Ledger(running.database_url)) if extent is Extent.WHOLE_WAY else None
        _run(running, ledger, rate, _WARM_UP)
        machine, before, own = Machine.now(), by_role(running.roles), time.process_time()
        times = _run(running, ledger, rate, rate * seconds)
        taken = {role: after - before[role] for role, after in by_role(running.roles).items()}
        taken["load"] = time.process_time() - own
        figures = {
            "p50 ms": percentile(times, 0.5),
            "p99 ms": percentile(times, 0.99),
            "worst ms": max(times),
        }
        costs = {role: 1000 * each / len(times) for role, each in taken.items()}
        return Measured(figures, costs, *shares(Machine.now().since(machine), sum(taken.values())))


def _run(running: Running, ledger: Ledger | None, rate: int, count: int) -> Sequence[float]:
    watch = _Watch(ledger) if ledger else None
    with watch or nullcontext():
        answered = asyncio.run(_deliver(running.url, rate, count, watch))
        if watch:
            watch.wait()
    return list(watch.times.values()) if watch else answered


async def _deliver(url: str, rate: int, count: int, watch: "_Watch | None") -> list[float]:
    address = urlsplit(url)
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(_CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(address.hostname, address.port))
    times: list[float] = []

    async def deliver(payment_id: str, body: bytes) -> None:
        sent = time.monotonic()
        if watch:
            watch.sent[payment_id] = sent
        reader, writer = await free.get()
        writer.write(
            f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: {KEY}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise SystemExit(f"A delivery was refused: {head.decode()}")
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r")[0]))
        times.append(1000 * (time.monotonic() - sent))
        free.put_nowait((reader, writer))

    async with asyncio.TaskGroup() as deliveries:
        began = time.monotonic()
        for number in range(count):
            payment_id = str(uuid.uuid4())
            body = json.dumps(purchase(payment_id, f"player-{number}")).encode()
            await asyncio.sleep(max(0, began + number / rate - time.monotonic()))
            deliveries.create_task(deliver(payment_id, body))
    while not free.empty():
        free.get_nowait()[1].close()
    return times


class _Watch(threading.Thread):
    """Looks for grants that are not yet there, as long as there are any."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger
        self._ended = threading.Event()
        self.sent: dict[str, float] = {}
        #: Milliseconds from the request until the grant was seen.
        self.times: dict[str, float] = {}

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        # As often as a grant can be timed by, and no oftener: the looking takes from the processor, too.
        while not self._ended.wait(0.002):
            waiting = [each for each in list(self.sent) if each not in self.times]
            if waiting:
                found = self._ledger.granted(waiting)
                now = time.monotonic()
                self.times |= {each: 1000 * (now - self.sent[each]) for each in found}

    def wait(self) -> None:
        """Return once every grant has been seen. Raises SystemExit where one does not come."""
        deadline = time.monotonic() + _PATIENCE
        while len(self.times) < len(self.sent):
            if time.monotonic() > deadline or not self.is_alive():
                raise SystemExit(f"{len(self.sent) - len(self.times)} payments were not granted.")
            time.sleep(0.01)
