"""Connections to PostgreSQL, on its own or behind a pooler in transaction mode.

Such a pooler lends a session of the server's for one transaction, and then to somebody else. So whatever is
set is set for the transaction, and no lock is a session's.
"""

import re
import time
from functools import cache, partial
from typing import Any

import psycopg
from sqlalchemy import Column, Connection, Engine, ExceptionContext, Integer, create_engine, event, make_url

from tasks.errors import SearchPathDropped, SequenceBehind
from tasks.log import Log
from tasks.store.schema import metadata

_log = Log(__name__)

#: What the driver is told where the URL says nothing of it: seconds to find the server, and the encoding of
#: text, which a database or the environment may say otherwise.
_DEFAULTS: dict[str, Any] = {"connect_timeout": 5, "client_encoding": "utf8"}
#: Seconds for which plans may be used; to make those of all statements of a worker takes a few milliseconds.
_PLANS_AGE = 5.0
_PLANNED_AT = "planned_at"
#: Beginnings of SQLSTATEs (PostgreSQL's appendix A) that a session is told because of what it took over when
#: it began, or of what has become of its server. It may hear the same for good, and a new one need not:
_STALE_STATES = (
    # the connection failed; a pooler may say so and keep its own end open
    "08",
    # a statement was prepared before its tables changed
    "0A000",
    # read-only: a default of the server, the database or the role, which a session takes over when it begins
    "25006",
    # prepared statements that are another session's
    "26000",
    "42P05",
    # who the session is: a role that was changed
    "28",
    # a role that was dropped and made again is another one than the session's; settings of a role, too
    "42501",
    # tables are looked for along the search path, another such setting
    "3F000",
    "42P01",
    # an administrator, a crash, a start or a time limit ends sessions
    "57P",
)


def connect_to_postgresql(url: str, *, pooler: bool, connections: int, lock_timeout: int) -> Engine:
    """Return an engine that keeps every parameter of the URL; see `tasks.store.database.connect`."""
    said = make_url(url).query
    options: dict[str, Any] = {name: value for name, value in _DEFAULTS.items() if name not in said}
    if pooler:
        # The next statement may meet another session, which knows nothing of what this one has prepared.
        options["prepare_threshold"] = None
    engine = create_engine(
        url,
        hide_parameters=True,
        # A connection that died while idle is replaced instead of failing the next task.
        pool_pre_ping=True,
        pool_size=connections,
        max_overflow=0,
        connect_args=options,
    )
    if path := _search_path(said.get("options", "")):
        event.listen(engine, "connect", partial(_check_search_path, path))
    event.listen(engine, "begin", partial(_bound_locks, lock_timeout))
    if not pooler:
        event.listen(engine, "begin", _plan_anew)
    event.listen(engine, "handle_error", _drop_stale)
    event.listen(engine, "handle_error", _tell_of_sequence)
    return engine


def _bound_locks(seconds: int, connection: Connection) -> None:
    """Let no statement of a transaction wait longer for a lock."""
    # What commits by itself is no transaction that it could be set for.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{seconds}s'")


def _plan_anew(connection: Connection) -> None:
    """Let the server plan prepared statements again from time to time.

    A plan stands until its tables are analyzed. One that was made while they were small may read all of each,
    and goes on to while they grow.
    """
    now = time.monotonic()
    planned_at = connection.info.setdefault(_PLANNED_AT, now)
    if now - planned_at > _PLANS_AGE:
        connection.exec_driver_sql("DISCARD PLANS")
        connection.info[_PLANNED_AT] = now


def _search_path(options: str | tuple[str, ...]) -> list[str]:
    """Return the schemas that a URL's `options` name, as the server reads them: the last one that does."""
    text = options if isinstance(options, str) else " ".join(options)
    named: list[str] = re.findall(r"(?:^|\s)(?:-c\s*|--)search[_-]path=((?:\\.|\S)+)", text)
    return _schemas(re.sub(r"\\(.)", r"\1", named[-1])) if named else []


def _schemas(path: str) -> list[str]:
    return [name.strip().strip('"') for name in path.split(",")]


def _check_search_path(
    expected: list[str], connection: psycopg.Connection[tuple[str]], _record: object
) -> None:
    """Raise SearchPathDropped where a pooler has let go of it: another shop's tables would be written."""
    row = connection.execute("SELECT current_setting('search_path')").fetchone()
    connection.rollback()
    if row is None or _schemas(row[0]) != expected:
        path = ", ".join(expected)
        raise SearchPathDropped(
            f"DATABASE_URL asks for the search_path {path}, and a pooler has dropped it. Give the shop a "
            f"role of its own, ALTER ROLE <role> SET search_path = {path}; and take `options` out of the URL."
        )


def _drop_stale(context: ExceptionContext) -> None:
    """Let go of every connection that this process has made so far, if one of them is stale."""
    error = context.original_exception
    state = getattr(error, "sqlstate", None) or ""
    if state.startswith(_STALE_STATES):
        context.is_disconnect = True
        # These states' messages name tables and roles, never values.
        _log.warning("database.connections_dropped", sqlstate=state, reason=str(error).partition("\n")[0])


def _tell_of_sequence(context: ExceptionContext) -> None:
    """Raise SequenceBehind where a number that the database gave a row is another row's already."""
    error = context.original_exception
    if not isinstance(error, psycopg.errors.UniqueViolation):
        return
    if table := _numbered().get(error.diag.constraint_name or ""):
        command = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}));"  # noqa: S608  # for a person, of names of ours
        raise SequenceBehind(
            f"The sequence of {table}.id is behind its rows, as after a switch-over by logical replication "
            f"or the restore of a dump. Run this, and the same for others that are named next: {command}"
        ) from error


@cache
def _numbered() -> dict[str, str]:
    """Return the tables whose rows the database numbers, by the names of their primary keys."""
    return {
        str(table.primary_key.name): table.name
        for table in metadata.tables.values()
        if isinstance(table.c.get("id"), Column) and isinstance(table.c["id"].type, Integer)
    }
