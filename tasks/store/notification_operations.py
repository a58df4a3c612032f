"""What an operator may do about notifications, each in the caller's transaction.

What is named by its id is told of by a row for each. What is meant by a filter is told of by one row, which
is committed before: a row without an effect is better than an effect without a row. All hold the payments
first, in the order in which everybody does.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from itertools import product
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, exists, func, select

from tasks.store import notification_order
from tasks.store import notifications as life
from tasks.store.actions import Change, Operator, record, record_all
from tasks.store.schema import endpoints, ledger_entries, notifications, payments
from tasks.store.states import GIVEN_UP, ActionKind, NotificationState
from tasks.store.views.notifications import NotificationFilter, meant, notification_name, payments_of
from tasks.store.views.records import between, equal

#: Notifications, or payments, per transaction.
GROUP = 500
#: What an action is on that means many by a filter.
BY_FILTER = "notifications"

_N = notifications.c


class Batch(NamedTuple):
    """A part of what is resent."""

    #: Where the next one begins; None where there is none.
    last: Any
    size: int


def replay(connection: Connection, by: Operator, ids: Collection[int]) -> list[int]:
    """Let dead and discarded ones be told again; return which are: none of an endpoint that is removed."""
    return _reopen(connection, by, ActionKind.REPLAY, ids, GIVEN_UP)


def resend(connection: Connection, by: Operator, ids: Collection[int]) -> list[int]:
    """Let notifications be told again, or at once; return which are: none of an endpoint that is removed."""
    return _reopen(connection, by, ActionKind.RESEND, ids, tuple(NotificationState))


def discard(
    connection: Connection, by: Operator, ids: Collection[int]
) -> dict[int, NotificationState | None]:
    """Give dead ones up; return in which state each was, None where there is none.

    Those that were dead are discarded now; the others are left alone.
    """
    rows = _hold(connection, ids)
    dead = [row for row in rows if row.state == NotificationState.DEAD]
    life.discard(connection, [row.id for row in dead])
    changes = [_change(row, NotificationState.DISCARDED) for row in dead]
    record_all(connection, by, ActionKind.DISCARD, changes)
    return {**dict.fromkeys(ids), **{row.id: NotificationState(row.state) for row in rows}}


def announce_resend(connection: Connection, by: Operator, said: Mapping[str, object], count: int) -> None:
    """Note, to be committed first, that what a filter means is resent, and how many that is.

    `said` is the filter, without the wallet's name.
    """
    change = Change(subject=BY_FILTER, after={**said, "count": count})
    record(connection, by, ActionKind.RESEND, change)


def how_many(connection: Connection, chosen: NotificationFilter) -> tuple[int, int]:
    """Return how many notifications are meant, and the largest id among them, or 0."""
    query = meant(select(func.count(), func.coalesce(func.max(_N.id), 0)), chosen)
    count, last = connection.execute(query).one()
    return int(count), int(last)


def resend_meant(connection: Connection, chosen: NotificationFilter, after: int, last: int) -> Batch:
    """Let the next ones that are meant be told again: those beyond one id and up to another."""
    query = meant(select(_N.id, _N.payment_id), chosen).where(_N.id > after, _N.id <= last)
    rows = connection.execute(query.order_by(_N.id).limit(GROUP)).all()
    if not rows:
        return Batch(None, 0)
    payment_ids = {row.payment_id for row in rows}
    notification_order.hold(connection, payment_ids)
    life.reopen(connection, [row.id for row in rows], payment_ids)
    return Batch(rows[-1].id, len(rows))


def how_many_newest(connection: Connection, chosen: NotificationFilter) -> int:
    """Return how many notifications the newest changes of the payments that are meant come to."""
    query = _payments(select(func.count()).select_from(payments), chosen)
    return int(connection.execute(query).scalar_one()) * len(chosen.endpoints)


def resend_newest(connection: Connection, chosen: NotificationFilter, after: str) -> Batch:
    """Let endpoints be told of the newest changes of the next payments, also where they never were.

    Of a filter, its endpoints, wallet, payment and times hold; the times are those of the newest changes.
    """
    query = _payments(select(payments.c.id), chosen).where(payments.c.id > after)
    payment_ids = connection.execute(query.order_by(payments.c.id).limit(GROUP)).scalars().all()
    if not payment_ids:
        return Batch(None, 0)
    notification_order.hold(connection, payment_ids)
    newest = select(payments.c.id, payments.c.version).where(payments.c.id.in_(payment_ids))
    told = {
        (row.id, row.version, endpoint)
        for row, endpoint in product(connection.execute(newest).all(), chosen.endpoints)
    }
    there = {
        (row.payment_id, row.version, row.endpoint): row.id
        for row in connection.execute(_newest_of(payment_ids, chosen.endpoints))
    }
    life.reopen(connection, list(there.values()), payment_ids)
    life.add(connection, told - there.keys(), datetime.now(UTC))
    return Batch(payment_ids[-1], len(told))


def _payments(query: Select[Any], chosen: NotificationFilter) -> Select[Any]:
    query = equal(query.where(payments.c.version > 0), (payments.c.id, chosen.payment_id))
    if chosen.wallet is not None:
        query = query.where(payments.c.id.in_(payments_of(chosen.wallet)))
    if chosen.since is None and chosen.until is None:
        return query
    newest = select(ledger_entries.c.payment_id).where(
        ledger_entries.c.payment_id == payments.c.id, ledger_entries.c.version == payments.c.version
    )
    return query.where(exists(between(newest, ledger_entries.c.created_at, chosen.since, chosen.until)))


def _newest_of(payment_ids: Collection[str], names: Collection[str]) -> Select[Any]:
    return (
        select(_N.id, _N.payment_id, _N.version, _N.endpoint)
        .join(payments, (payments.c.id == _N.payment_id) & (payments.c.version == _N.version))
        .where(_N.payment_id.in_(payment_ids), _N.endpoint.in_(names))
    )


def _reopen(
    connection: Connection,
    by: Operator,
    what: ActionKind,
    ids: Collection[int],
    states: Collection[NotificationState],
) -> list[int]:
    rows = [row for row in _hold(connection, ids) if row.is_told and row.state in states]
    life.reopen(connection, [row.id for row in rows], {row.payment_id for row in rows})
    record_all(connection, by, what, [_change(row, NotificationState.PENDING) for row in rows])
    return [row.id for row in rows]


def _hold(connection: Connection, ids: Collection[int]) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return notifications, and keep their payments until the transaction ends."""
    payment_ids = select(_N.payment_id).where(_N.id.in_(ids)).distinct()
    notification_order.hold(connection, connection.execute(payment_ids).scalars().all())
    query = (
        select(
            _N.id,
            _N.payment_id,
            _N.version,
            _N.endpoint,
            _N.state,
            exists()
            .where(endpoints.c.name == _N.endpoint, endpoints.c.removed_at.is_(None))
            .label("is_told"),
        )
        .where(_N.id.in_(ids))
        .order_by(_N.id)
    )
    return connection.execute(query).all()


def _change(row: Row[*tuple[Any, ...]], after: NotificationState) -> Change:
    before = {name: value for name, value in row._asdict().items() if name not in {"id", "is_told"}}
    return Change(subject=notification_name(row.id), before=before, after={"state": after})
