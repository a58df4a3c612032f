"""What only the receiver knows, counted: its answers, and its hand-offs to the broker.

Totals only rise while the process lives. Deliveries that were taken in are counted by their group, so they
cost one addition for each publish.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import structlog

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Totals:
    """What was counted until a moment."""

    #: Answers by status. Health checks are not among them, and of those with 200 the deliveries alone.
    answers: Mapping[int, int]
    #: Those with another status than 200, by the reason.
    refusals: Mapping[str, int]
    #: Publishes that the broker has confirmed.
    hand_offs: int
    #: The events in them; those whose senders were told to try again meanwhile are among them.
    events: int
    #: The seconds from the begin of each publish to its confirm, added up.
    hand_off_seconds: float


class Tally:
    """Counts for one process. Any thread may read it; the event loop's alone counts."""

    def __init__(self) -> None:
        self._refused: Counter[tuple[int, str]] = Counter()
        self._taken = 0
        self._hand_offs = 0
        self._events = 0
        self._seconds = 0.0
        self._slowest = 0.0

    def refuse(self, status: int, reason: str) -> None:
        """Count an answer that is not 200; `reason` is one of a few fixed words, never the sender's own."""
        self._refused[status, reason] += 1

    def hand_off(self, *, events: int, answered: int, seconds: float) -> None:
        """Count a publish that was confirmed after some seconds, and whom it answers with 200."""
        self._hand_offs += 1
        self._events += events
        self._taken += answered
        self._seconds += seconds
        self._slowest = max(self._slowest, seconds)

    def totals(self) -> Totals:
        """Return what has been counted so far."""
        answers: Counter[int] = Counter({200: self._taken} if self._taken else {})
        refusals: Counter[str] = Counter()
        # A copy, which the event loop cannot change while another thread goes through it.
        for (status, reason), count in dict(self._refused).items():
            answers[status] += count
            refusals[reason] += count
        return Totals(answers, refusals, self._hand_offs, self._events, self._seconds)

    def take_slowest(self) -> float:
        """Return the seconds of the slowest hand-off since this was asked last."""
        slowest, self._slowest = self._slowest, 0.0
        return slowest


class TallyLog:
    """Logs what was counted since the line before, if anything: each `interval` seconds, and at the end."""

    def __init__(self, tally: Tally, interval: float = 60.0, last_interval: float = 0.5) -> None:
        self._tally = tally
        self._interval = interval
        self._last_interval = last_interval
        self._told = tally.totals()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to log, by a timer of the running event loop's."""
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._write_and_go_on)

    def hurry(self) -> None:
        """Log at once, and soon again: a process that waits for its idle connections may be killed then."""
        self._interval = self._last_interval
        self.close()
        self.start()

    def close(self) -> None:
        """Log what no line has told yet, and end."""
        if self._timer is not None:
            self._timer.cancel()
        self._write()

    def _write_and_go_on(self) -> None:
        self._write()
        self.start()

    def _write(self) -> None:
        before, now = self._told, self._tally.totals()
        if now == before:
            return
        self._told = now
        _log.info(
            "answers.counted",
            answers=_more(before.answers, now.answers),
            refusals=_more(before.refusals, now.refusals),
            hand_offs=now.hand_offs - before.hand_offs,
            events=now.events - before.events,
            hand_off_seconds=round(now.hand_off_seconds - before.hand_off_seconds, 3),
            slowest_hand_off_seconds=round(self._tally.take_slowest(), 3),
        )


_Key = TypeVar("_Key", int, str)


def _more(before: Mapping[_Key, int], now: Mapping[_Key, int]) -> dict[_Key, int]:
    """Return by how much each count has risen, where it has."""
    return {key: count - before.get(key, 0) for key, count in now.items() if count > before.get(key, 0)}
