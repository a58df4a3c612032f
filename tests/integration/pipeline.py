"""The pipeline's steps on a database, and what they leave there."""

import json
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, func, select

from tasks.coinflow.samples import sample, with_identity
from tasks.payments.price_list import AcceptedPriceList
from tasks.pipeline.dispatch import Delivery
from tasks.pipeline.intake import store
from tasks.store.fulfilment import fulfil
from tasks.store.price_lists import accept
from tasks.store.schema import handler_runs
from tasks.worker.kinds import Kind
from tasks.worker.retries import kind
from tests.packets import change


def delivered(packet: dict[str, Any]) -> Delivery:
    """Return an event as the receiver hands it over."""
    return {"body": json.dumps(packet), "received_at": datetime.now(UTC).isoformat()}


def delivery(payment_id: str = "pay", event_type: str = "Settled", **changes: Any) -> Delivery:
    """Return a delivery of alice's payment, changed at paths with `__` in place of dots."""
    packet = sample(event_type)
    with_identity(packet, payment_id=payment_id, wallet="alice")
    change(packet, **changes)
    return delivered(packet)


def take_in(engine: Engine, *deliveries: Delivery, merchant_ids: Collection[str] = ()) -> set[str]:
    """Store deliveries; return the payments that are to be fulfilled."""
    with engine.begin() as connection:
        return set(store(connection, deliveries, merchant_ids).payment_ids)


def run(engine: Engine, payment_ids: Collection[str]) -> None:
    """Fulfil payments."""
    with engine.begin() as connection:
        fulfil(connection, payment_ids, "USD")


def persist(step: Callable[[], None]) -> None:
    """Take a step until the database lets it through, as the worker does."""
    while True:
        try:
            step()
        except Exception as error:
            if kind(error) is not Kind.TRANSIENT:
                raise
            continue
        return


def reprice(engine: Engine, cents: int) -> AcceptedPriceList:
    """Put another price of the sword in force."""
    with engine.begin() as connection:
        accepted = accept(connection, f"[items.sword]\nprice = {{ cents = {cents} }}\n", "a test")
    assert accepted
    return accepted


def count(engine: Engine, table: Any) -> int:
    """Return how many rows a table has."""
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def states(engine: Engine) -> list[str]:
    """Return the states of all runs, in the order of their events."""
    with engine.connect() as connection:
        return list(
            connection.execute(select(handler_runs.c.state).order_by(handler_runs.c.event_id)).scalars()
        )
