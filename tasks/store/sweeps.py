"""Sweeps: when the last one of each name began, so that one in an interval is enough.

Whoever handles a sweep notes its beginning, so the time since then grows while nobody does.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Executable,
    Interval,
    bindparam,
    func,
    or_,
    select,
)

from tasks.store.column_types import Timestamp
from tasks.store.dialects import insert
from tasks.store.schema import sweeps

#: The name of the sweep for what is overdue.
RECOVERY = "resend-unfinished"

_INTERVAL: BindParameter[timedelta] = bindparam("interval", type_=Interval)


def begin(connection: Connection, name: str, interval: timedelta) -> bool:
    """Note that a sweep begins now, unless one of its name began within the interval; tell whether it may.

    The clock is the database's. A beginning that lies ahead of it counts for nothing: the clock was put back.
    Of several at once, one may.
    """
    if connection.dialect.name == "postgresql":
        return _noted(connection, _BEGIN_BY_SERVER, {"name": name, "interval": interval})
    # The file's clock is the machine's, and the transaction already has the write lock.
    now = datetime.now(UTC)
    return _noted(connection, _BEGIN, {"name": name, "now": now, "earlier": now - interval})


def began_at(connection: Connection, name: str) -> datetime | None:
    """Return when the last sweep of a name began, by the database's clock; None where none ever did."""
    return connection.execute(select(sweeps.c.began_at).where(sweeps.c.name == name)).scalar_one_or_none()


def _noted(connection: Connection, statement: Executable, values: Mapping[str, object]) -> bool:
    return connection.execute(statement, values).first() is not None


def _begin(dialect: str, now: ColumnElement[datetime], earlier: ColumnElement[datetime]) -> Executable:
    upsert = insert(dialect, sweeps).values(name=bindparam("name"), began_at=now)
    upsert = upsert.on_conflict_do_update(
        index_elements=[sweeps.c.name],
        set_={"began_at": now},
        where=or_(sweeps.c.began_at <= earlier, sweeps.c.began_at > now),
    )
    return upsert.returning(sweeps.c.name)


#: Reads the clock again once the row is free, unlike now(): another sweep may just have begun.
_SERVERS_NOW: ColumnElement[datetime] = func.clock_timestamp(type_=Timestamp)
_BEGIN_BY_SERVER = _begin("postgresql", _SERVERS_NOW, _SERVERS_NOW - _INTERVAL)
_BEGIN = _begin("sqlite", bindparam("now", type_=Timestamp), bindparam("earlier", type_=Timestamp))
