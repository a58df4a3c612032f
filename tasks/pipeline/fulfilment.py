"""Fulfilment: folds all events of a payment into one decision and moves the ledger to it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import structlog
from celery import Task
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, select, update

from tasks.celery import app, catalog, engine
from tasks.coinflow.event import Event, read_event, read_packet, storable
from tasks.coinflow.fields import Payload
from tasks.errors import Discarded, PayloadInvalid, PermanentError, Stalled
from tasks.payments.decision import Decision, DecisionStatus, decide
from tasks.payments.price_list import Catalog
from tasks.pipeline.dispatch import FULFILMENT_TASK
from tasks.pipeline.routing import FULFILMENT
from tasks.store.database import insert_missing
from tasks.store.dead_letters import bury, finish
from tasks.store.ledger import Entry, Grant, append, entries_between, held_grants
from tasks.store.matches import matches_of
from tasks.store.runs import start
from tasks.store.schema import GrantStatus, RunState, events, handler_runs, payments
from tasks.worker.retries import Kind, kind, try_again, unexpected_tries

_log = structlog.get_logger(__name__)

_PAYMENT_IDS: BindParameter[Sequence[str]] = bindparam("payment_ids", expanding=True)
_RUN = and_(handler_runs.c.event_id == events.c.id, handler_runs.c.handler == FULFILMENT)
_LOCK = select(payments.c.id).where(payments.c.id.in_(_PAYMENT_IDS)).order_by(payments.c.id).with_for_update()
_STORED = (
    select(events.c.id, events.c.payment_id, events.c.body, handler_runs.c.state)
    .outerjoin_from(events, handler_runs, _RUN)
    .where(events.c.payment_id.in_(_PAYMENT_IDS), events.c.set_aside.is_(None))
    .order_by(events.c.payment_id, events.c.id)
)
_DECIDED = ("decision", "wallet", "cents", "currency", "refunded_cents", "updated_at")
_DECIDE = (
    update(payments)
    .where(payments.c.id == bindparam("payment_id"))
    .values({name: bindparam(name) for name in _DECIDED})
)


@app.task(name=FULFILMENT_TASK, bind=True)
def fulfil_payments(self: Task[..., None], payment_ids: list[str]) -> None:
    """Bring the wallets in line with the payments' events; run it as often as you like.

    A list that is delivered again, or fails in a way nobody foresaw, is split, so that what a payment does to
    its worker stays its own.
    """
    if (self.request.delivery_info or {}).get("redelivered"):
        if len(payment_ids) > 1:
            _split(self, payment_ids)
            return
        with engine().begin() as connection:
            if not start(connection, _pending(connection, payment_ids), FULFILMENT):
                return
    try:
        with engine().begin() as connection:
            fulfil(connection, catalog(), payment_ids)
    except SoftTimeLimitExceeded as error:
        raise Stalled("The payments were not fulfilled in time.") from error
    except Exception as error:  # noqa: BLE001  # it ends in a dead letter
        if len(payment_ids) > 1 and kind(error) is not Kind.TRANSIENT:
            _split(self, payment_ids)
            return
        try_again(self, error)
        with engine().begin() as connection:
            pending = _pending(connection, payment_ids)
            bury(connection, pending, FULFILMENT, error, attempts=unexpected_tries(self) + 1)


def _split(task: Task[..., None], payment_ids: Collection[str]) -> None:
    for payment_id in payment_ids:
        task.delay([payment_id])


def _pending(connection: Connection, payment_ids: Collection[str]) -> list[int]:
    query = (
        select(events.c.id)
        .join(handler_runs, _RUN)
        .where(events.c.payment_id.in_(payment_ids), handler_runs.c.state == RunState.PENDING)
        .order_by(events.c.id)
    )
    return list(connection.execute(query).scalars())


def fulfil(
    connection: Connection, prices: Catalog, payment_ids: Collection[str]
) -> Mapping[str, PermanentError]:
    """Move the ledger of each payment to what its events decide.

    Returns what could not be granted, by payment, and why; it fails no other payment, nor what else the same
    payment's events say: the paying event is a dead letter, the others are handled.
    """
    now = datetime.now(UTC)
    _lock(connection, payment_ids, now)
    held = held_grants(connection, payment_ids)
    matched = matches_of(connection, payment_ids)
    refusals: dict[str, PermanentError] = {}
    moves: list[tuple[Entry, int]] = []
    decided: list[dict[str, object]] = []
    finished: list[int] = []
    for payment_id, rows in groupby(_stored_rows(connection, payment_ids), attrgetter("payment_id")):
        stored = list(rows)
        states = {row.id: row.state for row in stored}
        unfinished = {each for each, state in states.items() if state in {RunState.PENDING, RunState.DEAD}}
        try:
            story = _read(stored)
        except PayloadInvalid as error:
            # It fitted when it came: the models have changed since. Without it nothing can be decided.
            refusals[payment_id] = error
            bury(connection, unfinished, FULFILMENT, error, attempts=1)
            continue
        ids = {event.key: event_id for event, event_id in story}
        decision = decide([event for event, _ in story], matched.get(payment_id))
        holds = held.get(payment_id, {})
        due, refusal = _due(prices, decision, holds, payment_id)
        paid_id = ids[decision.paid.key] if decision.paid else None
        if not holds and states.get(paid_id) == RunState.DISCARDED:
            due, refusal = {}, Discarded("An operator has discarded what was paid for.")
        if refusal and paid_id is not None:
            refusals[payment_id] = refusal
            bury(connection, [paid_id], FULFILMENT, refusal, attempts=1)
            unfinished.discard(paid_id)
        finished += unfinished
        decided.append(_row(payment_id, decision, now, is_refused=bool(refusal and not due)))
        if decision.cause is None:
            continue
        for entry in entries_between(holds, due):
            moves.append((entry, ids[decision.cause.key]))
            _log.info(
                "ledger.moved",
                payment_id=payment_id,
                item=entry.grant.item,
                status=entry.grant.status,
                added=entry.added,
            )
    append(connection, moves, now)
    if decided:
        connection.execute(_DECIDE, decided)
    finish(connection, finished, FULFILMENT)
    return refusals


_GRANT_STATUSES: Mapping[DecisionStatus, GrantStatus] = MappingProxyType(
    {
        DecisionStatus.GRANTED: GrantStatus.GRANTED,
        DecisionStatus.SUSPENDED: GrantStatus.SUSPENDED,
        DecisionStatus.REVOKED: GrantStatus.REVOKED,
    }
)


def _due(
    prices: Catalog, decision: Decision, held: Mapping[str, Grant], payment_id: str
) -> tuple[Mapping[str, Grant], PermanentError | None]:
    """Return what the wallet should hold of a payment, by item, and what keeps it from being granted."""
    status = _GRANT_STATUSES.get(decision.status)
    if status is None:
        return {}, None
    try:
        purchase = decision.purchase
        if purchase is None:
            return {}, None
        grant = Grant(payment_id, purchase.item, purchase.wallet, purchase.quantity, status)
        before = held.get(grant.item)
        # What is held was checked when it was granted; a later price is no reason to take it.
        if before is None or replace(before, status=status) != grant:
            price, paid_at = purchase.price, purchase.paid_at or datetime.now(UTC)
            prices.check(grant.item, grant.quantity, price.cents, price.currency, paid_at)
    except PermanentError as refusal:
        if status is GrantStatus.GRANTED:
            return held, refusal
        # A dispute or a loss holds for whatever was granted before; what never will be needs no granting.
        left = {item: replace(grant, status=status) for item, grant in held.items()}
        return left, refusal if status is GrantStatus.SUSPENDED else None
    return {grant.item: grant}, None


def _row(payment_id: str, decision: Decision, now: datetime, *, is_refused: bool) -> dict[str, object]:
    price = decision.paid.payload.price if decision.paid else None
    return {
        "payment_id": payment_id,
        "decision": DecisionStatus.REFUSED if is_refused else decision.status,
        "wallet": storable(decision.wallet) if decision.wallet else None,
        "cents": price and price.cents,
        "currency": price and price.currency,
        "refunded_cents": decision.refunded_cents,
        "updated_at": now,
    }


def _lock(connection: Connection, payment_ids: Collection[str], now: datetime) -> None:
    """Hold the payments until the transaction ends, in one order for everybody."""
    ordered = sorted(payment_ids)
    insert_missing(
        connection,
        payments,
        [{"id": payment_id, "decision": DecisionStatus.NOTHING, "updated_at": now} for payment_id in ordered],
    )
    connection.execute(_LOCK, {"payment_ids": ordered}).all()


def _stored_rows(connection: Connection, payment_ids: Collection[str]) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return the events that count, payment by payment, and how far fulfilment has come with each."""
    return connection.execute(_STORED, {"payment_ids": list(payment_ids)}).all()


def _read(rows: Collection[Row[*tuple[Any, ...]]]) -> list[tuple[Event[Payload], int]]:
    """Return the events in stored rows, each with its id. Raises PayloadInvalid."""
    events = ((read_event(read_packet(row.body)), row.id) for row in rows)
    return [(event, event_id) for event, event_id in events if event]
