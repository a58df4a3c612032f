"""Fulfilment's transaction: loads payments, lets the money rule decide, and writes what it says."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection

from tasks.coinflow.event import happened_at, storable
from tasks.errors import Discarded, PermanentError
from tasks.payments.note import Note
from tasks.payments.payment import Payment
from tasks.payments.pricing import Terms
from tasks.payments.settlement import Settlement, settle
from tasks.payments.verdict import Verdict
from tasks.store import changes, dead_letters, decisions, events, notifications, runs
from tasks.store.discards import discards_of
from tasks.store.events import Silent, Told
from tasks.store.ledger import Move, append, held_grants
from tasks.store.limits import Limits
from tasks.store.locking import Kept, Locked, lock
from tasks.store.notes import notes_text
from tasks.store.orders import orders_of
from tasks.store.price_lists import newest
from tasks.store.resolutions import resolutions_of
from tasks.store.runs import FULFILMENT
from tasks.store.states import RunState
from tasks.store.verdicts import verdicts_text

#: The states of what fulfilment is not through with.
_UNFINISHED = frozenset({RunState.PENDING, RunState.DEAD})
#: Refusals that monitors show of a task.
_REFUSALS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Fulfilled:
    """What fulfilment has come to."""

    #: What could not be granted, by payment, and why.
    refusals: Mapping[str, PermanentError]
    #: The endpoints that are to be told of something, once it is committed.
    endpoints: AbstractSet[str]
    #: What the ledger has moved by, to be logged once it is committed.
    moves: Sequence[Move]

    def __str__(self) -> str:
        """Tell monitors which payments were refused, and why; nothing where none was."""
        told = [f"{each}: {type(error).__name__}" for each, error in self.refusals.items()]
        more = f" and {len(told) - _REFUSALS_SHOWN} more" if len(told) > _REFUSALS_SHOWN else ""
        return f"refused {', '.join(told[:_REFUSALS_SHOWN])}{more}" if told else ""


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A payment, and what the database calls its events."""

    payment: Payment
    locked: Locked
    #: The events' numbers by their keys.
    numbers: Mapping[str, int]
    #: The events that fulfilment is not through with.
    unfinished: AbstractSet[int]
    #: The events whose runs are yet to be noted.
    fresh: AbstractSet[int]


def fulfil(
    connection: Connection,
    payment_ids: Collection[str],
    default_currency: str,
    *,
    action_id: int | None = None,
    fresh: Collection[Told] = (),
) -> Fulfilled:
    """Move the ledger of each payment to what its events, price lists and persons decide.

    `default_currency` is that of amounts that name none. `action_id` is the operator's action that asks for
    it, and the cause of what moves; the list in force then prices anew what was refused.
    What cannot be granted fails no other payment, nor what else the same payment's events say: the paying
    event is a dead letter, the others are handled.
    `fresh` are events of these payments that this transaction has stored; their runs are noted here.
    Raises PriceListUnusable where a price must be checked and there is no list.
    """
    now = datetime.now(UTC)
    terms = Terms(newest(connection), default_currency, now)
    locked = lock(connection, payment_ids, now)
    loaded = _load(connection, locked, fresh, asks_again=action_id is not None)
    settled = _limited(connection, [(each, settle(each.payment, terms)) for each in loaded], terms)
    return _write(connection, settled, now, action_id)


def _limited(
    connection: Connection, settled: Sequence[tuple[_Loaded, Settlement]], terms: Terms
) -> Sequence[tuple[_Loaded, Settlement]]:
    """Settle anew what takes of a limit, the payment that came first before the others.

    What takes of none may give back what another takes; a payment that takes gives back once it is settled.
    """
    claims = [claim for _, settlement in settled for claim in settlement.claims]
    if not claims:
        return settled
    limits = Limits(connection)
    limits.hold(claims)
    judged = [(loaded, settlement) for loaded, settlement in settled if not settlement.claims]
    for loaded, settlement in judged:
        limits.promise(loaded.payment, settlement.moves)
    claiming = [loaded for loaded, settlement in settled if settlement.claims]
    for loaded in sorted(claiming, key=lambda each: min(each.numbers.values())):
        final = settle(loaded.payment, terms, partial(limits.taken, loaded.payment.id))
        limits.promise(loaded.payment, final.moves)
        judged.append((loaded, final))
    return judged


def _load(
    connection: Connection,
    locked: Mapping[str, Locked],
    fresh: Collection[Told],
    *,
    asks_again: bool,
) -> Iterator[_Loaded]:
    def those_with(*kept: Kept) -> list[str]:
        return [payment_id for payment_id, own in locked.items() if not own.kept.isdisjoint(kept)]

    said: dict[str, list[Told]] = {payment_id: [] for payment_id in sorted(locked)}
    numbers_of_fresh = {each.number for each in fresh}
    stored, silent = events.read(connection, list(locked), FULFILMENT, numbers_of_fresh)
    for each in (*stored, *fresh):
        said[each.payment_id].append(each)
    # What was invalid may be another merchant's, now that it can be read.
    foreign: dict[str, list[Silent]] = {each.payment_id: [] for each in silent}
    for other in silent:
        foreign[other.payment_id].append(other)
    held = held_grants(connection, those_with(Kept.GRANTS))
    orders = orders_of(connection, those_with(Kept.ORDERS))
    of_persons = those_with(Kept.RESOLUTIONS, Kept.MATCHES)
    keys_of_all = {each.number: each.statement.key for of in of_persons for each in said[of]}
    resolved = resolutions_of(connection, of_persons, keys_of_all)
    for payment_id, told in said.items():
        if not told and payment_id not in foreign:
            continue
        keys = {each.number: each.statement.key for each in told}
        states: dict[str | None, set[int]] = {}
        for each in told:
            states.setdefault(each.state, set()).add(each.number)
        pending, discarded = (states.get(each, set()) for each in (RunState.PENDING, RunState.DISCARDED))
        unfinished = {other.number for other in foreign.get(payment_id, ()) if other.state in _UNFINISHED}
        unfinished |= pending | states.get(RunState.DEAD, set())
        own = locked[payment_id]
        payment = Payment(
            payment_id,
            [each.statement for each in told],
            held.get(payment_id, {}),
            resolved.get(payment_id, ()),
            orders.get(payment_id),
            own.verdicts,
            asks_again=asks_again or _is_replayed(connection, own.verdicts, pending),
            discarded=discards_of(connection, discarded, FULFILMENT, keys),
        )
        numbers = {key: number for number, key in keys.items()}
        yield _Loaded(payment, own, numbers, unfinished, keys.keys() & numbers_of_fresh)


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
) -> Fulfilled:
    versions = _versions(connection, settled, now)
    moves = [
        Move(entry, loaded.numbers[settlement.decision.cause.key], versions[loaded.payment.id])
        for loaded, settlement in settled
        if settlement.decision.cause
        for entry in settlement.moves
    ]
    append(connection, moves, now, action_id=action_id)
    told = [
        (loaded.payment.id, versions[loaded.payment.id], endpoint)
        for loaded, settlement in settled
        if settlement.moves
        for endpoint in loaded.locked.endpoints
    ]
    notifications.add(connection, told, now)
    decisions.keep(
        connection, [_row(loaded.payment, each, versions[loaded.payment.id], now) for loaded, each in settled]
    )
    _finish(connection, settled)
    refusals = {each.payment.id: settlement.refusal for each, settlement in settled if settlement.refusal}
    return Fulfilled(refusals, {endpoint for _, _, endpoint in told}, moves)


def _finish(connection: Connection, settled: Collection[tuple[_Loaded, Settlement]]) -> None:
    finished: set[int] = set()
    fresh: set[int] = set()
    refused: dict[int, PermanentError] = {}
    for loaded, settlement in settled:
        finished |= loaded.unfinished
        fresh |= loaded.fresh
        refusal, statement = settlement.refusal, settlement.refused
        # Of what intake cannot read, and of what an operator has discarded, there is a letter already.
        if refusal and statement and not statement.facts.fault and not isinstance(refusal, Discarded):
            refused[loaded.numbers[statement.key]] = refusal
    runs.add(connection, [(each, FULFILMENT) for each in sorted(fresh - refused.keys())], RunState.DONE)
    runs.add(connection, [(each, FULFILMENT) for each in sorted(fresh & refused.keys())])
    if refused:
        # A later word may refuse what was through.
        runs.reopen(connection, [(each, FULFILMENT) for each in sorted(refused)], [RunState.DONE])
    for number, refusal in refused.items():
        runs.give_up(connection, [number], FULFILMENT, refusal, attempts=1)
    runs.finish(connection, finished - refused.keys(), FULFILMENT)


def _versions(
    connection: Connection, settled: Collection[tuple[_Loaded, Settlement]], now: datetime
) -> Mapping[str, int]:
    """Return each payment's newest version; a payment that moves now gets another one."""
    behind = {loaded.payment.id: loaded.locked.endpoints for loaded, _ in settled if loaded.locked.is_behind}
    numbered = changes.number(connection, behind, now)
    return {
        loaded.payment.id: numbered.get(loaded.payment.id, loaded.locked.version) + bool(settlement.moves)
        for loaded, settlement in settled
    }


def _row(payment: Payment, settlement: Settlement, version: int, now: datetime) -> dict[str, object]:
    decision = settlement.decision
    return {
        "id": payment.id,
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
        "order_id": payment.order_id,
        "paid_at": decision.paid and decision.paid.happened_at,
        "version": version,
        "price_list_id": settlement.price_list_id,
        "updated_at": now,
    }


def _soonest(notes: Collection[Note]) -> datetime | None:
    moments = [happened_at(note.respond_by_date) for note in notes if note.respond_by_date]
    return min((moment for moment in moments if moment), default=None)
