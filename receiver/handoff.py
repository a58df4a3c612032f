"""The hand-off: a group commit of deliveries to the broker.

While one publish is being confirmed, deliveries that arrive gather, and the next publish carries them all.
Alone, a delivery waits for nobody; under load one confirm answers every request in it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one publish, and of what may wait while the broker is slow."""

    events: int = 500
    bytes: int = 4_194_304
    waiting_bytes: int = 67_108_864


class BrokerUnavailable(Exception):  # it names a state that passes, not a mistake
    """The broker did not confirm in time that it holds the event; the sender must try again."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A body on its way to the broker and the future that its request waits for."""

    body: str
    received_at: str
    confirmed: asyncio.Future[None]

    def message(self) -> dict[str, str]:
        """Return the event as the intake task takes it."""
        return {"body": self.body, "received_at": self.received_at}


class HandOff:
    """Gives events to `publish`, which blocks until the broker holds them, one call at a time.

    `publish` runs in a thread of its own, so that a broker that stalls never stalls the event loop.
    """

    def __init__(
        self,
        publish: Callable[[Sequence[dict[str, str]]], None],
        *,
        timeout: float = 4.0,
        limits: Limits = Limits(),  # it is frozen
    ) -> None:
        self._publish = publish
        self._limits = limits
        self._timeout = timeout
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hand-off")
        self._waiting: deque[Delivery] = deque()
        self._waiting_bytes = 0
        self._publisher: asyncio.Task[None] | None = None

    async def deliver(self, body: str) -> None:
        """Return once the broker holds the event. Raises BrokerUnavailable after `timeout` seconds."""
        if self._waiting_bytes + len(body) > self._limits.waiting_bytes:
            raise BrokerUnavailable("Too many events wait for the broker.")
        delivery = Delivery(body, datetime.now(UTC).isoformat(), asyncio.get_running_loop().create_future())
        self._waiting.append(delivery)
        self._waiting_bytes += len(body)
        if self._publisher is None:
            self._publisher = asyncio.create_task(self._publish_waiting())
        try:
            async with asyncio.timeout(self._timeout):
                await delivery.confirmed
        except TimeoutError:
            raise BrokerUnavailable(f"The broker has not confirmed within {self._timeout:g} s.") from None

    async def close(self) -> None:
        """Finish the publish under way."""
        if self._publisher is not None:
            await self._publisher
        self._thread.shutdown()

    async def _publish_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        while group := self._next_group():
            try:
                await loop.run_in_executor(self._thread, self._publish, [each.message() for each in group])
            except Exception as error:  # noqa: BLE001  # whatever went wrong, the event is not with the broker
                _log.warning(
                    "handoff.failed", events=len(group), error=type(error).__name__, detail=str(error)
                )
                self._answer(group, BrokerUnavailable("The broker cannot be reached."))
            else:
                self._answer(group, None)
        self._publisher = None

    def _next_group(self) -> list[Delivery]:
        group: list[Delivery] = []
        size = 0
        while self._waiting and len(group) < self._limits.events:
            if group and size + len(self._waiting[0].body) > self._limits.bytes:
                break
            delivery = self._waiting.popleft()
            self._waiting_bytes -= len(delivery.body)
            # Whoever gave up waiting was told to send the event again.
            if not delivery.confirmed.done():
                group.append(delivery)
                size += len(delivery.body)
        return group

    @staticmethod
    def _answer(group: Sequence[Delivery], error: BrokerUnavailable | None) -> None:
        for delivery in group:
            if delivery.confirmed.done():
                continue
            if error is None:
                delivery.confirmed.set_result(None)
            else:
                delivery.confirmed.set_exception(error)
