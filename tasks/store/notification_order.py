"""In which order a payment's changes are told to an endpoint: one after the other, the oldest first.

Of those that it has yet to be told, the oldest alone has a `due_at`, so what may be tried now is found at
once, however much waits. Who changes which one that is holds the payment.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import BindParameter, Connection, bindparam, exists, func, literal, or_, select, update

from tasks.store.clock import clock
from tasks.store.schema import endpoints, notifications, payments
from tasks.store.states import NotificationState

#: Numbers in one statement: databases bound how many it may have.
_MANY = 1_000

_N = notifications.c
_PENDING = literal(NotificationState.PENDING.value, literal_execute=True)
_IDS: BindParameter[Sequence[int]] = bindparam("ids", expanding=True)
_PAYMENT_IDS: BindParameter[Sequence[str]] = bindparam("payment_ids", expanding=True)
_other = notifications.alias("other")
_SAME = (_other.c.payment_id == _N.payment_id, _other.c.endpoint == _N.endpoint, _other.c.state == _PENDING)
_IS_CLAIMED = _other.c.claimed_until > bindparam("now")

_HOLD = select(payments.c.id).where(payments.c.id.in_(_PAYMENT_IDS)).order_by(payments.c.id).with_for_update()
_RELEASE = (
    update(notifications)
    .where(
        _N.payment_id.in_(_PAYMENT_IDS),
        _N.state == _PENDING,
        _N.due_at.is_(None),
        ~exists().where(*_SAME, or_(_other.c.version < _N.version, _IS_CLAIMED)),
    )
    .values(due_at=bindparam("now"))
)
# A later change waits again. One that is being tried this moment is not tried again before the earlier ones.
_RETRACT = (
    update(notifications)
    .where(
        _N.payment_id.in_(_PAYMENT_IDS),
        _N.state == _PENDING,
        _N.due_at.is_not(None),
        exists().where(*_SAME, _other.c.version < _N.version),
    )
    .values(due_at=None)
)
_HASTEN = (
    update(notifications)
    .where(
        _N.id.in_(_IDS),
        _N.state == _PENDING,
        _N.due_at > bindparam("now"),
        func.coalesce(_N.claimed_until, bindparam("now", type_=_N.claimed_until.type)) <= bindparam("now"),
    )
    .values(due_at=bindparam("now"))
)
_PUT_OFF = (
    select(_N.id)
    .where(
        _N.endpoint == bindparam("of"),
        _N.due_at > bindparam("now"),
        _N.claimed_until.is_(None),
        _N.last_outcome == bindparam("outcome"),
    )
    .with_for_update(skip_locked=True)
)
_BEGIN_ANEW = (
    update(notifications)
    .where(
        _N.endpoint == bindparam("of"),
        _N.state == _PENDING,
        _N.due_at.is_not(None),
        _N.claimed_until.is_(None),
    )
    .values(first_tried_at=None)
)
_TOLD = select(endpoints.c.name).where(endpoints.c.removed_at.is_(None))
_MISSED = select(_N.payment_id).where(
    _N.id.in_(
        select(_N.id)
        .where(_N.endpoint == bindparam("of"), _N.state == _PENDING, _N.due_at.is_(None))
        .order_by(_N.created_at)
        .limit(bindparam("most"))
    ),
    ~exists().where(*_SAME, or_(_other.c.due_at.is_not(None), _IS_CLAIMED)),
)


def hold(connection: Connection, payment_ids: Collection[str]) -> None:
    """Hold payments, in the order in which fulfilment does."""
    connection.execute(_HOLD, {"payment_ids": sorted(payment_ids)})


def release(connection: Connection, payment_ids: Collection[str], now: datetime) -> None:
    """Let the oldest change be due that nothing goes before, nor is being tried."""
    connection.execute(_RELEASE, {"payment_ids": list(payment_ids), "now": now})


def retract(connection: Connection, payment_ids: Collection[str]) -> None:
    """Let later changes wait for earlier ones again."""
    connection.execute(_RETRACT, {"payment_ids": list(payment_ids)})


def hasten(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """Let be due at once what waits for its next try."""
    numbers = list(ids)
    for start in range(0, len(numbers), _MANY):
        connection.execute(_HASTEN, {"ids": numbers[start : start + _MANY], "now": now})


def hasten_all(connection: Connection, endpoint: str, outcome: str, now: datetime) -> None:
    """Let be due at once what waits at an endpoint after this outcome: the reason is over."""
    waiting = connection.execute(_PUT_OFF, {"of": endpoint, "outcome": outcome, "now": now})
    hasten(connection, waiting.scalars().all(), now)


def begin_anew(connection: Connection, endpoint: str) -> None:
    """Let what waits at an endpoint have as long as at its first try: a pause is no failure."""
    connection.execute(_BEGIN_ANEW, {"of": endpoint})


def repair(connection: Connection, limit: int) -> Sequence[str]:
    """Let changes be tried that nothing goes before and that nobody has released; return their payments.

    Looks at those that wait longest, up to `limit` of each endpoint, so that one which is told nothing hides
    nothing: what was missed does not stay behind for good.
    """
    now = clock(connection)
    names = connection.execute(_TOLD).scalars().all()
    chosen = {"most": limit, "now": now}
    missed = sorted(
        {each for name in names for each in connection.execute(_MISSED, {**chosen, "of": name}).scalars()}
    )
    if missed:
        hold(connection, missed)
        release(connection, missed, now)
    return missed
