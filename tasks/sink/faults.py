"""How the sink fails, when it is asked to."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

_FORM = re.compile(r"status:(?P<status>[345]\d\d)|delay(:(?P<seconds>\d+(\.\d+)?))?|reset|lost")
#: Seconds: who notifies gives up after ten.
_DELAY = "15"


class FaultKind(StrEnum):
    """What goes wrong."""

    STATUS = "status"
    DELAY = "delay"
    RESET = "reset"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail: an answer of `status`, or one after `seconds`, or none at all."""

    kind: FaultKind
    status: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `status:503`, `delay`, `delay:2`, `reset` or `lost`. Raises ValueError."""
        found = _FORM.fullmatch(text)
        if not found:
            raise ValueError(
                f"expected status:CODE of 300 to 599, delay, delay:SECONDS, reset or lost, got {text!r}"
            )
        kind = FaultKind(text.partition(":")[0])
        return cls(kind, int(found["status"] or 0), float(found["seconds"] or _DELAY))

    @property
    def stores(self) -> bool:
        """Whether the work is done before it fails, so that nobody learns that it was."""
        return self.kind in {FaultKind.DELAY, FaultKind.LOST}


ALL = tuple(map(Fault.parse, ("status:500", "status:503", "delay", "reset", "lost")))


class Faults:
    """Draws which notifications fail, and how; the same ones again for the same seed."""

    def __init__(self, share: float = 0, ways: Sequence[Fault] = ALL, seed: int | None = None) -> None:
        self._share = share
        self._ways = ways
        # Nothing secret hangs on it.
        self._random = random.Random(seed)  # noqa: S311

    def draw(self) -> Fault | None:
        """Return how the next one fails, or None where it does not."""
        return self._random.choice(self._ways) if self._random.random() < self._share else None
