"""What a price list means, as plain documents for `--json`."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.payments.item import Item
from tasks.payments.price_changes import PriceChange
from tasks.payments.price_list import AcceptedPriceList
from tasks.payments.price_list_form import PriceList

#: The parts of a list beside its items.
_TERMS = ("coupons", "plans")


def identity(accepted: AcceptedPriceList | None) -> dict[str, object] | None:
    """Return by what a list is known, and since when it is in force."""
    if accepted is None:
        return None
    return {
        "id": accepted.id,
        "content_hash": accepted.content_hash,
        "accepted_at": accepted.accepted_at,
        "accepted_by": accepted.accepted_by,
    }


def meaning(prices: PriceList | None) -> dict[str, object]:
    """Return all that a list says; nothing of it before the first list."""
    if prices is None:
        return {"items": [], "coupons": [], "plans": [], "overpayment": None, "only": {}}
    return {
        "items": [item_document(name, item) for name, item in prices.items.items()],
        **{part: [_named(part, name, prices) for name in getattr(prices, part)] for part in _TERMS},
        "overpayment": prices.overpayment.model_dump(),
        "only": dict(prices.only),
    }


def item_document(name: str, item: Item) -> dict[str, object]:
    """Return an item; `cents` and `currency` are those of its first price, for one that has one alone."""
    first = item.prices[0] if item.prices else None
    former = [{**price.model_dump(), "accepted_until": price.accepted_until} for price in item.former_prices]
    return {
        "item": name,
        "cents": first and first.cents,
        "currency": first and first.currency,
        "prices": "any" if item.is_any else [price.model_dump() for price in item.prices],
        "former_prices": former,
        "refund": item.refund,
        "limit": item.limit,
        "once_per": item.once_per,
        "recipient": item.recipient,
        "grants": dict(item.grants),
    }


def item_changes(changes: Sequence[PriceChange]) -> list[dict[str, object]]:
    """Return what changes of items."""
    return [
        {
            "item": change.item,
            "before": change.before and item_document(change.item, change.before),
            "after": change.after and item_document(change.item, change.after),
        }
        for change in changes
    ]


def term_changes(before: PriceList | None, after: PriceList) -> list[dict[str, Any]]:
    """Return what changes beside the items: coupons, plans, what may be paid too much, and the filter."""
    former, new = _terms(before), _terms(after)
    return [
        {"term": term, "name": name, "before": former.get((term, name)), "after": new.get((term, name))}
        for term, name in {**former, **new}
        if former.get((term, name)) != new.get((term, name))
    ]


def _terms(prices: PriceList | None) -> Mapping[tuple[str, str], dict[str, Any]]:
    """Return what a list says beside the items, by what it is of and its name."""
    if prices is None:
        # What holds where a list says nothing is no news.
        return {("overpayment", "percent"): PriceList(items={}).overpayment.model_dump()}
    named = {(part, name): _named(part, name, prices) for part in _TERMS for name in getattr(prices, part)}
    only = {("only", name): {"value": value} for name, value in prices.only.items()}
    return {**named, ("overpayment", "percent"): prices.overpayment.model_dump(), **only}


def _named(part: str, name: str, prices: PriceList) -> dict[str, Any]:
    said = getattr(prices, part)[name]
    return {part.removesuffix("s"): name, **said.model_dump(by_alias=True)}
