"""Intake: stores events under their unique keys and routes them by event type."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypedDict

import structlog
from celery import Task
from sqlalchemy import Connection, select

from celeryconfig import INTAKE_TASK
from tasks.celery import app, engine
from tasks.database import insert_missing
from tasks.dead_letters import bury
from tasks.errors import PayloadInvalid
from tasks.event import Event, read_event
from tasks.fulfilment import fulfil_payments
from tasks.retries import TRANSIENT
from tasks.routing import FULFILMENT, HANDLERS
from tasks.schema import RunState, events, handler_runs

_log = structlog.get_logger(__name__)


class Delivery(TypedDict):
    """An event as the receiver hands it over: the raw body and when it came (ISO 8601, UTC)."""

    body: str
    received_at: str


@app.task(name=INTAKE_TASK, bind=True, shown_arguments="<events>")
def store_events(self: Task[..., None], deliveries: list[Delivery]) -> None:
    """Store the events and send those that are not through yet to their handlers.

    A list that is delivered again or fails is split, so that one event that kills its worker or cannot be
    stored holds up no other.
    """
    if len(deliveries) > 1 and (self.request.delivery_info or {}).get("redelivered"):
        for delivery in deliveries:
            self.delay([delivery])
        return
    try:
        with engine().begin() as connection:
            payment_ids = store(connection, deliveries)
    except TRANSIENT:
        raise
    except Exception:
        if len(deliveries) == 1:
            raise
        _log.exception("intake.split", events=len(deliveries))
        for delivery in deliveries:
            self.delay([delivery])
        return
    if payment_ids:
        fulfil_payments.delay(payment_ids)


def store(connection: Connection, deliveries: Sequence[Delivery]) -> list[str]:
    """Store what is new; return the payments that have events whose fulfilment is unfinished.

    An event that is there already is stored once and routed again only if it is not through: a copy may
    be all that is left of a run that was cut off.
    """
    read: dict[str, tuple[Event, Delivery]] = {}
    for delivery in deliveries:
        event = read_event(delivery["body"])
        read.setdefault(event.key, (event, delivery))
    # One order for everybody: two intakes with the same keys would otherwise lock each other out.
    arrived = [read[key] for key in sorted(read)]
    insert_missing(connection, events, [_row(event, delivery) for event, delivery in arrived])
    query = select(events.c.key, events.c.id).where(events.c.key.in_(read))
    ids = {row.key: row.id for row in connection.execute(query)}
    now = datetime.now(UTC)
    insert_missing(
        connection,
        handler_runs,
        [
            {"event_id": ids[event.key], "handler": handler, "state": RunState.PENDING, "sent_at": now}
            for event, _ in arrived
            for handler in HANDLERS.get(event.event_type, ())
        ],
    )
    pending = select(handler_runs.c.event_id).where(
        handler_runs.c.event_id.in_(ids.values()),
        handler_runs.c.handler == FULFILMENT,
        handler_runs.c.state == RunState.PENDING,
    )
    unfinished = set(connection.execute(pending).scalars())
    payment_ids = set()
    for event, _ in arrived:
        if ids[event.key] not in unfinished:
            continue
        if event.payment_id is None:
            error = PayloadInvalid("data.id: expected the payment's id, a string that is not empty.")
            bury(connection, [ids[event.key]], FULFILMENT, error, attempts=1)
        else:
            payment_ids.add(event.payment_id)
    return sorted(payment_ids)


def _row(event: Event, delivery: Delivery) -> dict[str, object]:
    return {
        "key": event.key,
        "event_type": event.event_type,
        "payment_id": event.payment_id,
        "created": event.created,
        "received_at": datetime.fromisoformat(delivery["received_at"]),
        "body": delivery["body"],
    }
