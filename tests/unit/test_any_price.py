"""Random lists, carts and payments: a quote says what the model says, and no claim buys anything for less."""

import os
import tomllib
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import Overpaid, PermanentError, PriceMismatch
from tasks.payments.price_list import PriceListError, read_price_list
from tasks.payments.quote import Asked, Quote, checkout_price, quote
from tests.model.prices import Answer, Listed, Purchase, answer, costs, least_asked
from tests.price_lists import CURRENCIES, NAMES, NOW, any_list, text_of

pytestmark = pytest.mark.long

MANY = settings(max_examples=10_000 if os.environ.get("CI") else 500, deadline=None)
SEEDS = st.integers(0, 2**64)


def any_purchase(random: Random, listed: Listed) -> Purchase:
    """Return a cart, paid with about what it costs, or with what another one costs."""
    names = [*listed["items"], *([random.choice(NAMES)] if random.random() < 0.05 else [])]
    coupons, plans = list(listed.get("coupons", {})), list(listed.get("plans", {}))
    lines = [
        (random.choice(names), random.choice([1, 1, 2, 3, 50, 101])) for _ in range(random.randint(1, 4))
    ]
    plan = random.choice([None, *plans, *plans, "none"])
    if plan in plans and random.random() < 0.7:
        lines = [(listed["plans"][plan]["item"], random.choice([1, 1, 2, 3]))]
    purchase = Purchase(
        lines=lines,
        coupon=random.choice([None, None, None, *coupons]) if random.random() < 0.95 else "none",
        plan=plan,
        is_subscribed=random.random() < 0.7,
        cents=random.randint(0, 3_000),
        currency=random.choice([*CURRENCIES, *["USD"] * 7]),
        at=NOW + timedelta(days=random.randint(-2, 5), microseconds=random.randint(-1, 1)),
    )
    other = replace(purchase, coupon=random.choice([None, purchase.coupon, *coupons]))
    if random.random() < 0.3 and plan in plans and "price_range" in listed["plans"][plan]:
        within = listed["plans"][plan]["price_range"]
        cents = random.choice([within["from"], within["to"]]) + random.choice([-1, 0, 0, 1])
        named = within.get("currency", "USD")
        return replace(purchase, cents=cents, currency=random.choice([named, named, "EUR"]))
    if all(name in listed["items"] for name, _ in lines):
        sums = list(costs(listed, _valid(listed, other))) or [0]
        # The first are the current prices.
        price = random.choice([sums[0], *sums])
        percent = listed.get("overpayment", {}).get("percent", 10)
        edge = price + price * percent // 100
        cents = random.choice([price, price, price, price - 1, price + 1, edge, edge + 1])
        purchase = replace(purchase, cents=max(cents, 0))
    return purchase


def _valid(listed: Listed, purchase: Purchase) -> Purchase:
    return purchase if purchase.coupon in listed.get("coupons", {}) else replace(purchase, coupon=None)


def asked(purchase: Purchase) -> Asked:
    return Asked(**vars(purchase))


def told(text: str, purchase: Purchase) -> tuple[Answer, Quote | None]:
    """Return what the product says, as the model says it, and the quote."""
    try:
        quoted = quote(read_price_list(text), asked(purchase))
    except Overpaid as refusal:
        cents = [line.cents for line in refusal.quote.lines]
        return Answer("Overpaid", cents, refusal.quote.over), None
    except PermanentError as refusal:
        return Answer(type(refusal).__name__), None
    return Answer(None, [line.cents for line in quoted.lines], quoted.over), quoted


@MANY
@given(seed=SEEDS)
def test_a_quote_is_what_the_model_says(seed: int) -> None:
    random = Random(seed)
    listed = any_list(random)
    text = text_of(random, listed)
    assert tomllib.loads(text) == listed
    purchase = any_purchase(random, listed)
    said, quoted = told(text, purchase)
    assert said == answer(listed, purchase)
    if quoted:
        assert [(line.item, line.quantity) for line in quoted.lines] == list(purchase.lines)
        assert sum(line.cents for line in quoted.lines) == purchase.cents
        for line in quoted.lines:
            item = listed["items"][line.item]
            assert line.grants == item.get("grants", {line.item: 1})
            assert line.proportional == (item.get("refund") == "proportional")


@MANY
@given(seed=SEEDS)
def test_nothing_is_sold_for_less_than_the_list_asks_whatever_is_claimed(seed: int) -> None:
    random = Random(seed)
    listed = any_list(random)
    text = text_of(random, listed)
    purchase = any_purchase(random, listed)
    least = least_asked(listed, purchase)
    if least:
        purchase = replace(purchase, cents=random.choice([least - 1, least // 2, 0]))
        least = least_asked(listed, purchase)
    said, _ = told(text, purchase)
    if least is None or purchase.cents < least:
        assert said.error
    if said.error is None:
        assert least is not None
        assert purchase.cents >= least


@MANY
@given(seed=SEEDS)
def test_what_a_checkout_must_charge_is_accepted(seed: int) -> None:
    random = Random(seed)
    listed = any_list(random)
    prices = read_price_list(text_of(random, listed))
    purchase = any_purchase(random, listed)
    try:
        cents = checkout_price(prices, purchase.lines, purchase.coupon, purchase.currency, purchase.at)
    except PriceMismatch:
        # Something has no price in the currency, or any.
        names = [name for name, _ in purchase.lines]
        assert any(has_no_price(listed["items"][name], purchase.currency) for name in names)
        return
    except PermanentError as refusal:
        assert answer(listed, purchase) == Answer(type(refusal).__name__)  # noqa: PT017  # either way
        return
    quoted = quote(prices, asked(replace(purchase, cents=cents)))
    assert (sum(line.cents for line in quoted.lines), quoted.over) == (cents, 0)


def has_no_price(item: Listed, currency: str) -> bool:
    prices = item["price"] if isinstance(item["price"], list) else [item["price"]]
    return item["price"] == "any" or all(each.get("currency", "USD") != currency for each in prices)


@given(
    seed=SEEDS,
    fault=st.sampled_from(
        [
            ("[items.broken]\nprice = [\n{ cents = 5 }, # ]\n{ cents = -5, currency = 'EUR' }]", 4),
            ("[items.broken]\nprice = 'any'\n[items.broken.grants]\nnothing = 1", 4),
            ("[coupons.broken]\npercent = 5\nitems = [\n'nothing']", 4),
            ("[coupons.broken]\nuntil = 2026-12-31T00:00:00Z\npercent = 0", 3),
            ("[plans.broken]\nitem = 'nothing'", 2),
            ("[items.broken]\nprice = 'any'\n[plans.broken]\nitem = 'broken'\nprice_range.from = 0\n", 5),
            ("[only.broken]\nenv = 'x'", 1),
        ]
    ),
)
def test_the_line_of_a_fault_is_exact_in_any_list(seed: int, fault: tuple[str, int]) -> None:
    random = Random(seed)
    listed = any_list(random)
    good, (broken, line) = text_of(random, listed), fault
    with pytest.raises(PriceListError, match=r"\.broken\b") as error:
        read_price_list(good + broken)
    assert error.value.line == good.count("\n") + line
