"""The retry policy: which errors are tried again, how often and how long apart."""

import sqlite3
from enum import Enum, auto
from typing import Any

import amqp.exceptions
import kombu.exceptions
import psycopg
import redis.exceptions
import sqlalchemy.exc
from celery import Task
from celery.utils.time import get_exponential_backoff_interval

from celeryconfig import CONFIRM_TIMEOUT
from tasks.errors import PermanentError, TransientError


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

#: The message header that counts a task's unexpected errors apart from the outages that it waited out.
_TRIES = "unexpected_tries"


def kind(error: Exception) -> Kind:
    """Tell what an error means for another try."""
    if isinstance(error, PermanentError):
        return Kind.PERMANENT
    cause = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
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
    #: What logs and monitors show in place of arguments that hold personal data.
    shown_arguments: str | None = None

    def __call__(self, *args: Any, **options: Any) -> None:
        """Run the task; a transient error that it leaves to its caller is retried."""
        try:
            self.run(*args, **options)
        except Exception as error:
            if kind(error) is Kind.TRANSIENT:
                try_again(self, error)
            raise

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send the task, waiting a bounded time for the broker's confirm; retries come this way too."""
        options.setdefault("confirm_timeout", CONFIRM_TIMEOUT)
        if self.shown_arguments:
            options.setdefault("argsrepr", self.shown_arguments)
        return super().apply_async(*args, **options)


def try_again(task: Task[..., None], error: Exception) -> None:
    """Retry as the policy says; return if the error is final."""
    request = task.request
    options: dict[str, Any] = {"countdown": backoff(request.retries)}
    match kind(error):
        case Kind.PERMANENT:
            return
        case Kind.UNEXPECTED:
            # Not those of the message: RabbitMQ's `x-death` in them would keep it from waiting a second time.
            headers = request.as_execution_options()["headers"]
            tries = headers.get(_TRIES, 0)
            if tries >= UNEXPECTED_TRIES:
                return
            options["headers"] = {**headers, _TRIES: tries + 1}
    raise task.retry(exc=error, **options) from error
