"""Whatever `webhookInfo` says, no wallet gets anything for less than the price list asks."""

import os
import tomllib
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.coinflow.samples import sample, with_identity
from tasks.payments.payment import Payment
from tasks.payments.settlement import Settlement, settle
from tests.model.prices import Purchase, costs, least_asked
from tests.price_lists import CURRENCIES, NAMES, any_list, text_of
from tests.rules import read, terms

pytestmark = pytest.mark.long

MANY = settings(max_examples=10_000 if os.environ.get("CI") else 500, deadline=None)
CREATED = "2026-11-05T00:00:00.000Z"


def any_info(random: Random, listed: dict[str, Any]) -> dict[str, Any]:
    """Return what a buyer may write into `webhookInfo`."""
    names = [*listed["items"], random.choice(NAMES)]

    def line() -> dict[str, Any]:
        return {"item": random.choice(names), "quantity": random.choice([1, 1, 2, "3", 100, 0, -1, None])}

    cart = {"items": [line() for _ in range(random.randint(0, 4))]}
    info: dict[str, Any] = random.choice([line(), line(), cart, {}])
    for name, values in (
        ("coupon", ["A", "B-2", "none"]),
        ("plan", ["gold", "year"]),
        ("recipient", ["bob"]),
        ("env", ["production", "test"]),
        ("orderId", ["7"]),
    ):
        if random.random() < 0.3:
            info[name] = random.choice(values)
    return info


def any_settlement(random: Random, listed: dict[str, Any]) -> tuple[Settlement, Mapping[str, Any]]:
    """Return what a purchase comes to, paid by about what it costs, and its data."""
    packet = sample("Settled")
    with_identity(packet, payment_id="pay", wallet="alice", item="sword", cents=random.randint(0, 3_000))
    info = any_info(random, listed)
    packet["created"] = CREATED
    packet["data"].update(webhookInfo=info)
    if random.random() < 0.3:
        packet["data"]["subscription"] = {"plan": {"code": random.choice(["gold", "year", "none"])}}
    if random.random() < 0.8:
        packet["data"]["subtotal"]["currency"] = random.choice(CURRENCIES)
    settlement = settle(Payment("pay", [read(packet)]), terms(text_of(random, listed)))
    if settlement.refusal and (lines := _asked(settlement)):
        # Near the price, above and below it.
        sums = list(costs(listed, _purchase(settlement, packet["data"], lines)))[:20]
        packet["data"]["subtotal"]["cents"] = max(
            0, random.choice(sums or [0]) + random.choice([-1, 0, 0, 1])
        )
        settlement = settle(Payment("pay", [read(packet)]), terms(text_of(random, listed)))
    return settlement, packet["data"]


def _asked(settlement: Settlement) -> list[tuple[str, int]]:
    return [(line.item, line.quantity) for verdict in settlement.verdicts for line in verdict.lines]


def _purchase(settlement: Settlement, data: Mapping[str, Any], lines: list[tuple[str, int]]) -> Purchase:
    paid = settlement.decision.paid
    assert paid
    assert paid.happened_at
    cycle = paid.facts.cycle
    return Purchase(
        lines=lines,
        coupon=None,
        plan=cycle.plan if cycle else None,
        is_subscribed=cycle is not None,
        cents=data["subtotal"]["cents"],
        currency=data["subtotal"].get("currency", "USD"),
        at=paid.happened_at,
    )


@MANY
@given(seed=st.integers(0, 2**64))
def test_nothing_is_granted_for_less_than_the_list_asks_whatever_is_claimed(seed: int) -> None:
    random = Random(seed)
    listed = tomllib.loads(text_of(random, any_list(random)))
    settlement, data = any_settlement(random, listed)
    if settlement.due:
        named = settlement.decision.named
        assert named
        (verdict,) = (each for each in settlement.verdicts if each.asked == named.asked and not each.error)
        lines = [(line.item, line.quantity) for line in verdict.lines]
        least = least_asked(listed, _purchase(settlement, data, lines))
        assert least is not None
        assert data["subtotal"]["cents"] >= least
        assert sum(grant.quantity for grant in settlement.due.values()) == sum(
            line.quantity * sum(line.grants.values()) for line in verdict.lines
        )
    assert settlement.status in {"granted", "refused", "unmatched", "filtered"}
