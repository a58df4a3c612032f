"""Whatever a payment lives through, and however its events are delivered, it ends as its life says."""

import json
import os
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from random import Random
from threading import Barrier
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from tasks.coinflow.samples import sample, with_identity
from tasks.pipeline.dispatch import Delivery
from tasks.pipeline.intake import store
from tasks.store.fulfilment import fulfil
from tasks.store.schema import dead_letters, events, grants, handler_runs, ledger_entries, payments
from tasks.store.states import RunState
from tasks.worker.retries import TRANSIENT
from tests.lives import Life, deliveries, live

#: Payments have ids of their own, so one database serves all examples.
SHARED = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def deliver(engine: Engine, random: Random, lives: Sequence[Life]) -> None:
    """Deliver lives' events in groups, in any order, with copies; fulfil now and then and at the end."""
    payment_ids = [life.payment_id for life in lives]
    left = deliveries(random, [packet for life in lives for packet in life.packets])
    while left:
        size = random.randint(1, 8 * len(lives))
        group, left = left[:size], left[size:]
        with engine.begin() as connection:
            store(connection, [_delivery(packet) for packet in group])
        if not left or random.randrange(2):
            with engine.begin() as connection:
                assert fulfil(connection, payment_ids) == {}


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


@settings(SHARED, max_examples=100 if os.environ.get("CI") else 20)
@given(seed=st.integers(0, 2**64))
def test_any_order_and_number_of_deliveries_ends_in_the_same_wallet(engine: Engine, seed: int) -> None:
    """1,000 lives on each kind of database, ten at a time, fewer where nobody waits for all of them."""
    random = Random(seed)
    lives = [live(random, f"payment-{uuid.uuid4()}", "alice") for _ in range(10)]
    deliver(engine, random, lives)
    for life in lives:
        check(engine, life)


def test_a_payment_and_its_loss_at_the_same_time_never_end_granted(engine: Engine) -> None:
    """200 times each in a thread of its own, as two workers would; only what a task retries is retried."""
    payment_ids = [f"pay-{number}" for number in range(200)]
    together = Barrier(2, timeout=60)

    def work(event_type: str) -> None:
        for payment_id in payment_ids:
            packet = sample(event_type)
            with_identity(packet, payment_id=payment_id, wallet="alice")
            together.wait()
            _persist(partial(store_one, packet))
            _persist(partial(fulfil_one, payment_id))

    def store_one(packet: dict[str, Any]) -> None:
        with engine.begin() as connection:
            store(connection, [_delivery(packet)])

    def fulfil_one(payment_id: str) -> None:
        with engine.begin() as connection:
            assert fulfil(connection, [payment_id]) == {}

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, ["Settled", "Card Payment Chargeback Lost"]))
    with engine.connect() as connection:
        held = connection.execute(select(grants.c.payment_id, grants.c.status)).all()
        unhandled = connection.execute(
            select(handler_runs).where(handler_runs.c.state != RunState.DONE)
        ).all()
    assert sorted((row.payment_id, row.status) for row in held) == sorted(
        (each, "revoked") for each in payment_ids
    )
    assert unhandled == []


def _persist(step: Callable[[], None]) -> None:
    while True:
        try:
            step()
        except TRANSIENT:
            continue
        return
