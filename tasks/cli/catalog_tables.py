"""What a price list means, in tables and sentences for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.cli.output import print_table, say
from tasks.payments.item import Item
from tasks.payments.price import Price
from tasks.payments.price_changes import PriceChange
from tasks.payments.price_list_form import PriceList
from tasks.worker.any_amount import WARNING, any_amount_items


def print_list(prices: PriceList) -> None:
    """Print all that a list says."""
    print_table("Prices", [row for name, item in prices.items.items() for row in _price_rows(name, item)])
    special = [(name, item) for name, item in prices.items.items() if _conditions(item)]
    for title, rows in (
        ("Items", [_item_row(name, item) for name, item in special]),
        ("Coupons", [_coupon_row(name, prices) for name in prices.coupons]),
        ("Plans", [_plan_row(name, prices) for name in prices.plans]),
    ):
        if rows:
            print_table(title, rows)
    percent = prices.overpayment.percent
    say(
        f"Too much paid: up to {percent} percent is granted and listed, if its currency is certain."
        if percent
        else "Too much paid: always refused."
    )
    if prices.only:
        wanted = ", ".join(f"{name} = {value}" for name, value in prices.only.items())
        say(f"Only payments whose webhookInfo says {wanted}.")


def print_changes(title: str, changes: Sequence[PriceChange], terms: Sequence[Mapping[str, Any]]) -> None:
    """Print what another list would say otherwise, of items and of all else."""
    rows = [
        {"what": each.item, "before": _in_words(each.before), "after": _in_words(each.after)}
        for each in changes
    ]
    for each in terms:
        what = f"{each['term'].removesuffix('s')} {each['name']}"
        before, after = (_term_in_words(each[when]) for when in ("before", "after"))
        rows.append({"what": what, "before": before, "after": after})
    print_table(title, rows)


def warn_of_any(prices: PriceList) -> None:
    """Say on standard error which items any amount buys."""
    if items := any_amount_items(prices):
        say(f"Warning: any amount buys {items}: {WARNING}.", err=True)


def _price_rows(name: str, item: Item) -> list[dict[str, object]]:
    return [
        {
            "item": name,
            "cents": price.cents if price else "any",
            "per": price.per if price and price.per > 1 else None,
            "currency": price and price.currency,
            "accepted_until": getattr(price, "accepted_until", None),
        }
        for price in (*(item.prices or [None]), *item.former_prices)
    ]


def _item_row(name: str, item: Item) -> dict[str, object]:
    return {
        "item": name,
        "refund": item.refund,
        "limit": item.limit,
        "once_per": item.once_per,
        "recipient": "may be named" if item.recipient else None,
        "grants": item.grants,
    }


def _coupon_row(name: str, prices: PriceList) -> dict[str, object]:
    coupon = prices.coupons[name]
    return {
        "coupon": name,
        "percent": coupon.percent,
        "until": coupon.until,
        "items": "all" if coupon.items is None else ", ".join(coupon.items),
    }


def _plan_row(name: str, prices: PriceList) -> dict[str, object]:
    plan = prices.plans[name]
    span = plan.price_range
    return {
        "plan": name,
        "item": plan.item,
        "quantity": plan.quantity,
        "prorated": f"{span.least} to {span.most} cents {span.currency}" if span else None,
    }


def _in_words(item: Item | None) -> str:
    if item is None:
        return "not sold"
    former = [
        f"{_price_in_words(price)} until {price.accepted_until:%Y-%m-%d %H:%M}"
        for price in item.former_prices
    ]
    prices = map(_price_in_words, item.prices)
    return ", ".join([*prices, *(["any amount"] if item.is_any else []), *former, *_conditions(item)])


def _price_in_words(price: Price) -> str:
    return f"{price.cents} {price.currency}" + (f" per {price.per}" if price.per > 1 else "")


def _conditions(item: Item) -> list[str]:
    """Return what is said of an item beside its prices."""
    return [
        *([f"refund {item.refund}"] if item.refund != "keep" else []),
        *([f"limit {item.limit}"] if item.limit is not None else []),
        *([f"once per {item.once_per}"] if item.once_per else []),
        *(["recipient may be named"] if item.recipient else []),
        *([f"grants {_units(item.grants)}"] if item.grants else []),
    ]


def _units(grants: Mapping[str, int]) -> str:
    return " + ".join(f"{count} x {name}" for name, count in grants.items())


def _term_in_words(said: Mapping[str, Any] | None) -> str:
    if said is None:
        return "none"
    # The first of a coupon's and of a plan's is its name.
    told = {name: value for name, value in said.items() if name not in {"coupon", "plan"}}
    return ", ".join(f"{name} {_plain(value)}" for name, value in told.items() if value is not None)


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name} {each}" for name, each in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
