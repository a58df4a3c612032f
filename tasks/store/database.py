"""Connections to the event log and ledger, on SQLite and PostgreSQL alike.

Statements that every event needs are built once, as constants: to build one takes longer than to execute it.
"""

import sqlite3
from functools import partial
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event

from tasks.embedded_broker.checkpoint import CHECKPOINT
from tasks.embedded_broker.private_file import make_private
from tasks.embedded_broker.sqlite_damage import is_damage, recovery
from tasks.embedded_broker.write_lock import begin
from tasks.log import Log

_log = Log(__name__)

#: How many connections to PostgreSQL a process opens at most: as many as its threads need at once. A child of
#: a worker has one thread, `notify` one for each endpoint.
CONNECTIONS = 4
#: Seconds that a statement waits for another writer before it fails as transient.
_LOCK_TIMEOUT = 10


def connect(
    url: str, *, pooler: bool = False, connections: int = 1, lock_timeout: int = _LOCK_TIMEOUT
) -> Engine:
    """Return an engine whose transactions serialise writers and survive a loss of power.

    On PostgreSQL it has so many `connections` at most, one where its process does one thing at a time; behind
    a `pooler` none of them leaves anything with the server. `lock_timeout` is in seconds. Its errors hide the
    statements' parameters, which hold personal data and end up in logs.
    """
    if not url.startswith("sqlite"):
        # Its driver takes a while to import, which those on SQLite need not wait for.
        from tasks.store.postgresql import connect_to_postgresql  # noqa: PLC0415  # as said above

        return connect_to_postgresql(url, pooler=pooler, connections=connections, lock_timeout=lock_timeout)
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": lock_timeout})
    if engine.url.database not in {None, "", ":memory:"}:
        make_private(Path(str(engine.url.database)))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "handle_error", partial(_report_damage, Path(engine.url.database or "")))
    return engine


def _report_damage(path: Path, context: ExceptionContext) -> None:
    """Say what to do about a torn page, and let go of the file: it will be replaced."""
    if is_damage(context.original_exception):
        context.is_disconnect = True
        _log.error(
            "database.damaged",
            file=str(path),
            reason=str(context.original_exception),
            next_step=f"Stop every process, copy the file, run: {recovery(path.absolute())}; start again.",
        )


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # sqlite3 would begin a transaction only at the first write: too late to keep what was read true.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT}")
    # A task is acknowledged after its commit, so the commit itself must be on the disk.
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    # Takes the write lock first: a read that turns into a write could otherwise fail half-way.
    begin(cast("sqlite3.Connection", connection.connection.driver_connection), connection.exec_driver_sql)
