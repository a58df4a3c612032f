"""Whatever a payment lives through, and however its events are delivered, it ends as its life says."""

import os
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from tasks.coinflow.samples import sample, with_identity
from tasks.pipeline.intake import store
from tasks.store.fulfilment import fulfil
from tasks.store.schema import grants, handler_runs
from tasks.store.states import RunState
from tests.integration.pipeline import delivered, persist
from tests.life_check import check
from tests.lives import Life, deliveries, live
from tests.waiting import PATIENCE

pytestmark = pytest.mark.long

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
            store(connection, [delivered(packet) for packet in group])
        if not left or random.randrange(2):
            with engine.begin() as connection:
                assert fulfil(connection, payment_ids, "USD").refusals == {}


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
    together = Barrier(2, timeout=PATIENCE)

    def work(event_type: str) -> None:
        for payment_id in payment_ids:
            packet = sample(event_type)
            with_identity(packet, payment_id=payment_id, wallet="alice")
            together.wait()
            persist(partial(store_one, packet))
            persist(partial(fulfil_one, payment_id))

    def store_one(packet: dict[str, Any]) -> None:
        with engine.begin() as connection:
            store(connection, [delivered(packet)])

    def fulfil_one(payment_id: str) -> None:
        with engine.begin() as connection:
            assert fulfil(connection, [payment_id], "USD").refusals == {}

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
