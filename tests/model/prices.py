"""What a price list asks, by trying every price that each line may have.

A list is what TOML makes of its text. Rates are fractions: nothing is rounded but where the rules say so.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import product
from typing import Any

Listed = Mapping[str, Any]


@dataclass(frozen=True)
class Purchase:
    lines: Sequence[tuple[str, int]]
    coupon: str | None
    plan: str | None
    is_subscribed: bool
    cents: int
    currency: str
    at: datetime


@dataclass(frozen=True)
class Answer:
    #: The error's name, or None: it is paid.
    error: str | None
    #: What each line cost.
    cents: Sequence[int] = ()
    over: int = 0


def answer(listed: Listed, purchase: Purchase) -> Answer:
    """Return what the list says."""
    names = [item for item, _ in purchase.lines]
    if any(name not in listed["items"] for name in names):
        return Answer("ItemUnknown")
    if purchase.coupon is not None and not any(
        _counts(listed, purchase.coupon, name, purchase.at) for name in names
    ):
        return Answer("CouponInvalid")
    for way in _ways(listed, purchase, former=True):
        if (cents := _filled(purchase, way)) is not None:
            return Answer(None, cents)
    if _is_prorated(listed, purchase):
        return Answer(None, [purchase.cents])
    if not any(_is_any(listed, name) for name in names):
        percent = listed.get("overpayment", {}).get("percent", 10)
        for way in _ways(listed, purchase, former=False):
            price = sum(each or 0 for each in way)
            if price < purchase.cents <= price * Fraction(100 + percent, 100):
                return Answer("Overpaid", [each or 0 for each in way], purchase.cents - price)
    return Answer("PriceMismatch")


def least_asked(listed: Listed, purchase: Purchase) -> int | None:
    """Return what nobody may pay less than, whatever else they claim; None: it is not sold for this money."""
    if _is_prorated(listed, purchase):
        return int(listed["plans"][purchase.plan]["price_range"]["from"])
    total = 0
    for item, quantity in purchase.lines:
        if item not in listed["items"]:
            return None
        if _is_any(listed, item):
            continue
        coupons = [each for each in listed.get("coupons", {}) if _counts(listed, each, item, purchase.at)]
        prices = list(_prices(listed["items"][item], purchase, former=True))
        if not prices:
            return None
        percents = [0, *(_off(listed, each) for each in coupons)]
        total += min(_cost(price, quantity, percent) for price in prices for percent in percents)
    return total


def costs(listed: Listed, purchase: Purchase) -> Iterator[int]:
    """Yield every sum that the prices of its lines can make."""
    for way in _ways(listed, purchase, former=True):
        yield sum(each or 0 for each in way)


def _is_any(listed: Listed, item: str) -> bool:
    return bool(listed["items"][item]["price"] == "any")


def _counts(listed: Listed, coupon: str, item: str, at: datetime) -> bool:
    stated = listed.get("coupons", {}).get(coupon)
    if stated is None or ("until" in stated and at > stated["until"]):
        return False
    return "items" not in stated or item in stated["items"]


def _off(listed: Listed, coupon: str) -> int:
    return int(listed["coupons"][coupon]["percent"])


def _prices(item: Listed, purchase: Purchase, *, former: bool) -> Iterator[Listed]:
    current = item["price"] if isinstance(item["price"], list) else [item["price"]]
    for price in current:
        if price.get("currency", "USD") == purchase.currency:
            yield price
    for price in item.get("former_prices", []) if former else []:
        is_good = purchase.at <= price["ended"] + timedelta(days=price["grace_days"])
        if is_good and price.get("currency", "USD") == purchase.currency:
            yield price


def _cost(price: Listed, quantity: int, percent: int) -> int:
    full = math.ceil(Fraction(price["cents"] * quantity, price.get("per", 1)))
    if percent == 100 or full == 0:
        return 0
    return max(1, math.floor(full * Fraction(100 - percent, 100)))


def _ways(listed: Listed, purchase: Purchase, *, former: bool) -> Iterator[Sequence[int | None]]:
    """Yield what each line may cost, None where any amount buys it; current prices come first."""
    choices: list[list[int | None]] = []
    for item, quantity in purchase.lines:
        if _is_any(listed, item):
            choices.append([None])
            continue
        coupon = purchase.coupon
        counts = coupon is not None and _counts(listed, coupon, item, purchase.at)
        percent = _off(listed, coupon) if coupon is not None and counts else 0
        prices = _prices(listed["items"][item], purchase, former=former)
        choices.append([_cost(price, quantity, percent) for price in prices])
    return product(*choices)


def _filled(purchase: Purchase, way: Sequence[int | None]) -> Sequence[int] | None:
    left = purchase.cents - sum(each or 0 for each in way)
    if left < 0 or (left > 0 and None not in way):
        return None
    filled = [each or 0 for each in way]
    if None in way:
        filled[list(way).index(None)] = left
    return filled


def _is_prorated(listed: Listed, purchase: Purchase) -> bool:
    plan = listed.get("plans", {}).get(purchase.plan)
    if plan is None or "price_range" not in plan or not purchase.is_subscribed:
        return False
    within = plan["price_range"]
    return (
        list(purchase.lines) == [(plan["item"], plan.get("quantity", 1))]
        and within.get("currency", "USD") == purchase.currency
        and within["from"] <= purchase.cents <= within["to"]
    )
