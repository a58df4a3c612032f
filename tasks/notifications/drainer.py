"""The drainer of an endpoint: tells what is due, many at once, until nothing is.

Its tries run in an event loop of its own, which notes how they end in turns: short transactions, each for
all that has ended meanwhile. Many processes may drain one endpoint; the database keeps what is in flight at
all of them within the endpoint's bounds.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

import structlog
from sqlalchemy import Engine

from tasks.notifications.outcome import Outcome, OutcomeKind
from tasks.notifications.tellers import Teller
from tasks.notifications.turn import Ended, Terms, Turn, log, take_turn
from tasks.payments.change import Notification
from tasks.store.faults import name, told
from tasks.store.notifications import Claimed
from tasks.tracing import tracing
from tasks.worker.kinds import Kind
from tasks.worker.retries import kind

_log = structlog.get_logger(__name__)

#: Seconds for which a drainer goes on. Another one comes then, or a broker would take its message for lost.
LIFE = 60.0
#: Seconds for which it waits for what comes or is due by then, with its connections open.
HORIZON = 10.0
#: Seconds in which tries that are in flight may end when their worker stops.
GRACE = 2.0
#: Seconds between two looks at whether the worker stops.
_LOOK = 0.5
#: Seconds between two tries of a turn while the database is away, and for how long what has ended is kept.
_RETRY = 1.0
_KEPT = 20.0
_RESTART = "This process tells another address than those that started later: restart `notify`."


class Drainer:
    """Drains one endpoint, once."""

    horizon = HORIZON

    def __init__(
        self,
        endpoint: str,
        teller: Teller,
        engine: Engine,
        terms: Terms,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._endpoint = endpoint
        self._teller = teller
        self._engine = engine
        self._terms = terms
        self._is_stopping = is_stopping
        self._tries: dict[asyncio.Task[Outcome], Claimed] = {}
        self._rung = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._until = 0.0
        self._is_former = False
        #: Lets another drainer go on, once this one begins nothing more.
        self.hand_over: Callable[[], None] = lambda: None
        #: Whether the bell has rung since its last turn began.
        self.is_rung = False
        #: When something else may be tried, by `time.monotonic`, where that is known.
        self.due_at: float | None = None

    def ring(self) -> None:
        """Say, from any thread, that something has become due."""
        self.is_rung = True
        if loop := self._loop:
            # One that has just ended looks no more; whoever has begun it looks at `is_rung`.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._rung.set)

    async def drain(self) -> None:
        """Tell what is due. Raises what the database fails with, once that lasts."""
        self._loop = asyncio.get_running_loop()
        self._until = time.monotonic() + LIFE
        async with self._teller:
            while True:
                is_last = self._is_over()
                if is_last:
                    if not self._is_stopping():
                        # What is in flight may take its time.
                        await asyncio.to_thread(self.hand_over)
                    await self._wait_for_all()
                self._rung.clear()
                self.is_rung = False
                turn = await self._take_turn(is_last=is_last)
                self.due_at = None if turn.wait is None else time.monotonic() + turn.wait
                for claimed, told in turn.claimed:
                    self._tries[asyncio.create_task(self._try(claimed, told))] = claimed
                if is_last or not await self._has_more(turn.wait):
                    return

    async def _try(self, claimed: Claimed, told: Notification | Outcome) -> Outcome:
        if isinstance(told, Outcome):
            return told
        with tracing.span(
            "notification",
            "CLIENT",
            endpoint=self._endpoint,
            payment_id=claimed.payment_id,
            version=claimed.version,
            attempt=claimed.attempt,
        ):
            outcome = await self._teller.tell(told)
            if outcome.kind is not OutcomeKind.DONE:
                tracing.fail(str(outcome.kind))
        return outcome

    def _is_over(self) -> bool:
        return self._is_stopping() or time.monotonic() > self._until

    async def _take_turn(self, *, is_last: bool) -> Turn:
        ended = [Ended(self._tries.pop(each), each.result()) for each in list(self._tries) if each.done()]
        most = 0 if is_last else self._terms.concurrency
        kept_until = time.monotonic() + _KEPT
        while True:
            try:
                turn = await asyncio.to_thread(self._turn, ended, most)
            except Exception as error:
                is_passing = kind(error) is Kind.TRANSIENT and time.monotonic() < kept_until
                if not (ended or self._tries) or not is_passing or self._is_stopping():
                    raise
                # What has arrived would be told again.
                _log.warning(
                    "notifications.waiting", endpoint=self._endpoint, error=name(error), reason=told(error)
                )
                await asyncio.sleep(_RETRY)
            else:
                log(self._endpoint, turn)
                if turn.is_former and not self._is_former:
                    _log.warning("endpoint.former_address", endpoint=self._endpoint, next_step=_RESTART)
                self._is_former = turn.is_former
                return turn

    def _turn(self, ended: list[Ended], most: int) -> Turn:
        with self._engine.begin() as connection:
            return take_turn(connection, self._endpoint, ended, most, self._terms)

    async def _has_more(self, seconds: float | None) -> bool:
        """Wait until a try has ended, the bell has rung or something is due; tell whether any will."""
        # What is due and may not be tried yet is blocked by tries in flight, here or elsewhere.
        wait = self.horizon if seconds is None else max(_LOOK, seconds)
        until = time.monotonic() + min(wait, self.horizon)
        rung = asyncio.create_task(self._rung.wait())
        try:
            while not self._is_over():
                left = until - time.monotonic()
                if left <= 0:
                    return bool(self._tries) or wait < self.horizon
                done, _ = await asyncio.wait(
                    {*self._tries, rung}, timeout=min(_LOOK, left), return_when=asyncio.FIRST_COMPLETED
                )
                if done:
                    return True
        finally:
            rung.cancel()
        return True

    async def _wait_for_all(self) -> None:
        """Let tries end. Of one that has not by then nobody knows the outcome: its claim lapses."""
        if not self._tries:
            return
        grace = GRACE if self._is_stopping() else self._teller.limit
        _, late = await asyncio.wait(self._tries, timeout=grace)
        for each in late:
            del self._tries[each]
            each.cancel()
        await asyncio.gather(*late, return_exceptions=True)
