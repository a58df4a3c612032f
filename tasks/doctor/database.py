"""The database: whether it can be reached, read and written, and by which clock it lives."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from tasks.doctor import ledger, verdicts
from tasks.doctor.finding import Finding, Level
from tasks.errors import TransientError
from tasks.settings import Settings
from tasks.store import sweeps
from tasks.store.clock import clock
from tasks.store.database import CONNECTIONS, connect
from tasks.store.faults import is_behind, told
from tasks.store.revision import NEWEST, difference, is_newer, revision_of

#: Seconds that a statement may take, or wait for a lock.
_PATIENCE = 3
#: What PostgreSQL says of one that took longer.
_CANCELED = "57014"

Check = Callable[[Connection, Settings], Iterable[Finding]]


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at the database of these settings; nothing that is written there stays."""
    engine = connect(
        settings.database_url.get_secret_value(), pooler=settings.database_pooler, lock_timeout=_PATIENCE
    )
    try:
        reached = _reach(engine)
        yield reached
        for name, check in _CHECKS.items():
            if reached.level is Level.FAULT:
                yield Finding(check=name, level=Level.UNKNOWN, seen="the database cannot be reached")
            else:
                yield from _checked(engine, name, check, settings)
    finally:
        engine.dispose()


def _reach(engine: Engine) -> Finding:
    address = engine.url.set(query={}).render_as_string(hide_password=True)
    try:
        with engine.connect() as connection:
            product = _product(connection)
    except (SQLAlchemyError, TransientError) as error:
        return Finding(
            check="database",
            level=Level.FAULT,
            seen=f"{address} cannot be used: {told(error, engine.url.username).rstrip('.')}",
            next_step="Start it, or set DATABASE_URL to the one that runs; what comes waits in the broker.",
        )
    return Finding(check="database", seen=f"{product} at {address}")


def _product(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        connection.execute(text("SELECT 1"))
        return f"SQLite {sqlite3.sqlite_version}"
    return f"PostgreSQL {connection.execute(text('SHOW server_version')).scalar_one()}"


def _checked(engine: Engine, name: str, check: Check, settings: Settings) -> Iterable[Finding]:
    try:
        # Nothing commits, so all is rolled back.
        with engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SET LOCAL statement_timeout = '{_PATIENCE}s'"))
            return list(check(connection, settings))
    except (SQLAlchemyError, TransientError) as error:
        return [_failed(name, error, engine.url.username)]


def _failed(name: str, error: Exception, role: str | None) -> Finding:
    if getattr(getattr(error, "orig", None), "sqlstate", None) == _CANCELED:
        return Finding(
            check=name, level=Level.UNKNOWN, seen=f"the database did not answer within {_PATIENCE} s"
        )
    if is_behind(error):
        return Finding(check=name, level=Level.UNKNOWN, seen="the database is not migrated")
    return Finding(
        check=name,
        level=Level.FAULT,
        seen=told(error, role).rstrip("."),
        next_step="Mend what the database says.",
    )


def _schema(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    revision = revision_of(connection)
    wrong = difference(revision)
    if wrong is None:
        yield Finding(check="schema", seen=f"migrated to {NEWEST}, as this version needs it")
        return
    seen, _, cure = wrong.partition(": ")
    newer = revision is not None and is_newer(revision)
    yield Finding(
        check="schema",
        level=Level.NOTICE if newer else Level.FAULT,
        seen=seen.rstrip("."),
        next_step=f"{cure[:1].upper()}{cure[1:]}" if cure else None,
    )


def _writes(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    sweeps.begin(connection, "doctor", timedelta(0))
    yield Finding(check="writes", seen="a row can be written")


def _clock(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    before = datetime.now(UTC)
    database = clock(connection)
    after = datetime.now(UTC)
    yield verdicts.on_clock(before + (after - before) / 2 - database)


# Of others' connections an ordinary role sees the database and the role, and not what kind they are.
_LIMITS = text("""
    SELECT current_setting('max_connections')::int
               - current_setting('superuser_reserved_connections')::int
               - coalesce(current_setting('reserved_connections', true), '0')::int AS server,
           (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role,
           (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database,
           count(*) AS used_of_server,
           count(*) FILTER (WHERE usename = current_user) AS used_of_role,
           count(*) FILTER (WHERE datname = current_database()) AS used_of_database
    FROM pg_stat_activity
    WHERE datname IS NOT NULL
""")


def _connections(connection: Connection, settings: Settings) -> Iterator[Finding]:
    if connection.dialect.name == "sqlite":
        yield Finding(check="connections", seen="a file has no limit")
        return
    row = connection.execute(_LIMITS).one()
    pairs = [(row.server, row.used_of_server), (row.role, row.used_of_role)]
    pairs.append((row.database, row.used_of_database))
    # The one that is reached first; -1 is no limit.
    most, used = min((pair for pair in pairs if pair[0] >= 0), key=lambda pair: pair[0] - pair[1])
    yield verdicts.on_connections(used, most, settings.worker_concurrency + 1 + CONNECTIONS)


_CHECKS: Mapping[str, Check] = {
    "schema": _schema,
    "writes": _writes,
    "clock": _clock,
    "connections": _connections,
    **ledger.CHECKS,
}
