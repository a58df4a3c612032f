"""Fulfilment's transaction: loads payments, lets the money rule decide, and writes what it says."""

from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter

import structlog
from sqlalchemy import BigInteger, Connection, bindparam, func, select, update

from tasks.coinflow.event import storable
from tasks.errors import PayloadInvalid, PermanentError
from tasks.payments.decision import DecisionStatus
from tasks.payments.facts import Statement
from tasks.payments.settlement import Payment, Settlement, settle
from tasks.store import events, runs
from tasks.store.database import insert_missing
from tasks.store.ledger import append, held_grants
from tasks.store.matches import matches_of
from tasks.store.price_lists import newest
from tasks.store.schema import payments
from tasks.store.states import RunState

#: The handler that moves the ledger to what a payment's events decide.
FULFILMENT = "fulfilment"

_log = structlog.get_logger(__name__)

_LOCK = (
    select(payments.c.id)
    .where(payments.c.id.in_(bindparam("payment_ids", expanding=True)))
    .order_by(payments.c.id)
    .with_for_update()
)
_DECIDED = ("decision", "wallet", "cents", "currency", "refunded_cents", "updated_at")
_DECIDE = (
    update(payments)
    .where(payments.c.id == bindparam("payment_id"))
    .values({name: bindparam(name) for name in _DECIDED})
    # Where no price had to be checked, the last check's stays.
    .values(price_list_id=func.coalesce(bindparam("checked_by", type_=BigInteger), payments.c.price_list_id))
)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A payment, and what the database calls its events."""

    payment: Payment
    #: The events' numbers by their keys.
    numbers: Mapping[str, int]
    #: The events that fulfilment is not through with.
    unfinished: AbstractSet[int]


def fulfil(
    connection: Connection, payment_ids: Collection[str], *, action_id: int | None = None
) -> Mapping[str, PermanentError]:
    """Move the ledger of each payment to what its events and the price list in force decide.

    `action_id` is the operator's action that asks for it, and the cause of what moves.
    Returns what could not be granted, by payment, and why; it fails no other payment, nor what else the same
    payment's events say: the paying event is a dead letter, the others are handled.
    Raises PriceListUnusable where a price must be checked and there is no list.
    """
    prices = newest(connection)
    now = datetime.now(UTC)
    _lock(connection, payment_ids, now)
    refusals: dict[str, PermanentError] = {}
    settled: list[tuple[_Loaded, Settlement]] = []
    for loaded in _load(connection, payment_ids, refusals):
        settlement = settle(loaded.payment, prices, now)
        settled.append((loaded, settlement))
        if settlement.refusal:
            refusals[loaded.payment.id] = settlement.refusal
    _write(connection, settled, now, action_id)
    return refusals


def _lock(connection: Connection, payment_ids: Collection[str], now: datetime) -> None:
    """Hold the payments until the transaction ends, in one order for everybody."""
    ordered = sorted(payment_ids)
    insert_missing(
        connection,
        payments,
        [{"id": payment_id, "decision": DecisionStatus.NOTHING, "updated_at": now} for payment_id in ordered],
    )
    connection.execute(_LOCK, {"payment_ids": ordered}).all()


def _load(
    connection: Connection, payment_ids: Collection[str], unreadable: dict[str, PermanentError]
) -> Iterator[_Loaded]:
    """Yield the payments; one of which an event cannot be read is unreadable, and a dead letter."""
    held = held_grants(connection, payment_ids)
    matched = matches_of(connection, payment_ids)
    states = runs.states(connection, payment_ids, FULFILMENT)
    open_ = {each for each, state in states.items() if state in {RunState.PENDING, RunState.DEAD}}
    for payment_id, group in groupby(events.statements(connection, payment_ids), itemgetter(0)):
        said = {number: statement for _, number, statement in group}
        faults = [each for each in said.values() if isinstance(each, PayloadInvalid)]
        if faults:
            # It fitted when it came: the models have changed since. Without it nothing can be decided.
            unreadable[payment_id] = faults[0]
            runs.give_up(connection, open_ & said.keys(), FULFILMENT, faults[0], attempts=1)
            continue
        story = {number: each for number, each in said.items() if isinstance(each, Statement)}
        yield _Loaded(
            Payment(
                payment_id,
                list(story.values()),
                held.get(payment_id, {}),
                matched.get(payment_id),
                [each.key for number, each in story.items() if states.get(number) is RunState.DISCARDED],
            ),
            {each.key: number for number, each in story.items()},
            open_ & said.keys(),
        )


def _write(
    connection: Connection,
    settled: Collection[tuple[_Loaded, Settlement]],
    now: datetime,
    action_id: int | None,
) -> None:
    moves = [
        (move, loaded.numbers[settlement.decision.cause.key])
        for loaded, settlement in settled
        if settlement.decision.cause
        for move in settlement.moves
    ]
    append(connection, moves, now, action_id=action_id)
    for move, _ in moves:
        grant = move.grant
        _log.info(
            "ledger.moved",
            payment_id=grant.payment_id,
            item=grant.item,
            status=grant.status,
            delta=move.delta,
        )
    if settled:
        connection.execute(_DECIDE, [_row(loaded.payment.id, each, now) for loaded, each in settled])
    finished: set[int] = set()
    for loaded, settlement in settled:
        finished |= loaded.unfinished
        if settlement.refusal and settlement.refused:
            refused = loaded.numbers[settlement.refused.key]
            runs.give_up(connection, [refused], FULFILMENT, settlement.refusal, attempts=1)
            finished.discard(refused)
    runs.finish(connection, finished, FULFILMENT)


def _row(payment_id: str, settlement: Settlement, now: datetime) -> dict[str, object]:
    decision = settlement.decision
    return {
        "payment_id": payment_id,
        "decision": settlement.status,
        "wallet": storable(decision.wallet) if decision.wallet else None,
        "cents": decision.price and decision.price.cents,
        "currency": decision.price and decision.price.currency,
        "refunded_cents": decision.refunded_cents,
        "checked_by": settlement.price_list_id,
        "updated_at": now,
    }
