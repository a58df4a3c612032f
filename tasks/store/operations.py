"""What an operator may do, each in the caller's transaction together with a row that tells of it."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from tasks.errors import PriceListUnusable
from tasks.payments.decision import DecisionStatus
from tasks.payments.price_list import AcceptedPriceList
from tasks.payments.purchase import Match
from tasks.store import runs
from tasks.store.actions import Change, Operator, record, record_all
from tasks.store.dead_letters import RUN_OF_LETTER
from tasks.store.fulfilment import fulfil
from tasks.store.matches import save_match
from tasks.store.price_lists import accept, newest
from tasks.store.schema import dead_letters, handler_runs, payments
from tasks.store.states import ActionKind, RunState

#: What an action makes of a letter.
_OUTCOMES = {ActionKind.REPLAY: RunState.PENDING, ActionKind.DISCARD: RunState.DISCARDED}


class NotUnmatched(Exception):
    """There is nothing to match: the payment is in another state, which the message names."""


class NotMatched(Exception):
    """What was said of the payment cannot be granted; the transaction must not be kept."""


def replay(connection: Connection, by: Operator, letter_ids: Collection[int]) -> list[int]:
    """Make the runs of dead and discarded letters pending; return the events, which are yet to be sent.

    A letter in another state is left alone, here and in `discard`.
    """
    letters = _hold(connection, letter_ids, RunState.DEAD, RunState.DISCARDED)
    runs.reopen(connection, [(each.event_id, each.handler) for each in letters])
    record_all(connection, by, ActionKind.REPLAY, _changes(letters, ActionKind.REPLAY))
    return [each.event_id for each in letters]


def discard(connection: Connection, by: Operator, letter_ids: Collection[int]) -> list[int]:
    """Give up the runs of letters that are dead or being replayed; return the events. The letters stay."""
    letters = _hold(connection, letter_ids, RunState.DEAD, RunState.PENDING)
    for each in letters:
        runs.discard(connection, each.event_id, each.handler)
    record_all(connection, by, ActionKind.DISCARD, _changes(letters, ActionKind.DISCARD))
    return [each.event_id for each in letters]


def announce(connection: Connection, by: Operator, what: ActionKind, message_id: str) -> None:
    """Note, to be committed first, that a dead message of the broker's is replayed or discarded."""
    before, after = {"state": RunState.DEAD}, {"state": _OUTCOMES[what]}
    record(connection, by, what, Change(subject=message_id, before=before, after=after))


def match(connection: Connection, by: Operator, payment_id: str, word: Match) -> None:
    """Say what an unmatched payment bought, and grant it.

    Raises NotUnmatched, or NotMatched if the price list refuses it.
    """
    query = select(payments.c.decision).where(payments.c.id == payment_id).with_for_update()
    state = connection.execute(query).scalar_one_or_none()
    if state != DecisionStatus.UNMATCHED:
        raise NotUnmatched(
            f"Payment {payment_id} is {state or 'unknown'}; only an unmatched one can be matched."
        )
    save_match(connection, payment_id, word)
    # The wallet stays in `matches`, where it can be erased.
    change = Change(subject=payment_id, after={"item": word.item, "quantity": word.quantity})
    action_id = record(connection, by, ActionKind.MATCH, change)
    if refusal := fulfil(connection, [payment_id], action_id=action_id).get(payment_id):
        raise NotMatched(f"Not matched. {refusal}")


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


def _hold(
    connection: Connection, letter_ids: Collection[int], *states: RunState
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return letters in these states, and keep them so until the transaction ends."""
    query = (
        select(
            dead_letters.c.id,
            handler_runs.c.event_id,
            handler_runs.c.handler,
            dead_letters.c.error,
            handler_runs.c.state,
        )
        .join(handler_runs, RUN_OF_LETTER)
        .where(dead_letters.c.id.in_(letter_ids), handler_runs.c.state.in_(states))
        .order_by(handler_runs.c.event_id, handler_runs.c.handler)
        .with_for_update(of=handler_runs)
    )
    return connection.execute(query).all()


def _changes(letters: Sequence[Row[*tuple[Any, ...]]], what: ActionKind) -> list[Change]:
    changes = []
    for each in letters:
        # A letter that is done with is gone, so the row says itself what it was.
        before = each._asdict()
        subject = str(before.pop("id"))
        changes.append(Change(subject=subject, before=before, after={"state": _OUTCOMES[what]}))
    return changes
