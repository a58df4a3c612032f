"""A payment: all that is known of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tasks.payments.grants import Grant
from tasks.payments.resolution import Resolution
from tasks.payments.story import Statement
from tasks.payments.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Payment:
    """All that is known of a payment."""

    id: str
    events: Collection[Statement]
    #: What is held of it, by item.
    held: Mapping[str, Grant] = field(default_factory=dict)
    #: What persons have said of it, in order.
    resolutions: Sequence[Resolution] = ()
    #: What price lists have said of it.
    verdicts: Collection[Verdict] = ()
    #: Somebody asks for what was refused to be priced again.
    asks_again: bool = False
    #: The keys of its events that an operator has given up.
    discarded: Collection[str] = ()
