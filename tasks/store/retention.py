"""Retention: what Coinflow sent goes after a time; what it came to stays.

An event keeps its key, so that a copy stays a copy, and its facts, so that its payment is decided as before.
What a handler of the merchant's, or intake, may still be asked to do needs the body and keeps it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine, and_, bindparam, func, or_, select, tuple_, update

from tasks.payments.facts import VERSION
from tasks.store.events import has_body
from tasks.store.many import among
from tasks.store.runs import FULFILMENT
from tasks.store.schema import events, handler_runs
from tasks.store.states import RunState

#: Events in one transaction.
_BATCH = 1_000


class Place(NamedTuple):
    """Where a batch has ended."""

    received_at: datetime
    event_id: int


class Pruned(NamedTuple):
    """What a batch came to."""

    events: int
    #: Characters.
    size: int
    #: The next batch begins after it; None: nothing is left.
    end: Place | None


_NEEDS_BODY = (
    select(handler_runs.c.event_id)
    .where(
        handler_runs.c.event_id == events.c.id,
        or_(
            handler_runs.c.state == RunState.PENDING,
            and_(handler_runs.c.handler != FULFILMENT, handler_runs.c.state != RunState.DONE),
        ),
    )
    .exists()
)
_OLD = (
    select(events.c.id, events.c.received_at, func.length(events.c.body).label("size"))
    .where(
        events.c.received_at < bindparam("before"),
        has_body,
        # What another version has read may be read anew.
        events.c.facts_version == VERSION,
        ~_NEEDS_BODY,
    )
    .order_by(events.c.received_at, events.c.id)
    .limit(bindparam("limit"))
)
# Nobody notes a run of an event that is held. One that was noted until then is seen by the statement after.
_HOLD_OLD = _OLD.with_for_update(skip_locked=True)
_PRUNE = (
    update(events).where(among(events.c.id, "numbers"), ~_NEEDS_BODY).values(body="").returning(events.c.id)
)


def prune(
    connection: Connection,
    before: datetime,
    after: Place | None,
    *,
    dry_run: bool = False,
    limit: int = _BATCH,
) -> Pruned:
    """Remove the bodies of a batch of events that came before a time, the oldest first, or count them."""
    old = _OLD if dry_run else _HOLD_OLD
    if after is not None:
        old = old.where(tuple_(events.c.received_at, events.c.id) > after)
    rows = connection.execute(old, {"before": before, "limit": limit}).all()
    sizes = {row.id: row.size for row in rows}
    if rows and not dry_run:
        pruned = connection.scalars(_PRUNE, {"numbers": list(sizes)})
        sizes = {number: sizes[number] for number in pruned}
    end = Place(rows[-1].received_at, rows[-1].id) if len(rows) == limit else None
    return Pruned(len(sizes), sum(sizes.values()), end)


def prune_all(engine: Engine, before: datetime, *, dry_run: bool = False) -> Iterator[Pruned]:
    """Prune batch after batch, each in a transaction of its own; who asks for no more ends it."""
    end: Place | None = None
    while True:
        with engine.begin() as connection:
            batch = prune(connection, before, end, dry_run=dry_run)
        yield batch
        if batch.end is None:
            return
        end = batch.end
