"""The hand-off: a group commit of deliveries to the broker.

While one publish is being confirmed, deliveries that arrive gather, and the next publish carries them all.
Alone, a delivery waits for nobody. Under load, a group waits a few milliseconds for those who were there the
last time: a larger group costs receiver, broker, worker and database less for each event.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from celeryconfig import TRACEPARENT
from receiver.envelope import Envelope
from receiver.reasons import NotTakenIn, Reason
from receiver.tally import Tally

_log = structlog.get_logger(__name__)

#: Events that one line of the log tells of at most: some routers of logs cut a line at 10 kB.
_NAMED = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one publish, and of what may wait while the broker is slow."""

    events: int = 500
    bytes: int = 4_194_304
    waiting_bytes: int = 67_108_864
    #: Seconds that a group waits for more events.
    gathering: float = 0.005


class BrokerUnavailable(NotTakenIn):  # it names a state that passes, not a mistake
    """The broker did not confirm in time that it holds the event; the sender must try again."""


# Tuples, here and of the envelope: a frozen dataclass takes thrice the time to make.
class Delivery(NamedTuple):
    """An event on its way to the broker and the future that its request waits for."""

    envelope: Envelope
    received_at: str
    #: By the event loop's clock.
    deadline: float
    confirmed: asyncio.Future[None]
    #: The context of its span, where somebody traces: its own, for its group has none.
    traceparent: str | None = None

    @property
    def size(self) -> int:
        """The characters of its body."""
        return len(self.envelope.text)

    def message(self) -> dict[str, str]:
        """Return the event as the intake task takes it."""
        event = {"body": self.envelope.text, "received_at": self.received_at}
        if self.traceparent:
            event[TRACEPARENT] = self.traceparent
        return event


class HandOff:
    """Gives events to `publish`, which blocks until the broker holds them and returns the task's id.

    `publish` runs in a thread of its own, so that a broker that stalls never stalls the event loop.
    """

    def __init__(
        self,
        publish: Callable[[Sequence[dict[str, str]]], str],
        tally: Tally,
        *,
        timeout: float = 4.0,
        limits: Limits = Limits(),  # it is frozen
    ) -> None:
        self._publish = publish
        self._tally = tally
        self._limits = limits
        self._timeout = timeout
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hand-off")
        self._waiting: deque[Delivery] = deque()
        self._waiting_bytes = 0
        #: In the order of their deadlines; whoever has been answered goes with the next answers.
        self._unanswered: deque[Delivery] = deque()
        self._expiry: asyncio.TimerHandle | None = None
        #: How many there were when the last publish ended: those it answered, and those who waited.
        self._expected = 1
        self._all_here = asyncio.Event()
        self._publisher: asyncio.Task[None] | None = None

    async def deliver(self, envelope: Envelope, traceparent: str | None = None) -> None:
        """Return once the broker holds the event. Raises BrokerUnavailable after `timeout` seconds.

        `traceparent` is the context of its span, which goes with it.
        """
        size = len(envelope.text)
        if self._waiting_bytes + size > self._limits.waiting_bytes:
            raise BrokerUnavailable(Reason.TOO_MANY_WAIT, "Too many events wait for the broker.")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout
        received_at = datetime.now(UTC).isoformat()
        delivery = Delivery(envelope, received_at, deadline, loop.create_future(), traceparent)
        self._waiting.append(delivery)
        self._waiting_bytes += size
        self._unanswered.append(delivery)
        if self._expiry is None:
            self._expiry = loop.call_at(deadline, self._expire)
        if self._publisher is None or self._publisher.done():
            self._publisher = asyncio.create_task(self._publish_waiting())
        elif len(self._waiting) >= self._expected:
            self._all_here.set()
        await delivery.confirmed

    async def close(self) -> None:
        """Finish the publish under way."""
        if self._publisher is not None:
            await self._publisher
        if self._expiry is not None:
            self._expiry.cancel()
        self._thread.shutdown()

    async def _publish_waiting(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await self._gather()
            if not (group := self._next_group()):
                continue
            began = loop.time()
            try:
                task_id = await loop.run_in_executor(
                    self._thread, self._publish, [each.message() for each in group]
                )
            except Exception as error:  # noqa: BLE001  # whatever went wrong, the event is not with the broker
                _log.warning(
                    "handoff.failed", events=len(group), error=type(error).__name__, detail=str(error)
                )
                self._answer(group, BrokerUnavailable(Reason.BROKER_AWAY, "The broker cannot be reached."))
            else:
                seconds = loop.time() - began
                answered = self._answer(group, None)
                self._tally.hand_off(events=len(group), answered=answered, seconds=seconds)
                _tell(task_id, group)
            self._expected = min(len(group) + len(self._waiting), self._limits.events)

    async def _gather(self) -> None:
        """Wait until as many are here as the last time, but not for long."""
        if len(self._waiting) < self._expected:
            self._all_here.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._limits.gathering):
                    await self._all_here.wait()

    def _next_group(self) -> list[Delivery]:
        group: list[Delivery] = []
        size = 0
        while self._waiting and len(group) < self._limits.events:
            if group and size + self._waiting[0].size > self._limits.bytes:
                break
            delivery = self._waiting.popleft()
            self._waiting_bytes -= delivery.size
            # Whoever gave up waiting was told to send the event again.
            if not delivery.confirmed.done():
                group.append(delivery)
                size += delivery.size
        return group

    def _answer(self, group: Sequence[Delivery], error: BrokerUnavailable | None) -> int:
        """Answer whoever still waits; return how many they are."""
        gone = 0
        for delivery in group:
            if delivery.confirmed.done():
                gone += 1
                continue
            if error is None:
                delivery.confirmed.set_result(None)
            else:
                delivery.confirmed.set_exception(error)
        self._forget_answered()
        return len(group) - gone

    def _forget_answered(self) -> None:
        while self._unanswered and self._unanswered[0].confirmed.done():
            self._unanswered.popleft()

    def _expire(self) -> None:
        """Refuse whoever has waited long enough. Deadlines are in order, so one timer serves all."""
        loop = asyncio.get_running_loop()
        error = BrokerUnavailable(
            Reason.BROKER_SLOW, f"The broker has not confirmed within {self._timeout:g} s."
        )
        self._forget_answered()
        while self._unanswered and self._unanswered[0].deadline <= loop.time():
            self._unanswered[0].confirmed.set_exception(error)
            self._forget_answered()
        self._expiry = loop.call_at(self._unanswered[0].deadline, self._expire) if self._unanswered else None


def _tell(task_id: str, group: Sequence[Delivery]) -> None:
    for at in range(0, len(group), _NAMED):
        named = group[at : at + _NAMED]
        envelopes = [each.envelope for each in named]
        traces = [each.traceparent.split("-")[1] for each in named if each.traceparent]
        _log.info(
            "deliveries.accepted",
            task_id=task_id,
            events=len(envelopes),
            event_types=dict(Counter(each.event_type[:100] for each in envelopes)),
            payments=[each.payment_id for each in envelopes if each.payment_id],
            # In the order of the events, where somebody traces.
            **({"trace_ids": traces} if traces else {}),
        )
