"""What one price list says otherwise than another."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.payments.item import Item
from tasks.payments.price_list_form import PriceList


@dataclass(frozen=True, slots=True)
class PriceChange:
    """An item of which the list says something else: its prices, the former ones, or what it is sold as."""

    item: str
    #: None where the item is new.
    before: Item | None
    #: None where it is no longer sold.
    after: Item | None


def price_changes(before: PriceList | None, after: PriceList) -> Sequence[PriceChange]:
    """Return what changes when `after` takes the place of `before`, which is None before the first list.

    What is in `before` comes first, in its order.
    """
    former = before.items if before else {}
    return [
        PriceChange(name, former.get(name), after.items.get(name))
        for name in {**former, **after.items}
        if former.get(name) != after.items.get(name)
    ]
