"""The retry policy: which errors are tried again, how often, how long apart, and where they wait.

What waits for the database stays with its worker, unacknowledged (`tasks/worker/holding.py`). A merchant's
handler may wait for anything, and must not keep others from running: its retry is a message that waits in the
broker.

Which error is which is looked up: `tasks/worker/sqlstates.py`, `tasks/worker/broker_errors.py`.
"""

import random
import sqlite3
from dataclasses import dataclass

import psycopg
import redis.exceptions
import sqlalchemy.exc
from celery.exceptions import SoftTimeLimitExceeded
from celery.utils.time import get_exponential_backoff_interval

from tasks.embedded_broker.sqlite_damage import is_damage
from tasks.errors import PermanentError, TransientError
from tasks.worker import broker_errors, sqlstates
from tasks.worker.kinds import Kind

#: Connections, locks, time-outs: what is said without an SQLSTATE.
_TRANSIENT: tuple[type[Exception], ...] = (
    TransientError,
    ConnectionError,
    TimeoutError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    sqlite3.OperationalError,
)
#: What waits for a release or an administrator where our own statements say it, and is a fault of the code
#: where a merchant's do.
_MERCHANTS_FAULTS = (
    psycopg.errors.InvalidCatalogName,
    psycopg.errors.InvalidColumnReference,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
    redis.exceptions.LockError,
    redis.exceptions.NoPermissionError,
    redis.exceptions.NoScriptError,
    redis.exceptions.WatchError,
)

#: How often an unexpected error is tried again before it becomes a dead letter.
UNEXPECTED_TRIES = 5
#: Seconds: the first retry's longest wait, doubled each time up to the limit. Redis gives a message that
#: waits in a worker to another one after its visibility timeout, so the limit stays well below that.
BACKOFF = 1
BACKOFF_LIMIT = 60
#: Seconds: the longest wait of what is held, so that an outage is over soon after its end.
HELD_LIMIT = 10
#: Seconds after which what is held goes to the end of its queue: well before a broker takes the worker for
#: dead (RabbitMQ after half an hour, Redis after its visibility timeout) and counts that against the message.
HOLD_LIMIT = 60


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a task has fared before its error."""

    #: Errors that nobody foresaw.
    tries: int = 0
    #: How often it was sent again.
    retries: int = 0
    #: Seconds for which its worker has held it.
    held_for: float = 0.0


@dataclass(frozen=True, slots=True)
class RetryIn:
    """Run the task again."""

    seconds: float
    #: Its errors so far that nobody foresaw.
    tries: int
    #: Whether it waits in its queue, or else with its worker.
    in_queue: bool = False


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The task has failed for good."""


def kind(error: Exception) -> Kind:
    """Tell what an error means for another try."""
    if isinstance(error, PermanentError):
        return Kind.PERMANENT
    cause = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
    if cause is not None and is_damage(cause):
        # No event is to blame for a torn page of the database.
        return Kind.TRANSIENT
    if cause is not error and cause is not None and isinstance(cause.__context__, SoftTimeLimitExceeded):
        # Nor for a database that hung until the time limit; what the driver says after it varies.
        return Kind.TRANSIENT
    decision = sqlstates.decision(getattr(cause, "sqlstate", None) or "") or broker_errors.decision(error)
    if decision:
        return decision.kind
    return Kind.TRANSIENT if isinstance(error, _TRANSIENT) else Kind.UNEXPECTED


def backoff(tries: int) -> int:
    """Return the seconds to wait after so many tries: exponential, with full jitter."""
    return get_exponential_backoff_interval(BACKOFF, tries, BACKOFF_LIMIT, full_jitter=True)


def next_step(error: Exception, attempt: Attempt, *, in_queue: bool = False) -> RetryIn | GiveUp:
    """Return what the policy says about a task that failed; `in_queue` for a merchant's, which none holds."""
    own = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
    nature = Kind.UNEXPECTED if in_queue and isinstance(own, _MERCHANTS_FAULTS) else kind(error)
    tries = attempt.tries + (nature is Kind.UNEXPECTED)
    if nature is Kind.PERMANENT or tries > UNEXPECTED_TRIES:
        return GiveUp()
    if in_queue:
        return RetryIn(backoff(attempt.retries), tries, in_queue=True)
    if attempt.held_for > HOLD_LIMIT:
        return RetryIn(0, tries, in_queue=True)
    if nature is Kind.UNEXPECTED:
        return RetryIn(backoff(attempt.tries), tries)
    # As long again as it has waited already.
    seconds = random.uniform(0.5, 1) * min(max(1, attempt.held_for), HELD_LIMIT)  # noqa: S311  # jitter
    return RetryIn(seconds, tries)
