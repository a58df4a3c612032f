"""The log of what was refused: counted, because anybody on the internet can cause a refusal."""

import asyncio
from collections import Counter

import structlog

_log = structlog.get_logger(__name__)


class Refusals:
    """Logs the first refusal at once, and then at most one line with counts per `interval` seconds."""

    def __init__(self, interval: float = 10.0) -> None:
        self._interval = interval
        self._counts: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def note(self, reason: str) -> None:
        """Count a refusal; `reason` is one of a few fixed texts, never the sender's own."""
        self._counts[reason] += 1
        if self._timer is None:
            self._write()

    def _write(self) -> None:
        self._timer = None
        if self._counts:
            _log.warning("deliveries.refused", count=self._counts.total(), reasons=dict(self._counts))
            self._counts.clear()
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._write)
