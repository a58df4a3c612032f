"""Fulfilment's transaction: loads payments, lets the money rule decide, and writes what it says."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from operator import itemgetter

import structlog
from sqlalchemy import BigInteger, Connection, bindparam, func, select, update

from tasks.coinflow.event import happened_at, storable
from tasks.errors import Discarded, PermanentError
from tasks.payments.attention import Note
from tasks.payments.decision import DecisionStatus
from tasks.payments.payment import Payment
from tasks.payments.pricing import Terms
from tasks.payments.settlement import Settlement, settle
from tasks.payments.verdict import Verdict
from tasks.store import dead_letters, events, runs
from tasks.store.database import insert_missing
from tasks.store.discards import discards_of
from tasks.store.documents import notes_text, read_verdicts, verdicts_text
from tasks.store.ledger import append, held_grants
from tasks.store.limits import Limits
from tasks.store.orders import orders_of
from tasks.store.price_lists import newest
from tasks.store.resolutions import resolutions_of
from tasks.store.schema import payments
from tasks.store.states import RunState

#: The handler that moves the ledger to what a payment's events decide.
FULFILMENT = "fulfilment"

_log = structlog.get_logger(__name__)

_LOCK = (
    select(payments.c.id, payments.c.verdicts)
    .where(payments.c.id.in_(bindparam("payment_ids", expanding=True)))
    .order_by(payments.c.id)
    .with_for_update()
)
_DECIDED = (
    "decision",
    "wallet",
    "payer",
    "cents",
    "currency",
    "refunded_cents",
    "verdicts",
    "notes",
    "respond_by_date",
    "is_done",
    "order_id",
    "paid_at",
    "updated_at",
)
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
    connection: Connection,
    payment_ids: Collection[str],
    default_currency: str,
    *,
    action_id: int | None = None,
    asks_again: bool = False,
) -> Mapping[str, PermanentError]:
    """Move the ledger of each payment to what its events, price lists and persons decide.

    `default_currency` is that of amounts that name none. `action_id` is the operator's action that asks for
    it, and the cause of what moves; with `asks_again` the list in force prices anew what was refused.
    Returns what could not be granted, by payment, and why; it fails no other payment, nor what else the same
    payment's events say: the paying event is a dead letter, the others are handled.
    Raises PriceListUnusable where a price must be checked and there is no list.
    """
    now = datetime.now(UTC)
    terms = Terms(newest(connection), default_currency, now)
    verdicts = lock(connection, payment_ids, now)
    loaded = _load(connection, payment_ids, verdicts, asks_again=asks_again)
    settled = _limited(connection, [(each, settle(each.payment, terms)) for each in loaded], terms)
    _write(connection, settled, now, action_id)
    return {each.payment.id: settlement.refusal for each, settlement in settled if settlement.refusal}


def _limited(
    connection: Connection, settled: Sequence[tuple[_Loaded, Settlement]], terms: Terms
) -> Sequence[tuple[_Loaded, Settlement]]:
    """Settle anew what takes of a limit, the payment that came first before the others."""
    claims = [claim for _, settlement in settled for claim in settlement.claims]
    if not claims:
        return settled
    limits = Limits(connection)
    limits.hold(claims)
    judged = []
    for loaded, first in sorted(settled, key=lambda each: min(each[0].numbers.values())):
        taken = partial(limits.taken, loaded.payment.id)
        final = settle(loaded.payment, terms, taken) if first.claims else first
        limits.promise(final.claims)
        judged.append((loaded, final))
    return judged


def lock(connection: Connection, payment_ids: Collection[str], now: datetime) -> Mapping[str, list[Verdict]]:
    """Hold the payments until the transaction ends, in one order for everybody; return their verdicts."""
    ordered = sorted(payment_ids)
    insert_missing(
        connection,
        payments,
        [{"id": payment_id, "decision": DecisionStatus.NOTHING, "updated_at": now} for payment_id in ordered],
    )
    rows = connection.execute(_LOCK, {"payment_ids": ordered})
    return {row.id: read_verdicts(row.verdicts) for row in rows}


def _load(
    connection: Connection,
    payment_ids: Collection[str],
    verdicts: Mapping[str, list[Verdict]],
    *,
    asks_again: bool,
) -> Iterator[_Loaded]:
    held = held_grants(connection, payment_ids)
    said = events.statements(connection, payment_ids)
    resolved = resolutions_of(connection, payment_ids, {number: each.key for _, number, each in said})
    orders = orders_of(connection, payment_ids)
    states = runs.states(connection, payment_ids, FULFILMENT)
    for payment_id, group in groupby(said, itemgetter(0)):
        story = {number: each for _, number, each in group}
        keys = {number: each.key for number, each in story.items()}
        numbers = {key: number for number, key in keys.items()}
        pending = {each for each in story if states.get(each) is RunState.PENDING}
        dead = {each for each in story if states.get(each) is RunState.DEAD}
        discarded = {each for each in story if states.get(each) is RunState.DISCARDED}
        known = verdicts.get(payment_id, ())
        payment = Payment(
            payment_id,
            list(story.values()),
            held.get(payment_id, {}),
            resolved.get(payment_id, ()),
            orders.get(payment_id),
            known,
            asks_again=asks_again or _is_replayed(connection, known, pending),
            discarded=discards_of(connection, discarded, FULFILMENT, keys),
        )
        yield _Loaded(payment, numbers, pending | dead)


def _is_replayed(connection: Connection, verdicts: Collection[Verdict], pending: Collection[int]) -> bool:
    """Tell whether something was refused, and somebody has replayed a dead letter of the payment."""
    if not pending or all(each.error is None for each in verdicts):
        return False
    # Not by the event of a verdict: copies of it, one of which has the letter, have keys of their own.
    return dead_letters.any_of(connection, pending, FULFILMENT)


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
        connection.execute(_DECIDE, [_row(loaded.payment, each, now) for loaded, each in settled])
    finished: set[int] = set()
    for loaded, settlement in settled:
        finished |= loaded.unfinished
        refusal, refused = settlement.refusal, settlement.refused
        # Of what intake cannot read, and of what an operator has discarded, there is a letter already.
        if refusal and refused and not refused.facts.fault and not isinstance(refusal, Discarded):
            number = loaded.numbers[refused.key]
            runs.give_up(connection, [number], FULFILMENT, refusal, attempts=1)
            finished.discard(number)
    runs.finish(connection, finished, FULFILMENT)


def _row(payment: Payment, settlement: Settlement, now: datetime) -> dict[str, object]:
    decision = settlement.decision
    return {
        "payment_id": payment.id,
        "decision": settlement.status,
        "wallet": storable(decision.wallet) if decision.wallet else None,
        "payer": storable(decision.payer) if decision.payer else None,
        "cents": decision.price and decision.price.cents,
        "currency": decision.price and decision.price.currency,
        "refunded_cents": decision.refunded_cents,
        "verdicts": verdicts_text(settlement.verdicts),
        "notes": notes_text(decision.notes),
        "respond_by_date": _soonest(decision.notes),
        "is_done": decision.is_done,
        "order_id": storable(payment.order_id) if payment.order_id else None,
        "paid_at": decision.paid and decision.paid.happened_at,
        "checked_by": settlement.price_list_id,
        "updated_at": now,
    }


def _soonest(notes: Collection[Note]) -> datetime | None:
    moments = [happened_at(note.respond_by_date) for note in notes if note.respond_by_date]
    return min((moment for moment in moments if moment), default=None)
