"""A payment: all that is known of it."""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from tasks.coinflow.event import storable
from tasks.payments.discards import Discard
from tasks.payments.grants import Grant
from tasks.payments.order import Order
from tasks.payments.resolution import Resolution
from tasks.payments.story import Statement
from tasks.payments.verdict import Verdict


class Payment(NamedTuple):
    """All that is known of a payment."""

    id: str
    events: Collection[Statement]
    #: What is held of it, by item.
    held: Mapping[str, Grant] = MappingProxyType({})
    #: What persons have said of it, in order.
    resolutions: Sequence[Resolution] = ()
    #: What the merchant's own order function says of it.
    order: Order | None = None
    #: What price lists have said of it.
    verdicts: Collection[Verdict] = ()
    #: Somebody asks for what was refused to be priced again.
    asks_again: bool = False
    #: What operators have given up, by the keys of its events.
    discarded: Mapping[str, Discard] = MappingProxyType({})

    @property
    def order_id(self) -> str | None:
        """The merchant's own id of the order that its events name, as databases can store it, or None."""
        named = (storable(each.facts.order_id) for each in self.events if each.facts.order_id)
        return min(named, default=None)
