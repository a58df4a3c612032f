"""The retry policy: which errors are tried again, how often and how long apart."""

from typing import Any

import kombu.exceptions
import sqlalchemy.exc
from celery import Task

from celeryconfig import CONFIRM_TIMEOUT

#: Errors that pass by themselves: retried without end, because an outage is no reason to give up.
TRANSIENT: tuple[type[Exception], ...] = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    kombu.exceptions.OperationalError,
    ConnectionError,
    TimeoutError,
)
#: How often an error that is neither transient nor permanent is tried before it becomes a dead letter.
UNEXPECTED_TRIES = 5
#: Seconds: the first retry's longest wait, doubled each time up to the limit. Redis gives a message that
#: waits in a worker to another one after its visibility timeout, so the limit stays well below that.
BACKOFF = 1
BACKOFF_LIMIT = 60


class ReliableTask(Task[..., None]):
    """A task that retries transient errors with exponential backoff and full jitter."""

    autoretry_for = TRANSIENT
    max_retries = None
    retry_backoff = BACKOFF
    retry_backoff_max = BACKOFF_LIMIT
    retry_jitter = True
    #: What logs and monitors show in place of arguments that hold personal data.
    shown_arguments: str | None = None

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send the task, waiting a bounded time for the broker's confirm; retries come this way too."""
        options.setdefault("confirm_timeout", CONFIRM_TIMEOUT)
        if self.shown_arguments:
            options.setdefault("argsrepr", self.shown_arguments)
        return super().apply_async(*args, **options)


def try_again(task: Task[..., None], error: Exception) -> None:
    """Retry after an error that nobody foresaw, or return once it was tried UNEXPECTED_TRIES times."""
    retries = task.request.retries
    if retries < UNEXPECTED_TRIES:
        raise task.retry(exc=error, countdown=min(2**retries, BACKOFF_LIMIT)) from error
