"""The skeleton of every task: it runs, and what becomes of it after an error is decided in one place."""

import logging
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple, NoReturn

import structlog
from celery import Task
from celery.app.trace import LOG_REJECTED
from celery.exceptions import Reject, SoftTimeLimitExceeded, TaskPredicate
from structlog.contextvars import bound_contextvars

from celeryconfig import CONFIRM_TIMEOUT, TRACEPARENT, send_error
from tasks.errors import Stalled
from tasks.store.faults import name, told
from tasks.tracing import tracing
from tasks.worker.kinds import Kind
from tasks.worker.retries import Attempt, GiveUp, RetryIn, kind, next_step

_log = structlog.get_logger(__name__)
# `task.held` says it in a line; Celery would add a traceback each time.
logging.getLogger("celery.app.trace").addFilter(lambda record: record.msg != LOG_REJECTED.strip())

#: The message header that counts a task's unexpected errors apart from the outages that it waited out, and
#: the one that says since when its worker holds it (Unix seconds).
TRIES = "unexpected_tries"
HELD_SINCE = "held_since"


class Wait(NamedTuple):
    """Seconds until a held task's next run, and how many of its errors so far nobody foresaw."""

    seconds: float
    tries: int


class Held(Reject):
    """Asks the worker to keep the task's message and run it again (`tasks.worker.holding`)."""

    def __init__(self, reason: str, requeue: Wait) -> None:
        # Celery passes it on unread to what rejects the message.
        super().__init__(reason, requeue)  # type: ignore[arg-type]


class ReliableTask(Task[..., str | None]):
    """A task that is tried again as the policy says; one that is given up may do something about it.

    What it returns is shown by monitors, and read by nobody else.
    """

    max_retries = None
    Strategy = "tasks.worker.holding:strategy"
    #: Whether it runs a merchant's code: that may wait for anything, so no worker holds it, and a time limit
    #: that it hits is its own fault. A task of ours waits for database and broker alone.
    is_merchants = False
    #: What logs and monitors show in place of arguments that hold personal data.
    shown_arguments: str | None = None
    #: Whether a run is a span.
    is_traced = True

    def __call__(self, *args: Any, **options: Any) -> str | None:
        """Run the task, and act on an error as the policy says."""
        bound = {"task_id": self.request.id} if self.request.id else {}
        with bound_contextvars(**bound), self._span(*args):
            return self._run(*args, **options)

    def origins(self, *_args: Any) -> Iterable[str]:
        """Return the contexts, each a `traceparent`, of what the arguments came from."""
        return ()

    def _span(self, *args: Any) -> AbstractContextManager[object]:
        if not self.is_traced:
            return nullcontext()
        parent = getattr(self.request, TRACEPARENT, None)
        # Nothing has looked at the arguments yet.
        origins = partial(self.origins, *args)
        return tracing.span(self.name, "CONSUMER", parent=parent, origins=origins, task_id=self.request.id)

    def _run(self, *args: Any, **options: Any) -> str | None:
        try:
            return self.run(*args, **options)
        except TaskPredicate:
            # What becomes of the task is decided.
            raise
        except Exception as error:  # noqa: BLE001  # the policy tells what it means
            self._act(error, *args)
        return None

    def next_step(self, error: Exception, *_args: Any) -> RetryIn | GiveUp:
        """Return what the policy says about an error."""
        return next_step(error, self.attempt, in_queue=self.is_merchants)

    def give_up(self, error: Exception, *_args: Any) -> None:
        """Do what is left to do after the last try; what this raises makes a dead message of the task."""
        raise error

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Send the task, and wait a bounded time until a queue holds it; retries come this way too."""
        options.setdefault("confirm_timeout", CONFIRM_TIMEOUT)
        options.setdefault("mandatory", True)
        if self.shown_arguments:
            options.setdefault("argsrepr", self.shown_arguments)
        return super().apply_async(*args, **options)

    @property
    def is_redelivered(self) -> bool:
        """Whether the broker has delivered the message before."""
        return bool((self.request.delivery_info or {}).get("redelivered"))

    @property
    def attempt(self) -> Attempt:
        """How the task has fared so far."""
        held_since = getattr(self.request, HELD_SINCE, None)
        held_for = time.time() - held_since if held_since else 0.0
        return Attempt(int(getattr(self.request, TRIES, 0)), self.request.retries, held_for)

    def _act(self, error: Exception, *args: Any) -> None:
        if isinstance(error, SoftTimeLimitExceeded) and not self.is_merchants:
            error = Stalled("The time limit was hit.")
        tracing.fail(name(error))
        if kind(error) is Kind.UNEXPECTED:
            # Of the others the log, the dead letters and the doctor tell what to do.
            send_error(error)
        step = self.next_step(error, *args)
        if isinstance(step, RetryIn):
            self._try_again(error, step)
        try:
            self.give_up(error, *args)
        except Exception as failure:
            again = next_step(failure, self.attempt)
            if failure is error or isinstance(again, GiveUp):
                raise
            self._try_again(failure, again)

    def _try_again(self, error: Exception, retry: RetryIn) -> NoReturn:
        if retry.in_queue:
            self._send_again(error, retry)
        self._hold(error, retry)

    def _send_again(self, error: Exception, retry: RetryIn) -> NoReturn:
        # Without what brokers add: RabbitMQ lets nothing wait again that has waited before by its `x-death`.
        headers: dict[str, Any] = {
            name: value
            for name, value in (self.request.headers or {}).items()
            if not name.startswith("x-") and name != HELD_SINCE
        }
        headers[TRIES] = retry.tries
        try:
            raise self.retry(exc=error, countdown=retry.seconds, headers=headers) from error
        except Reject as refused:
            # No queue has taken it, and Celery would make a dead letter of it.
            self._hold(refused.args[0], RetryIn(max(1, retry.seconds), retry.tries))

    def _hold(self, error: Exception, retry: RetryIn) -> NoReturn:
        _log.warning(
            "task.held", task=self.name, error=name(error), detail=told(error), seconds=retry.seconds
        )
        raise Held(name(error), Wait(retry.seconds, retry.tries)) from None
