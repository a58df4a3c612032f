"""Totals: what has come and been done since the beginning, counted once, whatever is pruned later.

A mark says how far each table has been counted. What lies behind it is counted whenever somebody asks, until
nothing can come before it: PostgreSQL numbers rows in another order than that in which they are committed.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Engine, Table, bindparam, func, select, text, update

from tasks.store import counting
from tasks.store.clock import clock
from tasks.store.counting import Counts
from tasks.store.dialects import insert
from tasks.store.schema import (
    dead_letter_attempts,
    events,
    ledger_entries,
    notifications,
    total_marks,
    totals,
)

#: Rows that one transaction counts.
BATCH = 20_000
#: Rows that may be counted anew each time somebody asks.
MOST_BEHIND = 1_000_000
#: What the former release relies on, which does not ask for `_UNNUMBERED`: where it works beside this one, a
#: mark may be its own. It goes with a later release.
SETTLED_AFTER = timedelta(seconds=10)
#: Seconds of counting before somebody who asks is told to come again.
_PATIENCE = 3.0


class TotalsBehind(Exception):
    """So much is yet to be counted that no total can be told; it is being counted."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A table whose rows are counted in the order of their numbers."""

    table: Table
    #: Counts the rows after one number and up to another.
    count: Callable[[Connection, int, int], Counts]


class _Mark(NamedTuple):
    counted_id: int
    settling_id: int
    settling_since: datetime
    settling_transaction: int


_SOURCES = (
    _Source(events, counting.received),
    _Source(ledger_entries, counting.moved),
    _Source(notifications, counting.queued),
)
_M = total_marks.c
_MARK = select(_M.counted_id, _M.settling_id, _M.settling_since, _M.settling_transaction).where(
    _M.source == bindparam("of")
)
_SAVE = update(total_marks).where(_M.source == bindparam("of"))
_A = dead_letter_attempts.c
_UNCOUNTED = (
    select(_A.id, _A.handler, _A.error)
    .where(~_A.is_counted)
    .order_by(_A.id)
    .limit(BATCH)
    # Who takes a letter away waits for this, so this waits for nobody.
    .with_for_update(skip_locked=True)
)
_COUNTED = update(dead_letter_attempts).where(_A.id == bindparam("of")).values(is_counted=True)
#: Whether a transaction that writes to a table has no number itself. It may have numbered a row, and may wait
#: long for somebody who writes the same key.
_UNNUMBERED = text("""
SELECT EXISTS (
    SELECT FROM pg_locks
    GROUP BY virtualtransaction
    HAVING bool_or(
        relation = CAST(:of AS regclass) AND mode = 'RowExclusiveLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AND NOT bool_or(locktype = 'transactionid' AND mode = 'ExclusiveLock')
)
""")
#: The lowest number of a transaction that has not ended, and the number of the next one that begins.
_SNAPSHOT = text("""
SELECT
    CAST(CAST(pg_snapshot_xmin(seen) AS text) AS bigint),
    CAST(CAST(pg_snapshot_xmax(seen) AS text) AS bigint)
FROM pg_current_snapshot() AS seen
""")


def bring_forward(engine: Engine) -> None:
    """Count what has come since the last time. Raises TotalsBehind where that takes long; ask again then."""
    deadline = time.monotonic() + _PATIENCE
    for source in _SOURCES:
        while True:
            with engine.begin() as connection:
                is_more = _step(connection, source)
            if not is_more:
                break
            _check(engine, source, deadline)
        _check(engine, source)
    with engine.begin() as connection:
        while _step_of_failures(connection):
            pass


def read(connection: Connection) -> Mapping[str, Mapping[tuple[str, ...], float]]:
    """Return every total by its name and labels, with what is yet to be settled."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for name, labels, value in connection.execute(select(totals)):
        found.setdefault(name, {})[tuple(json.loads(labels))] = value
    for source in _SOURCES:
        counted = connection.execute(_MARK, {"of": source.table.name}).scalar() or 0
        for (name, label), value in source.count(connection, counted, _newest(connection, source)).items():
            there = found.setdefault(name, {})
            there[label] = there.get(label, 0) + value
    return found


def _step(connection: Connection, source: _Source) -> bool:
    """Count a batch of a table; tell whether there is more to count at once."""
    mark = _hold(connection, source.table.name)
    settled = _settled(connection, source, mark)
    ids = source.table.c.id
    batch = select(ids).where(ids > mark.counted_id, ids <= settled).order_by(ids).limit(BATCH)
    until = connection.execute(select(func.max(batch.subquery().c.id))).scalar()
    if until is None:
        return False
    _add(connection, source.count(connection, mark.counted_id, until))
    connection.execute(_SAVE.values(counted_id=until), {"of": source.table.name})
    return bool(until < settled)


def _hold(connection: Connection, name: str) -> _Mark:
    """Return a table's mark, and let nobody else move it until the transaction ends."""
    new = {"source": name, "settling_since": clock(connection)}
    zeros = dict.fromkeys(("counted_id", "settling_id", "settling_transaction"), 0)
    make = insert(connection.dialect.name, total_marks).on_conflict_do_nothing()
    connection.execute(make, {**new, **zeros})
    return _Mark(*connection.execute(_MARK.with_for_update(), {"of": name}).one())


def _settled(connection: Connection, source: _Source, mark: _Mark) -> int:
    """Return a number up to which no row can come any more."""
    newest = _newest(connection, source)
    if connection.dialect.name == "sqlite":
        # One writer at a time.
        return newest
    # In this order: whoever has a row up to the newest is through by now, or writes to the table.
    is_certain = not connection.execute(_UNNUMBERED, {"of": source.table.name}).scalar_one()
    oldest_open, following = connection.execute(_SNAPSHOT).one()
    now = clock(connection)
    # A clock that was put back, or a server of its own after a restore, says nothing of what was noted.
    is_void = now < mark.settling_since or following < mark.settling_transaction
    if is_certain and (mark.counted_id >= mark.settling_id or is_void):
        noted = {
            "settling_id": newest,
            "settling_since": now,
            "settling_transaction": following,
        }
        connection.execute(_SAVE.values(noted), {"of": source.table.name})
        return mark.counted_id
    is_old = now - mark.settling_since >= SETTLED_AFTER
    is_settled = is_old and oldest_open >= mark.settling_transaction and not is_void
    return mark.settling_id if is_settled else mark.counted_id


def _newest(connection: Connection, source: _Source) -> int:
    return connection.execute(select(func.max(source.table.c.id))).scalar() or 0


def _check(engine: Engine, source: _Source, deadline: float | None = None) -> None:
    """Raise TotalsBehind where too much is left, or the time is up."""
    with engine.connect() as connection:
        counted = connection.execute(_MARK, {"of": source.table.name}).scalar() or 0
        newest = _newest(connection, source)
    if newest - counted > MOST_BEHIND or (deadline is not None and time.monotonic() > deadline):
        raise TotalsBehind(f"{source.table.name} are being counted: {counted} of {newest}. Ask again.")


def _step_of_failures(connection: Connection) -> bool:
    # A row can go at any time, so each says by itself whether it is counted.
    rows = connection.execute(_UNCOUNTED).all()
    if rows:
        connection.execute(_COUNTED, [{"of": row.id} for row in rows])
        _add(connection, Counter(("failures", (row.handler, row.error)) for row in rows))
    return len(rows) == BATCH


def _add(connection: Connection, counts: Counts) -> None:
    rows: Sequence[dict[str, object]] = [
        {"name": name, "labels": json.dumps(labels), "value": value}
        # In one order for everybody.
        for (name, labels), value in sorted(counts.items())
    ]
    if rows:
        upsert = insert(connection.dialect.name, totals)
        added = {"value": totals.c.value + upsert.excluded.value}
        connection.execute(
            upsert.on_conflict_do_update(index_elements=[totals.c.name, totals.c.labels], set_=added), rows
        )
