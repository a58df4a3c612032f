"""Payments that take of one limit at the same moment: together they never get more than it allows."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, func, select

from tasks.pipeline.dispatch import Delivery
from tasks.store.price_lists import accept
from tasks.store.schema import dead_letters, grants, payments
from tests.integration.pipeline import delivery, run, take_in

PRICES = """
[items.sword]
price = { cents = 500 }
limit = 3
recipient = true

[items.ticket]
price = { cents = 500 }
once_per = "orderId"
recipient = true
"""


@pytest.fixture
def engine(migrated: Engine) -> Engine:
    """Return a database that sells what has limits."""
    with migrated.begin() as connection:
        accept(connection, PRICES, "a test")
    return migrated


def fulfil_at_once(engine: Engine, deliveries: Sequence[Delivery]) -> None:
    """Store and fulfil each delivery in a transaction of its own, twelve at a time."""

    def work(each: Delivery) -> None:
        run(engine, take_in(engine, each))

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, deliveries))


def decisions(engine: Engine) -> Counter[str]:
    with engine.connect() as connection:
        return Counter(connection.execute(select(payments.c.decision)).scalars())


def test_payments_at_once_get_no_more_than_a_wallet_may_have(engine: Engine) -> None:
    bought = [delivery(f"own-{number}") for number in range(12)]
    given = [
        delivery(
            f"gift-{number}",
            data__rawCustomerId="bob",
            data__webhookInfo={"item": "sword", "recipient": "alice"},
        )
        for number in range(12)
    ]
    fulfil_at_once(engine, [each for pair in zip(bought, given, strict=True) for each in pair])
    assert decisions(engine) == {"granted": 3, "refused": 21}
    with engine.connect() as connection:
        assert connection.execute(select(func.sum(grants.c.quantity))).scalar_one() == 3
        assert set(connection.execute(select(grants.c.wallet)).scalars()) == {"alice"}
        assert Counter(connection.execute(select(dead_letters.c.error)).scalars()) == {"LimitReached": 21}


def test_payments_at_once_of_one_order_buy_its_item_once(engine: Engine) -> None:
    info = {"item": "ticket", "orderId": "seat-14"}
    fulfil_at_once(engine, [delivery(f"pay-{number}", data__webhookInfo=info) for number in range(24)])
    assert decisions(engine) == {"granted": 1, "refused": 23}


def test_carts_that_take_of_several_limits_in_any_order_wait_for_each_other(engine: Engine) -> None:
    lines = [{"item": "sword"}, {"item": "ticket"}]
    carts = [
        delivery(
            f"pay-{number}",
            data__subtotal={"cents": 1000},
            data__webhookInfo={
                "items": lines if number % 2 else lines[::-1],
                "orderId": f"seat-{number % 4}",
                "recipient": f"friend-{number % 3}",
            },
            data__rawCustomerId=f"buyer-{number % 5}",
        )
        for number in range(24)
    ]
    fulfil_at_once(engine, carts)
    assert decisions(engine) == {"granted": 4, "refused": 20}
