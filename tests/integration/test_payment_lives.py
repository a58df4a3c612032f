"""Whatever a payment lives through, and however its events are delivered, it ends as its life says."""

import json
import uuid
from datetime import UTC, datetime
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from tasks.catalog import Catalog, Item, Price
from tasks.fulfilment import fulfil
from tasks.intake import Delivery, store
from tasks.schema import RunState, dead_letters, events, grants, handler_runs, ledger_entries, payments
from tests.lives import Life, deliveries, live

PRICES = Catalog(items={"sword": Item(price=Price(cents=500, currency="USD"))})
#: Payments have ids of their own, so one database serves all examples.
SHARED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def deliver(engine: Engine, random: Random, life: Life) -> None:
    """Deliver a life's events in groups, in any order, with copies; fulfil now and then and at the end."""
    left = deliveries(random, life.packets)
    while left:
        size = random.randint(1, 8)
        group, left = left[:size], left[size:]
        with engine.begin() as connection:
            store(connection, [_delivery(packet) for packet in group])
        if not left or random.randrange(2):
            with engine.begin() as connection:
                assert fulfil(connection, PRICES, [life.payment_id]) == {}


def _delivery(packet: dict[str, Any]) -> Delivery:
    return {"body": json.dumps(packet), "received_at": datetime.now(UTC).isoformat()}


def check(engine: Engine, life: Life) -> None:
    """Compare decision, wallet and ledger with what the life says."""
    entry = ledger_entries.c
    with engine.connect() as connection:
        payment = connection.execute(select(payments).where(payments.c.id == life.payment_id)).one()
        held = connection.execute(select(grants).where(grants.c.payment_id == life.payment_id)).all()
        balance = connection.execute(
            select(func.sum(entry.quantity)).where(entry.payment_id == life.payment_id)
        ).scalar_one()
        unhandled = connection.execute(
            select(func.count())
            .select_from(handler_runs.join(events))
            .where(events.c.payment_id == life.payment_id, handler_runs.c.state != RunState.DONE)
        ).scalar_one()
        letters = connection.execute(select(func.count()).select_from(dead_letters)).scalar_one()
    assert (payment.decision, payment.refunded_cents) == (life.decision, life.refunded_cents)
    assert [(grant.quantity, grant.status) for grant in held] == ([life.held] if life.held else [])
    assert {(grant.wallet, grant.item) for grant in held} <= {(life.wallet, "sword")}
    usable = sum(grant.quantity for grant in held if grant.status == "granted")
    assert (balance or 0) == usable
    assert (unhandled, letters) == (0, 0)


@settings(SHARED, max_examples=1000)
@given(seed=st.integers(0, 2**64))
def test_any_order_and_number_of_deliveries_ends_in_the_same_wallet(engine: Engine, seed: int) -> None:
    """1,000 lives on each kind of database."""
    random = Random(seed)
    life = live(random, f"payment-{uuid.uuid4()}", "alice")
    deliver(engine, random, life)
    check(engine, life)
