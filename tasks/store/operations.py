"""What an operator may do, each in the caller's transaction together with a row that tells of it."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from tasks.errors import PermanentError, PriceListUnusable
from tasks.log import Log
from tasks.payments.named import Named
from tasks.payments.price_list import AcceptedPriceList
from tasks.payments.resolution import Resolution
from tasks.payments.states import DecisionStatus, ResolutionKind
from tasks.store import events as event_log
from tasks.store import runs
from tasks.store.actions import Change, Operator, record, record_all
from tasks.store.dead_letters import RUN_OF_LETTER
from tasks.store.fulfilment import fulfil
from tasks.store.ledger import held_grants
from tasks.store.locking import lock
from tasks.store.price_lists import accept, newest
from tasks.store.resolutions import save_resolution
from tasks.store.runs import FULFILMENT
from tasks.store.savepoint import Undone, savepoint
from tasks.store.schema import dead_letters, events, handler_runs, payments
from tasks.store.states import ActionKind, RunState
from tasks.store.verdicts import verdicts_of

_log = Log(__name__)

#: What an action makes of a letter.
_OUTCOMES = {ActionKind.REPLAY: RunState.PENDING, ActionKind.DISCARD: RunState.DISCARDED}


class NotResolvable(Exception):
    """There is nothing to say of the payment: the message tells what it is."""


class NotMatched(Exception):
    """What was said of the payment cannot be granted; the transaction must not be kept."""


def replay(connection: Connection, by: Operator, letter_ids: Collection[int]) -> list[int]:
    """Make the runs of dead and discarded letters pending; return the events, which are yet to be sent.

    A letter in another state is left alone.
    """
    _lock_payments(connection, letter_ids)
    letters = [
        each for each in _hold(connection, letter_ids) if each.state in {RunState.DEAD, RunState.DISCARDED}
    ]
    runs.reopen(connection, [(each.event_id, each.handler) for each in letters])
    record_all(connection, by, ActionKind.REPLAY, [_change(each, RunState.PENDING) for each in letters])
    return [each.event_id for each in letters]


def discard(
    connection: Connection, by: Operator, letter_ids: Collection[int], default_currency: str
) -> dict[int, RunState | None]:
    """Give up the runs of dead letters; return in which state each letter was, None where there is none.

    Those that were dead are discarded now, and stay to be read; the others are left alone. A fulfilment that
    runs at the same time is over before, or begins afterwards and heeds it. The payments are decided anew.
    """
    payment_ids = _lock_payments(connection, letter_ids)
    letters = _hold(connection, letter_ids)
    dead = [each for each in letters if each.state == RunState.DEAD]
    known = runs.concluded(connection, payment_ids, FULFILMENT)
    for each in dead:
        runs.discard(connection, each.event_id, each.handler)
    changes = [_change(each, RunState.DISCARDED, known.get(each.payment_id, ())) for each in dead]
    record_all(connection, by, ActionKind.DISCARD, changes)
    _decide_anew(connection, {each.payment_id for each in dead} & payment_ids, default_currency)
    return {**dict.fromkeys(letter_ids), **{each.id: RunState(each.state) for each in letters}}


def _decide_anew(connection: Connection, payment_ids: Collection[str], default_currency: str) -> None:
    """Let nobody be asked any more about what was given up."""
    if not payment_ids:
        return
    try:
        with savepoint(connection):
            fulfil(connection, payment_ids, default_currency)
    except Undone as undone:
        # What fulfilment fails at may be why the letters are given up.
        _log.info("fulfilment.left", payments=len(payment_ids), error=type(undone.__cause__).__name__)


def announce(connection: Connection, by: Operator, what: ActionKind, message_id: str) -> None:
    """Note, to be committed first, that a dead message of the broker's is replayed or discarded."""
    before, after = {"state": RunState.DEAD}, {"state": _OUTCOMES[what]}
    record(connection, by, what, Change(subject=message_id, before=before, after=after))


def resolve(
    connection: Connection, by: Operator, payment_id: str, said: Resolution, default_currency: str
) -> PermanentError | None:
    """Say what a payment comes to, and bring its wallet in line; return what still keeps it from that.

    The events that are there are what is known when it is said. Raises NotResolvable where nobody has paid,
    unless it is said that nothing is left to do.
    """
    state = _state(connection, payment_id)
    if state is None:
        raise NotResolvable(f"Payment {payment_id} is unknown.")
    if state == DecisionStatus.NOTHING and said.kind is not ResolutionKind.DONE:
        raise NotResolvable(f"Nobody has paid payment {payment_id}: nothing but --done can be said of it.")
    # The wallet stays in `resolutions`, where it can be erased.
    after = {"kind": said.kind, "item": said.item, "quantity": said.quantity if said.item else None}
    change = Change(
        subject=payment_id,
        before={"state": state},
        after={name: value for name, value in after.items() if value is not None},
    )
    action = ActionKind.RESOLVE
    return _say(connection, record(connection, by, action, change), payment_id, said, default_currency)


def match(
    connection: Connection, by: Operator, payment_id: str, said: Resolution, default_currency: str
) -> None:
    """Say what an unmatched payment bought, and grant it.

    Raises NotResolvable, or NotMatched if the price list refuses it.
    """
    state = _state(connection, payment_id)
    if state != DecisionStatus.UNMATCHED:
        raise NotResolvable(
            f"Payment {payment_id} is {state or 'unknown'}; only an unmatched one can be matched."
        )
    change = Change(subject=payment_id, after={"item": said.item, "quantity": said.quantity})
    action_id = record(connection, by, ActionKind.MATCH, change)
    if refusal := _say(connection, action_id, payment_id, said, default_currency):
        raise NotMatched(f"Not matched. {refusal}")


def _state(connection: Connection, payment_id: str) -> str | None:
    query = select(payments.c.decision).where(payments.c.id == payment_id).with_for_update()
    return connection.execute(query).scalar_one_or_none()


def _say(
    connection: Connection, action_id: int, payment_id: str, said: Resolution, default_currency: str
) -> PermanentError | None:
    known = [each.number for each in event_log.statements(connection, [payment_id], FULFILMENT)]
    save_resolution(connection, payment_id, said, known, action_id)
    fulfilled = fulfil(connection, [payment_id], default_currency, action_id=action_id)
    return fulfilled.refusals.get(payment_id) or _unheeded(connection, payment_id, said)


def _held(connection: Connection, payment_id: str) -> Collection[str]:
    return held_grants(connection, [payment_id]).get(payment_id, {}).keys()


def _unheeded(connection: Connection, payment_id: str, said: Resolution) -> PermanentError | None:
    """Return why a word on the item took nothing, where something else was bought."""
    if said.kind is not ResolutionKind.ITEM or said.item in _held(connection, payment_id):
        return None
    verdicts = verdicts_of(connection, payment_id)
    asked = Named(item=said.item, quantity=said.quantity).asked
    refusals = (each.ruling().refusal for each in verdicts if each.asked == asked)
    return next((each for each in refusals if each), None)


def apply_price_list(
    connection: Connection, by: Operator, content: str
) -> tuple[AcceptedPriceList | None, AcceptedPriceList | None]:
    """Put a list in force; return the one before it, if there is one to read, and the accepted one.

    The accepted one is None where the same text is in force already. Raises PriceListError.
    """
    try:
        before = newest(connection)
    except PriceListUnusable:
        before = None
    accepted = accept(connection, content, by.who)
    if accepted:
        change = Change(
            subject=f"price list {accepted.id}",
            before={"content_hash": before.content_hash} if before else None,
            after={"content_hash": accepted.content_hash},
        )
        record(connection, by, ActionKind.APPLY, change)
    return before, accepted


def _lock_payments(connection: Connection, letter_ids: Collection[int]) -> AbstractSet[str]:
    """Hold the payments of fulfilment's letters, as fulfilment does and before any run; return them."""
    query = (
        select(events.c.payment_id)
        .join(dead_letters, dead_letters.c.event_id == events.c.id)
        .where(
            dead_letters.c.id.in_(letter_ids),
            dead_letters.c.handler == FULFILMENT,
            events.c.payment_id.is_not(None),
        )
    )
    payment_ids = set(connection.scalars(query))
    lock(connection, payment_ids, datetime.now(UTC))
    return payment_ids


def _hold(connection: Connection, letter_ids: Collection[int]) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return letters, and keep them in their states until the transaction ends."""
    query = (
        select(
            dead_letters.c.id,
            handler_runs.c.event_id,
            handler_runs.c.handler,
            dead_letters.c.error,
            handler_runs.c.state,
            events.c.payment_id,
        )
        .join(handler_runs, RUN_OF_LETTER)
        .join(events, events.c.id == handler_runs.c.event_id)
        .where(dead_letters.c.id.in_(letter_ids))
        .order_by(handler_runs.c.event_id, handler_runs.c.handler)
        .with_for_update(of=handler_runs)
    )
    return connection.execute(query).all()


def _change(letter: Row[*tuple[Any, ...]], after: RunState, known: Collection[int] = ()) -> Change:
    # A letter that is done with is gone, so the row says itself what it was.
    before = letter._asdict()
    for name in ("id", "payment_id"):
        del before[name]
    told = {"known": sorted(known)} if known else {}
    return Change(subject=str(letter.id), before=before, after={"state": after, **told})
