"""The kinds of errors, by what they mean for another try."""

from enum import Enum, auto
from typing import NamedTuple


class Kind(Enum):
    """What an error means for another try."""

    #: No event is to blame: it passes by itself, or once an operator has acted. It is tried again without
    #: end, because an outage is no reason to give up.
    TRANSIENT = auto()
    #: It would be the same next time: a dead letter at once.
    PERMANENT = auto()
    #: Nobody foresaw it: tried again UNEXPECTED_TRIES times, then a dead letter.
    UNEXPECTED = auto()


class Decision(NamedTuple):
    """Of which kind an error is, and why."""

    kind: Kind
    reason: str
