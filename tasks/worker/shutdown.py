"""How a worker obeys a signal to stop, and how long it waits then.

One with children stops between two turns of its event loop, warm or cold as the signal says. One whose tasks
run in threads tells them, and waits for them: nobody can end a thread.
"""

import os
import signal
import threading
from contextlib import suppress
from types import FrameType
from typing import Any

import billiard
from billiard.common import REMAP_SIGTERM
from celery import bootsteps
from celery.concurrency.thread import TaskPool
from celery.worker import state

#: Seconds after which a stop kills what still runs. Celery would wait without end for a task that its loop
#: has not yet noted as begun, or that hangs in a database that has fallen silent.
PATIENCE = 10.0
_STOPS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)


class OrderlyStop(bootsteps.StartStopStep):
    """Keeps Celery from stopping in the middle of handing a task to a child.

    Celery stops inside the signal's handler, which may have interrupted the worker after a part of the task
    was written. The child then waits for the rest and the worker for the child's result, until both are
    killed.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._received: int | None = None
        self._handlers: dict[int, Any] = {}
        self._hub = parent.hub

    def include_if(self, parent: Any) -> bool:
        """Leave a worker without an event loop as Celery made it, and one without children."""
        return parent.hub is not None and not isinstance(parent.pool, TaskPool)

    def start(self, _parent: Any) -> None:
        """Note signals from now on, and obey them in the loop, which turns every second at least."""
        self._handlers = {number: signal.signal(number, self._note) for number in _STOPS}
        self._hub.on_tick.add(self._obey)

    def stop(self, _parent: Any) -> None:
        """Let Celery obey at once while no loop runs: it may be waiting for its broker."""
        self._hub.on_tick.discard(self._obey)
        for number, handler in self._handlers.items():
            # Celery's own handlers put others into their places.
            if signal.getsignal(number) == self._note:
                signal.signal(number, handler)
        self._obey_now()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._received = number

    def _obey(self) -> None:
        # What has a callback here is a task of which a part is written.
        if not any(self._hub.writers.values()):
            self._obey_now()

    def _obey_now(self) -> None:
        number, self._received = self._received, None
        if number is not None:
            if number != signal.SIGTERM or REMAP_SIGTERM == "SIGQUIT":
                _kill_later([child.pid for child in billiard.active_children() if child.pid])
            self._handlers[number](number, None)
            state.maybe_shutdown()


def _kill_later(processes: list[int]) -> None:
    def kill() -> None:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    timer = threading.Timer(PATIENCE, kill)
    timer.daemon = True
    timer.start()


class WarmStop(bootsteps.StartStopStep):
    """Lets each signal stop a worker of threads warm: Celery's cold stop fails, for it cannot end a task."""

    requires = ("celery.worker.components:Pool",)

    def include_if(self, worker: Any) -> bool:
        """Leave a worker with children alone."""
        return issubclass(worker.pool_cls, TaskPool)

    def start(self, _worker: Any) -> None:
        """Take the places of Celery's handlers."""
        for number in _STOPS:
            signal.signal(number, _stop_warm)


def is_stopping() -> bool:
    """Tell a task in a thread that its worker waits for its end."""
    return state.should_stop is not None


def _stop_warm(_number: int, _frame: FrameType | None) -> None:
    # The loop looks at it in each turn, and so does whoever waits for a broker.
    state.should_stop = os.EX_OK  # type: ignore[assignment]  # the stubs know its first value alone
    # By the system, because nothing of Python's can be relied on in the place that the signal interrupted.
    signal.alarm(int(PATIENCE))
