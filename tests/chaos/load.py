"""The traffic: payments' events in any order and number, delivered as Coinflow delivers them."""

import asyncio
import json
import random
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from tasks.coinflow.samples import sample, with_identity
from tests.stack import KEY

#: Seconds: Coinflow waits no longer for an answer.
COINFLOW_PATIENCE = 5.0
#: Seconds between Coinflow's tries: 2^n - 1. The suite repeats the last of these, which presses harder and
#: leaves the recovery's time to the product.
_WAITS = (1, 3)
#: Deliveries under way at a time.
_CONCURRENCY = 32
#: What comes beside `Settled`; it moves no wallet.
_OTHERS = ("Card Payment Authorized", "Some Future Event")


@dataclass(frozen=True, slots=True)
class Packet:
    """An event of a payment."""

    payment_id: str
    event_type: str
    wallet: str
    body: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A delivery's answer: when it was sent, how long it took (seconds) and its status, 0 for none."""

    sent_at: float
    seconds: float
    status: int


def deliveries(payments: int, chance: random.Random, *, alone: bool = False) -> list[Packet]:
    """Return every payment's `Settled`, and unless `alone` some other events and copies, shuffled."""
    packets = []
    for number in range(payments):
        payment_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        types = ["Settled", *(other for other in _OTHERS if not alone and chance.random() < 1 / 4)]
        for event_type in types:
            packet = _packet(event_type, payment_id, f"wallet-{number % 50}")
            packets += [packet] * (1 if alone else chance.choice((1, 1, 2, 3)))
    chance.shuffle(packets)
    return packets


def _packet(event_type: str, payment_id: str, wallet: str) -> Packet:
    packet = sample(event_type)
    with_identity(packet, payment_id=payment_id, wallet=wallet, item="sword", cents=500)
    return Packet(payment_id, event_type, wallet, json.dumps(packet))


@dataclass
class Load:
    """Delivers packets evenly over some seconds, each again until it is answered 200."""

    url: str
    packets: Sequence[Packet]
    seconds: float
    key: str = KEY
    answers: list[Answer] = field(default_factory=list)
    #: Packets that were answered 200.
    accepted: set[Packet] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._deliver_all()), daemon=True)

    def start(self) -> None:
        """Begin to deliver, in a thread of its own."""
        self._thread.start()
        self._ends_at = time.monotonic() + self.seconds

    def stop(self) -> None:
        """Give up what has not been answered 200."""
        self._stopped.set()
        self._thread.join(timeout=2 * COINFLOW_PATIENCE)

    @property
    def is_sending(self) -> bool:
        """Whether deliveries still come for the first time."""
        return time.monotonic() < self._ends_at

    @property
    def is_through(self) -> bool:
        """Whether every delivery was answered 200."""
        return not self._thread.is_alive()

    def answers_between(self, start: float, end: float) -> list[Answer]:
        """Return the answers to deliveries that began and ended between two times."""
        return [each for each in self.answers if start <= each.sent_at and each.sent_at + each.seconds <= end]

    async def _deliver_all(self) -> None:
        free = asyncio.Semaphore(_CONCURRENCY)
        async with asyncio.TaskGroup() as group:
            pause = self.seconds / len(self.packets)
            began = time.monotonic()
            for number, packet in enumerate(self.packets):
                await asyncio.sleep(max(0, began + number * pause - time.monotonic()))
                # Without a pause this alone keeps the deliveries that wait from becoming too many.
                async with free:
                    group.create_task(self._deliver(free, packet))

    async def _deliver(self, free: asyncio.Semaphore, packet: Packet) -> None:
        waits = _waits()
        while not self._stopped.is_set():
            async with free:
                sent_at = time.monotonic()
                status = await self._post(packet.body.encode())
            self.answers.append(Answer(sent_at, time.monotonic() - sent_at, status))
            if status == HTTPStatus.OK:
                self.accepted.add(packet)
                return
            await asyncio.sleep(next(waits))

    async def _post(self, body: bytes) -> int:
        """Deliver on a connection of its own; a client's pool may forget one when it is given up."""
        address = urlsplit(self.url)
        head = [
            f"POST {address.path} HTTP/1.1",
            f"Host: {address.netloc}",
            f"Authorization: {self.key}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        try:
            async with asyncio.timeout(COINFLOW_PATIENCE):
                reader, writer = await asyncio.open_connection(address.hostname, address.port)
                try:
                    writer.write("\r\n".join([*head, "", ""]).encode("latin-1") + body)
                    answer = await reader.read()
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return 0
        # Of a receiver that was killed nothing may have come.
        return int(answer.split()[1]) if answer else 0


def _waits() -> Iterator[int]:
    yield from _WAITS
    while True:
        yield _WAITS[-1]
