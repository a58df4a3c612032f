"""In which order a payment's changes are told to an endpoint: one after the other, the oldest first.

Of those that it has yet to be told, the oldest alone has a `due_at`, so what may be tried now is found at
once, however much waits. Who changes which one that is holds the payment.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import BindParameter, Connection, bindparam, exists, literal, or_, select, update

from tasks.store.clock import clock
from tasks.store.schema import endpoints, notifications, payments
from tasks.store.states import NotificationState

#: Numbers in one statement: databases bound how many it may have.
_MANY = 1_000
#: Changes that one repair looks at.
LOOKED_AT = 5_000

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
_IS_NOT_TRIED = or_(_N.claimed_until.is_(None), _N.claimed_until <= bindparam("now"))
_HASTEN = (
    update(notifications)
    .where(
        _N.id.in_(_IDS),
        _N.state == _PENDING,
        _N.due_at > bindparam("now"),
        _IS_NOT_TRIED,
    )
    .values(due_at=bindparam("now"))
)
_PUT_OFF = (
    select(_N.id)
    .where(
        _N.endpoint == bindparam("of"),
        _N.due_at > bindparam("now"),
        _N.claimed_until.is_(None),
        _N.last_outcome.in_(bindparam("outcomes", expanding=True)),
    )
    .with_for_update(skip_locked=True)
)
# A claim that has run out is one of a worker that died.
_BEGIN_ANEW = (
    update(notifications)
    .where(
        _N.endpoint == bindparam("of"),
        _N.state == _PENDING,
        _N.due_at.is_not(None),
        _N.first_tried_at.is_not(None),
        _IS_NOT_TRIED,
    )
    .values(first_tried_at=None)
)
_TOLD = select(endpoints.c.name, endpoints.c.looked_to).where(endpoints.c.removed_at.is_(None))
_WAITS = (_N.endpoint == bindparam("of"), _N.state == _PENDING, _N.due_at.is_(None))
_IS_MISSED = ~exists().where(*_SAME, or_(_other.c.due_at.is_not(None), _IS_CLAIMED))
_AFTER = _N.created_at > bindparam("after")
_LAST_OF = (
    select(_N.created_at).where(*_WAITS, _AFTER).order_by(_N.created_at).offset(bindparam("before")).limit(1)
)
_MISSED = select(_N.payment_id).where(*_WAITS, _AFTER, _N.created_at <= bindparam("last"), _IS_MISSED)
# Its worker has died after an earlier change was reopened. Each that is claimed is pending; to say so would
# let a database take the index of all that wait.
_LAPSED = select(_N.payment_id).where(
    _N.endpoint == bindparam("of"), _N.claimed_until <= bindparam("now"), _N.due_at.is_(None), _IS_MISSED
)
_LOOKED = update(endpoints).where(endpoints.c.name == bindparam("of")).values(looked_to=bindparam("to"))
_BEGINNING, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


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


def hasten_all(connection: Connection, endpoint: str, outcomes: Collection[str], now: datetime) -> None:
    """Let be due at once what waits at an endpoint after these outcomes: the reason is over."""
    waiting = connection.execute(_PUT_OFF, {"of": endpoint, "outcomes": list(outcomes), "now": now})
    hasten(connection, waiting.scalars().all(), now)


def begin_anew(connection: Connection, endpoint: str, now: datetime) -> None:
    """Let what waits at an endpoint have as long as at its first try: a pause is no failure."""
    connection.execute(_BEGIN_ANEW, {"of": endpoint, "now": now})


def told(connection: Connection) -> Mapping[str, datetime | None]:
    """Return the endpoints that are told, each with what `repair` goes on after."""
    return {row.name: row.looked_to for row in connection.execute(_TOLD)}


def repair(
    connection: Connection, endpoint: str, after: datetime | None, most: int = LOOKED_AT
) -> Sequence[str]:
    """Let changes be tried that nothing goes before and that nobody has released; return their payments.

    Looks at `most` of those that wait, after the ones that it has looked at before, and begins anew at the
    end: each call costs the same, and all are looked at in the end. What a worker left behind that died is
    found by any call.
    """
    now = clock(connection)
    chosen = {"of": endpoint, "now": now, "after": after or _BEGINNING}
    last = connection.execute(_LAST_OF, {**chosen, "before": most - 1}).scalar_one_or_none()
    missed = {*connection.execute(_LAPSED, chosen).scalars()}
    missed |= {*connection.execute(_MISSED, {**chosen, "last": last or _END}).scalars()}
    payment_ids = sorted(missed)[:_MANY]
    if len(missed) == len(payment_ids) and last != after:
        # Before the payments, as a drainer does.
        connection.execute(_LOOKED, {"of": endpoint, "to": last})
    if payment_ids:
        hold(connection, payment_ids)
        release(connection, payment_ids, now)
    return payment_ids
