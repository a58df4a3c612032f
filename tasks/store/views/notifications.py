"""How far endpoints have been told of changes, as it is read."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CompoundSelect, Connection, Select, case, func, or_, select, union

from tasks.payments.change import notification_id
from tasks.payments.wallet import wallet_key
from tasks.store.changes import told
from tasks.store.column_types import LARGEST_ID
from tasks.store.schema import ledger_entries, notifications, wallets
from tasks.store.states import NotificationState
from tasks.store.views.actions import actions_on
from tasks.store.views.records import between, equal, newest_last, records
from tasks.store.views.spellings import is_wallet

_N = notifications.c
#: What goes before the number of a notification where it could be taken for something else's.
_MARK = "n"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationFilter:
    """Which notifications are meant; what is None or empty excludes none. Times are aware."""

    #: Those of payments that ever held something for this wallet, in any spelling.
    wallet: str | None = None
    payment_id: str | None = None
    endpoint: str | None = None
    #: One of these endpoints.
    endpoints: Collection[str] = ()
    states: Collection[NotificationState] = ()
    #: Of changes that were noted at this time or later.
    since: datetime | None = None
    #: Of changes that were noted before this time.
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationLine:
    """A notification in one line."""

    id: int
    payment_id: str
    #: Which change of the payment it tells of.
    version: int
    endpoint: str
    #: A `NotificationState`.
    state: str
    #: What the last try came to: done, transient, refused, gone or permanent; None before the first.
    outcome: str | None
    http_status: int | None
    reason: str | None
    attempts: int
    #: When it is tried; None where it is finished, or waits for an earlier change of its payment.
    due_at: datetime | None
    created_at: datetime
    last_tried_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Something that happened to a notification."""

    at: datetime
    what: str
    reason: str | None = None
    #: Who did it, where it was a person.
    who: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationStory(NotificationLine):
    """A notification with what is sent, and what its row and operators' actions tell of its past."""

    #: The event's type that brought the change about, or `operator`.
    cause: str
    #: Until when the try that is under way may take.
    claimed_until: datetime | None
    #: The header that is the same on every try.
    webhook_id: str
    #: The body, to the byte.
    body: str
    history: tuple[Moment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointProgress:
    """How far an endpoint was told of one payment."""

    endpoint: str
    #: The newest change that it has confirmed.
    told: int | None
    #: The newest one that it is to be told of.
    newest: int
    pending: int
    dead: int
    discarded: int


def notification_number(text: str) -> int | None:
    """Return the id that is meant, as `12` or `n12`; None if it can be none."""
    digits = text.removeprefix(_MARK)
    number = int(digits) if digits.isdecimal() else 0
    return number if 0 < number <= LARGEST_ID else None


def notification_name(number: int) -> str:
    """Return how a notification is called among letters and in operators' actions."""
    return f"{_MARK}{number}"


def meant(query: Select[Any], chosen: NotificationFilter) -> Select[Any]:
    """Return the query for those notifications alone that are meant, however many."""
    query = equal(query, (_N.payment_id, chosen.payment_id), (_N.endpoint, chosen.endpoint))
    query = between(query, _N.created_at, chosen.since, chosen.until)
    if chosen.states:
        query = query.where(_N.state.in_(chosen.states))
    if chosen.endpoints:
        query = query.where(_N.endpoint.in_(chosen.endpoints))
    return query if chosen.wallet is None else query.where(_N.payment_id.in_(payments_of(chosen.wallet)))


def payments_of(wallet: str) -> CompoundSelect[str]:
    """Return the query for the payments that ever held something for a wallet, however it is spelled."""
    entries = ledger_entries.c
    spellings = select(wallets.c.id).where(or_(wallets.c.key == wallet_key(wallet), wallets.c.name == wallet))
    # One condition for both would look the spellings up for each entry.
    return union(
        select(entries.payment_id).where(entries.wallet_id.in_(spellings)),
        # An earlier release wrote the name alone.
        select(entries.payment_id).where(entries.wallet_id.is_(None), is_wallet(entries.wallet, wallet)),
    )


def list_notifications(
    connection: Connection, chosen: NotificationFilter, limit: int = 100
) -> tuple[NotificationLine, ...]:
    """Return the newest notifications that are meant, so many."""
    query = meant(_lines(), chosen).order_by(_N.id.desc()).limit(limit)
    return newest_last(connection, query, NotificationLine)


def notifications_of(connection: Connection, ids: Collection[int]) -> tuple[NotificationLine, ...]:
    """Return the notifications with these ids, of those that there are."""
    return records(connection, _lines().where(_N.id.in_(ids)).order_by(_N.id), NotificationLine)


def notification_story(connection: Connection, number: int, environment: str) -> NotificationStory | None:
    """Return all that is known of a notification, or None if there is none of this id."""
    row = connection.execute(_lines().add_columns(_N.claimed_until).where(_N.id == number)).one_or_none()
    if row is None:
        return None
    change = (row.payment_id, row.version)
    notification = told(connection, [change], environment)[change]
    return NotificationStory(
        **row._asdict(),
        cause=notification.data.cause,
        webhook_id=notification_id(row.payment_id, row.version, row.endpoint),
        body=notification.body().decode(),
        history=history_of(connection, number),
    )


def history_of(connection: Connection, number: int) -> tuple[Moment, ...]:
    """Return what a notification's row and operators' actions tell of its past, in order."""
    return tuple(sorted(_moments(connection, number), key=lambda each: each.at))


def _moments(connection: Connection, number: int) -> Iterator[Moment]:
    row = connection.execute(select(notifications).where(_N.id == number)).one()
    yield Moment(at=row.created_at, what="noted")
    if row.first_tried_at and row.attempts > 1:
        yield Moment(at=row.first_tried_at, what="tried first")
    if row.last_tried_at:
        outcome = f": {row.last_outcome}" if row.last_outcome else ""
        yield Moment(at=row.last_tried_at, what=f"tried last{outcome}", reason=row.last_error)
    if row.finished_at:
        yield Moment(at=row.finished_at, what=row.state)
    for action in actions_on(connection, notification_name(number)):
        yield Moment(at=action.at, what=action.what, reason=action.why, who=action.who)


def progress_of(connection: Connection, payment_id: str) -> tuple[EndpointProgress, ...]:
    """Return how far each endpoint was told of a payment."""

    def how_many(state: NotificationState) -> Any:
        return func.sum(case((_N.state == state, 1), else_=0))

    query = (
        select(
            _N.endpoint,
            func.max(case((_N.state == NotificationState.DONE, _N.version))).label("told"),
            func.max(_N.version).label("newest"),
            how_many(NotificationState.PENDING).label("pending"),
            how_many(NotificationState.DEAD).label("dead"),
            how_many(NotificationState.DISCARDED).label("discarded"),
        )
        .where(_N.payment_id == payment_id)
        .group_by(_N.endpoint)
        .order_by(_N.endpoint)
    )
    return records(connection, query, EndpointProgress)


def _lines() -> Select[Any]:
    return select(
        _N.id,
        _N.payment_id,
        _N.version,
        _N.endpoint,
        _N.state,
        _N.last_outcome.label("outcome"),
        _N.last_status.label("http_status"),
        _N.last_error.label("reason"),
        _N.attempts,
        _N.due_at,
        _N.created_at,
        _N.last_tried_at,
        _N.finished_at,
    )
