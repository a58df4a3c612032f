"""The retry policy: which errors are tried again, how often, how long apart, and where they wait.

What waits for the database stays with its worker, unacknowledged (`tasks/worker/holding.py`). A merchant's
handler may wait for anything, and must not keep others from running: its retry is a message that waits in the
broker.
"""

import logging
import random
import sqlite3
import time
from enum import Enum, auto
from typing import Any, NamedTuple

import amqp.exceptions
import kombu.exceptions
import psycopg
import redis.exceptions
import sqlalchemy.exc
import structlog
from celery import Task
from celery.app.trace import LOG_REJECTED
from celery.exceptions import Reject, SoftTimeLimitExceeded, TaskPredicate
from celery.utils.time import get_exponential_backoff_interval

from celeryconfig import CONFIRM_TIMEOUT
from tasks.embedded_broker.sqlite_damage import is_damage
from tasks.errors import PermanentError, TransientError

_log = structlog.get_logger(__name__)
# `task.held` says it in a line; Celery would add a traceback each time.
logging.getLogger("celery.app.trace").addFilter(lambda record: record.msg != LOG_REJECTED.strip())


class Kind(Enum):
    """What an error means for another try."""

    #: It passes by itself: tried again without end, because an outage is no reason to give up.
    TRANSIENT = auto()
    #: It would be the same next time: a dead letter at once.
    PERMANENT = auto()
    #: Nobody foresaw it: tried again UNEXPECTED_TRIES times, then a dead letter.
    UNEXPECTED = auto()


#: Connections, locks, time-outs, serialization, servers that start, stop, are full or read-only.
TRANSIENT: tuple[type[Exception], ...] = (
    TransientError,
    ConnectionError,
    TimeoutError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
    sqlite3.OperationalError,
    kombu.exceptions.OperationalError,
    amqp.exceptions.RecoverableConnectionError,
    amqp.exceptions.RecoverableChannelError,
    amqp.exceptions.MessageNacked,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
)
#: What PostgreSQL's SQLSTATE says more exactly than the exception's class, and no event is to blame for: a
#: server that turned read-only, a transaction that idled or lasted too long, rights that are not given yet or
#: were taken (hosted plans take INSERT from a database that has outgrown them), tables or columns that the
#: release step has not made yet, pages that cannot be read.
TRANSIENT_STATES = frozenset({"25006", "25P03", "25P04", "42501", "42P01", "42703", "XX001", "XX002"})
#: And a class of states that never passes, although psycopg calls it operational: a program limit exceeded.
UNEXPECTED_STATES = ("54",)

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

#: The message header that counts a task's unexpected errors apart from the outages that it waited out, and
#: the one that says since when its worker holds it (Unix seconds).
TRIES = "unexpected_tries"
HELD_SINCE = "held_since"


class Wait(NamedTuple):
    """Seconds until a held task's next run, and how many of its errors so far nobody foresaw."""

    seconds: float
    tries: int


class Held(Reject):
    """Asks the worker to keep the task's message and run it again."""

    def __init__(self, reason: str, requeue: Wait) -> None:
        # Celery passes it on unread to what rejects the message.
        super().__init__(reason, requeue)  # type: ignore[arg-type]


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
    state = str(getattr(cause, "sqlstate", None) or "")
    if state.startswith(UNEXPECTED_STATES):
        return Kind.UNEXPECTED
    if state in TRANSIENT_STATES or isinstance(error, TRANSIENT):
        return Kind.TRANSIENT
    return Kind.UNEXPECTED


def backoff(tries: int) -> int:
    """Return the seconds to wait after so many tries: exponential, with full jitter."""
    return get_exponential_backoff_interval(BACKOFF, tries, BACKOFF_LIMIT, full_jitter=True)


class ReliableTask(Task[..., None]):
    """A task that tries again whatever is transient."""

    max_retries = None
    Strategy = "tasks.worker.holding:strategy"
    #: What logs and monitors show in place of arguments that hold personal data.
    shown_arguments: str | None = None

    def __call__(self, *args: Any, **options: Any) -> None:
        """Run the task; a transient error that it leaves to its caller is tried again."""
        try:
            self.run(*args, **options)
        except TaskPredicate:
            # What becomes of the task is decided: it is retried, or held.
            raise
        except Exception as error:
            if kind(error) is Kind.TRANSIENT:
                try_again(self, error)
            raise

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send the task, and wait a bounded time until a queue holds it; retries come this way too."""
        options.setdefault("confirm_timeout", CONFIRM_TIMEOUT)
        options.setdefault("mandatory", True)
        if self.shown_arguments:
            options.setdefault("argsrepr", self.shown_arguments)
        return super().apply_async(*args, **options)


def try_again(task: Task[..., None], error: Exception) -> None:
    """Let the worker hold the task and run it again as the policy says; return if the error is final."""
    tries = _tries_with(task, error)
    if tries is None:
        return
    held_for = time.time() - getattr(task.request, HELD_SINCE, time.time())
    if kind(error) is Kind.TRANSIENT:
        # As long again as it has waited already.
        seconds = random.uniform(0.5, 1) * min(max(1, held_for), HELD_LIMIT)  # noqa: S311  # jitter
    else:
        seconds = backoff(tries - 1)
    wait = Wait(seconds, tries)
    if held_for > HOLD_LIMIT:
        _send_again(task, error, wait, countdown=0)
    _hold(task, error, wait)


def try_later(task: Task[..., None], error: Exception) -> None:
    """Send the task again as the policy says, to wait in the broker; return if the error is final."""
    tries = _tries_with(task, error)
    if tries is not None:
        seconds = backoff(task.request.retries)
        _send_again(task, error, Wait(seconds, tries), countdown=seconds)


def _tries_with(task: Task[..., None], error: Exception) -> int | None:
    """Return how often the task has failed in a way nobody foresaw, now included; None if it is given up."""
    tries = unexpected_tries(task)
    match kind(error):
        case Kind.PERMANENT:
            return None
        case Kind.UNEXPECTED:
            return tries + 1 if tries < UNEXPECTED_TRIES else None
        case Kind.TRANSIENT:
            return tries


def unexpected_tries(task: Task[..., None]) -> int:
    """Return how often the task has failed in a way nobody foresaw."""
    return int(getattr(task.request, TRIES, 0))


def _send_again(task: Task[..., None], error: Exception, wait: Wait, *, countdown: int) -> None:
    """Raise what ends this run: Retry, or Held if no queue has taken the new message."""
    # Without what brokers add: RabbitMQ lets nothing wait again that has waited before by its `x-death`.
    headers: dict[str, Any] = {
        name: value
        for name, value in (task.request.headers or {}).items()
        if not name.startswith("x-") and name != HELD_SINCE
    }
    headers[TRIES] = wait.tries
    try:
        raise task.retry(exc=error, countdown=countdown, headers=headers) from error
    except Reject as refused:
        # Celery would make a dead letter of it.
        _hold(task, refused.args[0], wait)


def _hold(task: Task[..., None], error: Exception, wait: Wait) -> None:
    _log.warning(
        "task.held", task=task.name, error=type(error).__name__, detail=str(error), seconds=wait.seconds
    )
    raise Held(type(error).__name__, wait) from None
