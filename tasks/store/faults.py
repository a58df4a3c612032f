"""What an error of the database says, in one line, and what helps."""

import re
from typing import Any

import sqlalchemy.exc

#: As SQLite says it.
_MISSING = r"no such (table|column)"
_BEHIND = "The database is migrated less far than this version: run `alembic upgrade head`."
_POOLER = "A pooler in transaction mode lies before the database: set DATABASE_POOLER=true."
#: By SQLSTATE.
_HELP_BY_STATE = {
    "26000": _POOLER,
    "42P05": _POOLER,
    "3F000": "The schema that DATABASE_URL asks for is not there: CREATE SCHEMA makes it.",
    "42P01": _BEHIND,
    "42703": _BEHIND,
    "40001": "Others were in the way; it can be tried again.",
    "40P01": "Others were in the way; it can be tried again.",
    "55P03": "Somebody else holds a lock that this waited for; it can be tried again.",
    "25006": "The server is a standby, or an administrator has made it read-only.",
    "53100": "The server's disk is full.",
    "42501": (
        "The database has taken a right away from its role, as hosted plans do with a database that has "
        "outgrown them, or has not given it yet: make room or choose a larger plan, or GRANT the right."
    ),
}
#: By what the message says; where a connection is refused there is no SQLSTATE.
_HELP_BY_TEXT = {
    "too many (connections|clients)|connection slots|no more connections|query_wait_timeout": (
        "This is a limit of connections: raise it, or run fewer processes "
        "(docs/reference/processes-and-queues.md says how many each of them takes)."
    ),
    r"unsupported startup parameter": (
        "A pooler refuses a parameter of DATABASE_URL: take it out, or set ignore_startup_parameters there."
    ),
    _MISSING: _BEHIND,
}
#: What stands in the way of a release, and what gives the right. `{schema}` and `{role}` are filled in.
_GRANT = "Let its owner run: GRANT USAGE, CREATE ON SCHEMA {schema} TO {role};"


def name(error: BaseException) -> str:
    """Return what an error is known by: of the database's, the driver's name, which says more."""
    return type(_cause(error)).__name__


def told(error: BaseException, role: str | None = None) -> str:
    """Return what an error says, without the values that its details may hold, and what helps, in one line.

    `role` is the database's, to name it in a command.
    """
    cause = _cause(error)
    reason = _reason(cause)
    advice = _advice(cause, reason, role or "<role>")
    return f"{reason.rstrip('.')}. {advice}" if advice else reason


def is_known(error: BaseException) -> bool:
    """Tell whether it is clear what helps, or the server could not be reached, which says it all."""
    cause = _cause(error)
    is_away = isinstance(error, sqlalchemy.exc.OperationalError) and not _state(cause)
    return is_away or bool(_advice(cause, _reason(cause), ""))


def is_behind(error: BaseException) -> bool:
    """Tell whether a table or a column is missing."""
    cause = _cause(error)
    return _state(cause) in {"42P01", "42703"} or bool(re.search(_MISSING, _reason(cause)))


def _cause(error: BaseException) -> Any:
    return getattr(error, "orig", None) or error


def _state(cause: Any) -> str:
    return getattr(cause, "sqlstate", None) or ""


def _reason(cause: Any) -> str:
    # What follows the first line of a server's message holds values.
    diagnosed = getattr(getattr(cause, "diag", None), "message_primary", None)
    return f"The database says: {diagnosed}" if diagnosed else " ".join(str(cause).split())


def _advice(cause: Any, reason: str, role: str) -> str:
    if schema := re.search(r"permission denied for schema (\S+)", reason):
        return _GRANT.format(schema=schema.group(1), role=role)
    for pattern, advice in _HELP_BY_TEXT.items():
        if re.search(pattern, reason):
            return advice
    return _HELP_BY_STATE.get(_state(cause), "")
