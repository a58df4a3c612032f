"""Fulfilment: folds all events of a payment into one decision and moves the ledger to it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from celery import Task
from sqlalchemy import Connection, and_, bindparam, select, update

from tasks.catalog import Catalog
from tasks.celery import app, catalog, engine
from tasks.database import insert_missing
from tasks.dead_letters import bury, finish
from tasks.decision import Decision, DecisionStatus, decide
from tasks.errors import PermanentError
from tasks.event import Event, read_event
from tasks.ledger import Entry, append, entries_between, held_grants
from tasks.retries import BACKOFF_LIMIT, TRANSIENT, UNEXPECTED_TRIES
from tasks.routing import FULFILMENT
from tasks.schema import RunState, events, handler_runs, payments

_log = structlog.get_logger(__name__)


@app.task(name="tasks.fulfilment.fulfil_payments", bind=True)
def fulfil_payments(self: Task[..., None], payment_ids: list[str]) -> None:
    """Bring the wallets in line with the payments' events; run it as often as you like.

    A list that fails in a way nobody foresaw is split, so that a payment's error stays its own.
    """
    try:
        with engine().begin() as connection:
            fulfil(connection, catalog(), payment_ids)
    except TRANSIENT:
        raise
    except Exception as error:
        if len(payment_ids) > 1:
            for payment_id in payment_ids:
                self.delay([payment_id])
        elif self.request.retries < UNEXPECTED_TRIES:
            raise self.retry(exc=error, countdown=min(2**self.request.retries, BACKOFF_LIMIT)) from error
        else:
            with engine().begin() as connection:
                (stored,) = _stored_events(connection, payment_ids).values()
                pending = [each.id for each in stored if each.pending]
                bury(connection, pending, FULFILMENT, error, attempts=self.request.retries + 1)


def fulfil(connection: Connection, prices: Catalog, payment_ids: Collection[str]) -> None:
    """Move the ledger of each payment to what its events decide; a permanent error fails no other one."""
    now = datetime.now(UTC)
    _lock(connection, payment_ids, now)
    held = held_grants(connection, payment_ids)
    moves: list[tuple[Entry, int]] = []
    decided: list[dict[str, object]] = []
    finished: list[int] = []
    for payment_id, stored in _stored_events(connection, payment_ids).items():
        pending = [each.id for each in stored if each.pending]
        try:
            decision = decide([each.event for each in stored])
            entries = entries_between(held.get(payment_id, {}), decision, payment_id)
            _check_price(prices, decision, entries)
        except PermanentError as error:
            bury(connection, pending, FULFILMENT, error, attempts=1)
            continue
        finished += pending
        if decision.cause is None:
            continue
        cause_id = next(each.id for each in stored if each.event == decision.cause)
        moves += [(entry, cause_id) for entry in entries]
        decided.append({"payment": payment_id, "status": decision.status, "now": now})
        for entry in entries:
            _log.info("ledger.moved", payment_id=payment_id, item=entry.grant.item, added=entry.added)
    append(connection, moves, now)
    if decided:
        connection.execute(
            update(payments)
            .where(payments.c.id == bindparam("payment"))
            .values(decision=bindparam("status"), updated_at=bindparam("now")),
            decided,
        )
    finish(connection, finished, FULFILMENT)


def _check_price(prices: Catalog, decision: Decision, entries: Collection[Entry]) -> None:
    purchase = decision.purchase
    # What a wallet holds already was checked when it was granted; a later price is no reason to take it.
    if purchase and any(entry.added > 0 for entry in entries):
        at = datetime.now(UTC)
        prices.check(purchase.item, purchase.quantity, purchase.cents, purchase.currency, at)


def _lock(connection: Connection, payment_ids: Collection[str], now: datetime) -> None:
    """Hold the payments until the transaction ends, in one order for everybody."""
    ordered = sorted(payment_ids)
    insert_missing(
        connection,
        payments,
        [{"id": payment_id, "decision": DecisionStatus.NOTHING, "updated_at": now} for payment_id in ordered],
    )
    query = select(payments.c.id).where(payments.c.id.in_(ordered)).order_by(payments.c.id).with_for_update()
    connection.execute(query).all()


@dataclass(frozen=True, slots=True)
class _StoredEvent:
    id: int
    event: Event
    #: Whether fulfilment is not through with it.
    pending: bool


def _stored_events(connection: Connection, payment_ids: Collection[str]) -> dict[str, list[_StoredEvent]]:
    run = and_(handler_runs.c.event_id == events.c.id, handler_runs.c.handler == FULFILMENT)
    query = (
        select(events.c.id, events.c.payment_id, events.c.body, handler_runs.c.state)
        .outerjoin_from(events, handler_runs, run)
        .where(events.c.payment_id.in_(payment_ids))
        .order_by(events.c.payment_id, events.c.id)
    )
    stored: dict[str, list[_StoredEvent]] = {}
    for row in connection.execute(query):
        event = _StoredEvent(row.id, read_event(row.body), row.state == RunState.PENDING)
        stored.setdefault(row.payment_id, []).append(event)
    return stored
