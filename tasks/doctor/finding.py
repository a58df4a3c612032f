"""What a check has found."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding asks for."""

    OK = "ok"
    #: It could not be looked at; another finding says why, or it took too long.
    UNKNOWN = "unknown"
    #: Work for a person: the product goes on.
    NOTICE = "notice"
    #: The product cannot work, or soon cannot.
    FAULT = "fault"


#: As wide as the longest level.
_WIDTH = max(map(len, Level))
_LOUD = (Level.NOTICE, Level.FAULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check has found of one subject."""

    check: str
    #: Which queue, endpoint, kind of work; None where there is one alone.
    subject: str | None = None
    level: Level = Level.OK
    #: What was seen, in a sentence without its full stop.
    seen: str
    #: What to do, in a sentence; None where there is nothing to do.
    next_step: str | None = None

    def __str__(self) -> str:
        """Return it as one line."""
        level = self.level.upper() if self.level in _LOUD else self.level
        name = f"{self.check} {self.subject}" if self.subject else self.check
        return f"{level:{_WIDTH}}  {name}: {self.seen}." + (f" {self.next_step}" if self.next_step else "")


def worst(findings: Iterable[Finding]) -> Level:
    """Return the level of the finding that asks for most; ok where there is none."""
    order = list(Level)
    return max((each.level for each in findings), key=order.index, default=Level.OK)
