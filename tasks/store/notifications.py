"""The life of a notification: how far an endpoint has been told of a payment's change.

    add ──▶ pending ──end──▶ done
              │  ▲
          end │  │ reopen, from any other state
              ▼  │
             dead ──discard──▶ discarded

Of a payment's changes that an endpoint has yet to be told, the oldest alone has a `due_at`. Whoever ends it
gives the next one its own, and whoever reopens one takes it from the later ones, each while holding the
payment. So what may be tried now is found at once, however much waits. Who tries one claims it for a time:
if nothing is heard of it by then, it is due again. The number of attempts, since it was first tried, tells a
late word from the present one.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple, cast

from sqlalchemy import (
    BindParameter,
    Boolean,
    Connection,
    Executable,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    update,
)

from tasks.store import notification_order as order
from tasks.store.clock import clock
from tasks.store.dialects import insert
from tasks.store.many import among
from tasks.store.schema import notifications
from tasks.store.states import NotificationState

_N = notifications.c
_PENDING = literal(NotificationState.PENDING.value, literal_execute=True)
_IDS: BindParameter[Sequence[int]] = bindparam("ids", expanding=True)
_PAYMENT_IDS: BindParameter[Sequence[str]] = bindparam("payment_ids", expanding=True)

_UNTOLD = select(_N.payment_id, _N.endpoint).where(_N.payment_id.in_(_PAYMENT_IDS), _N.state == _PENDING)
_IN_FLIGHT = (
    select(func.count())
    .select_from(notifications)
    .where(_N.endpoint == bindparam("of"), _N.claimed_until > bindparam("now"))
)
_NEXT_DUE = select(func.min(_N.due_at)).where(_N.endpoint == bindparam("of"), _N.due_at.is_not(None))
_DUE = (
    select(_N.id)
    .where(_N.endpoint == bindparam("of"), _N.due_at <= bindparam("now"))
    .order_by(_N.due_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    update(notifications)
    .where(_N.id.in_(_IDS))
    .values(
        due_at=bindparam("until"),
        claimed_until=bindparam("until"),
        attempts=_N.attempts + 1,
        first_tried_at=func.coalesce(_N.first_tried_at, bindparam("now", type_=_N.first_tried_at.type)),
        last_tried_at=bindparam("now"),
    )
    .returning(_N.id, _N.payment_id, _N.version, _N.attempts, _N.first_tried_at)
)
_TO: BindParameter[str] = bindparam("to", type_=_N.state.type)
_IS_DONE = _TO.op("=")(NotificationState.DONE.value)
_END = (
    update(notifications)
    .where(
        _N.id == bindparam("of"),
        # That it was told is true however late it is heard.
        or_(
            and_(
                _N.state == NotificationState.PENDING.value,
                or_(
                    and_(_N.attempts == bindparam("attempt"), _N.first_tried_at == bindparam("first")),
                    _IS_DONE,
                ),
            ),
            and_(_N.state == NotificationState.DEAD.value, _IS_DONE),
        ),
    )
    .values(
        state=_TO,
        due_at=bindparam("due"),
        claimed_until=None,
        last_outcome=bindparam("outcome"),
        last_status=bindparam("status"),
        last_error=bindparam("error"),
        finished_at=bindparam("finished"),
    )
)
_REOPEN = (
    update(notifications)
    .where(_N.id.in_(_IDS), _N.state != _PENDING)
    .values(state=NotificationState.PENDING, attempts=0, first_tried_at=None, due_at=None, finished_at=None)
)
_BEGIN_ANEW = (
    update(notifications)
    .where(among(_N.payment_id, "payment_ids"), _N.state == _PENDING)
    .values(attempts=0, first_tried_at=None)
)
_SAID = select(_N.id, _N.last_error).where(among(_N.payment_id, "payment_ids"), _N.last_error.is_not(None))
_REWORD = update(notifications).where(_N.id == bindparam("of")).values(last_error=bindparam("words"))
_DISCARD = (
    update(notifications)
    .where(_N.id.in_(_IDS), _N.state == NotificationState.DEAD.value)
    .values(state=NotificationState.DISCARDED)
)


class Claimed(NamedTuple):
    """A notification that its claimer may try, and for the how manieth time."""

    id: int
    payment_id: str
    version: int
    attempt: int
    first_tried_at: datetime


class Ending(NamedTuple):
    """What a claimed one's try came to."""

    claimed: Claimed
    state: NotificationState
    #: When it is tried again, where it is pending.
    due_at: datetime | None
    outcome: str
    status: int | None
    error: str | None


def add(connection: Connection, told: Collection[tuple[str, int, str]], now: datetime) -> None:
    """Let endpoints be told of changes: payment, version and endpoint. The caller holds the payments.

    What is there already stays as it is.
    """
    if not told:
        return
    # Of a first change nothing can go before.
    later = sorted({payment_id for payment_id, version, _ in told if version > 1})
    rows = connection.execute(_UNTOLD, {"payment_ids": later}).all() if later else []
    untold = {(row.payment_id, row.endpoint) for row in rows}
    written = []
    for payment_id, version, endpoint in sorted(told):
        is_first = (payment_id, endpoint) not in untold
        untold.add((payment_id, endpoint))
        written.append(
            {
                "payment_id": payment_id,
                "version": version,
                "endpoint": endpoint,
                "state": NotificationState.PENDING,
                "is_due": is_first,
                "now": now,
            }
        )
    connection.execute(_insert(connection.dialect.name), written)


@cache
def _insert(dialect: str) -> Executable:
    given = bindparam("now", type_=_N.created_at.type)
    # By the clock that decides what is due.
    due = given if dialect == "sqlite" else func.now()
    statement = insert(dialect, notifications).values(
        payment_id=bindparam("payment_id"),
        version=bindparam("version"),
        endpoint=bindparam("endpoint"),
        state=bindparam("state"),
        due_at=case((bindparam("is_due", type_=Boolean), due)),
        created_at=given,
    )
    return statement.on_conflict_do_nothing(index_elements=[_N.payment_id, _N.endpoint, _N.version])


def in_flight(connection: Connection, endpoint: str, now: datetime) -> int:
    """Return how many notifications of an endpoint are claimed."""
    return int(connection.execute(_IN_FLIGHT, {"of": endpoint, "now": now}).scalar_one())


def next_due(connection: Connection, endpoint: str) -> datetime | None:
    """Return when the next one of an endpoint is due, or a claim runs out."""
    return cast("datetime | None", connection.execute(_NEXT_DUE, {"of": endpoint}).scalar_one())


def claim(
    connection: Connection, endpoint: str, most: int, now: datetime, time: timedelta
) -> Sequence[Claimed]:
    """Take up to `most` notifications of an endpoint that are due, for a time; those that are due longest."""
    if most <= 0:
        return []
    ids = connection.execute(_DUE, {"of": endpoint, "now": now, "most": most}).scalars().all()
    if not ids:
        return []
    rows = connection.execute(_CLAIM, {"ids": ids, "now": now, "until": now + time})
    return [Claimed(*row) for row in rows]


def end(connection: Connection, endings: Collection[Ending], now: datetime) -> None:
    """Note what tries came to, and let the next changes of these payments be tried."""
    if not endings:
        return
    payment_ids = sorted({each.claimed.payment_id for each in endings})
    order.hold(connection, payment_ids)
    rows = [
        {
            "of": each.claimed.id,
            "attempt": each.claimed.attempt,
            "first": each.claimed.first_tried_at,
            "to": each.state,
            "due": each.due_at,
            "outcome": each.outcome,
            "status": each.status,
            "error": each.error,
            "finished": None if each.state is NotificationState.PENDING else now,
        }
        for each in endings
    ]
    connection.execute(_END, rows)
    if any(each.state is NotificationState.PENDING for each in endings):
        # An earlier one may have been reopened meanwhile.
        order.retract(connection, payment_ids)
    order.release(connection, payment_ids, now)


def reopen(connection: Connection, ids: Collection[int], payment_ids: Collection[str]) -> None:
    """Let notifications be tried now; the caller holds their payments.

    What is finished gets a schedule of its own; what is pending waits no longer for its next try.
    """
    now = clock(connection)
    connection.execute(_REOPEN, {"ids": list(ids)})
    order.hasten(connection, ids, now)
    order.retract(connection, payment_ids)
    order.release(connection, payment_ids, now)


def forget(connection: Connection, payment_ids: Collection[str]) -> None:
    """Let go of what was answered about payments, which the caller holds; no try under way adds to it.

    Notifications keep our own words, and those that are pending begin a schedule of their own.
    """
    chosen = {"payment_ids": list(payment_ids)}
    connection.execute(_BEGIN_ANEW, chosen)
    said = [{"of": row.id, "words": own_words(row.last_error)} for row in connection.execute(_SAID, chosen)]
    if said:
        connection.execute(_REWORD, said)


def own_words(reason: str | None) -> str | None:
    """Return a reason without what a server or function has said, which may hold anything that it was told.

    That comes after a colon.
    """
    return reason and reason.partition(": ")[0]


def discard(connection: Connection, ids: Collection[int]) -> None:
    """Give dead ones up for an operator."""
    connection.execute(_DISCARD, {"ids": list(ids)})
