"""Bells: they let endpoints be told what is due now, rather than after the next sweep.

What is due stands in the database, and sweeps ring for it, so a bell may be lost. Whoever has fulfilled a
payment waits for none: a broker that is slow, silent or away, and a queue that nobody empties, cost
fulfilment no time.
"""

import os
import threading
import time
from collections.abc import Collection
from functools import cache
from typing import Any

import structlog
from celery import Celery

from tasks.store.faults import name

#: The name of the task that a bell is.
NOTIFY_TASK = "tasks.notifications.notify"
#: Seconds between two bells of a process, for one costs as much as a whole notification; twice as many after
#: each that no queue has taken, up to the limit.
QUIET = 0.1
_QUIET_LIMIT = 10.0
#: A bell waits a second for the broker's confirm. Its next try is the next bell.
_OPTIONS: dict[str, Any] = {"confirm_timeout": 1.0, "retry": True, "retry_policy": {"max_retries": 0}}
_NEXT_STEP = "Nothing is lost. If the queue `notifications` is full, run the process `notify`."

_log = structlog.get_logger(__name__)

#: What rings later, by endpoint.
_alarms: dict[str, threading.Timer] = {}


def ring(app: Celery, endpoints: Collection[str]) -> bool:
    """Ring for endpoints; tell whether a queue has taken the bell."""
    try:
        app.tasks[NOTIFY_TASK].apply_async((sorted(endpoints),), **_OPTIONS)
    except Exception as error:  # noqa: BLE001  # whatever it is, it is no reason to fail
        _log.warning("bell.unheard", error=name(error.__cause__ or error), next_step=_NEXT_STEP)
        return False
    return True


def ring_soon(app: Celery, endpoints: Collection[str]) -> None:
    """Ring for endpoints in a moment, and wait for nothing."""
    if endpoints:
        _ringer(app, os.getpid()).ring(endpoints)


def ring_later(app: Celery, endpoint: str, seconds: float) -> None:
    """Ring for an endpoint after a time, and not when was said before; a process that ends forgets it."""
    alarm = threading.Timer(seconds, ring, [app, [endpoint]])
    alarm.daemon = True
    before, _alarms[endpoint] = _alarms.get(endpoint), alarm
    if before:
        before.cancel()
    alarm.start()


class _Ringer:
    """Rings in a thread of its own: one bell for all that is asked for while it rings and is quiet."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._endpoints = set[str]()
        self._is_asked = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._go_on, name="bells", daemon=True).start()

    def ring(self, endpoints: Collection[str]) -> None:
        with self._lock:
            self._endpoints.update(endpoints)
        self._is_asked.set()

    def _go_on(self) -> None:
        quiet = QUIET
        while self._is_asked.wait():
            self._is_asked.clear()
            with self._lock:
                endpoints, self._endpoints = self._endpoints, set()
            if not endpoints:
                # The last bell was for them, too.
                continue
            if ring(self._app, endpoints):
                quiet = QUIET
            else:
                self.ring(endpoints)
                quiet = min(2 * quiet, _QUIET_LIMIT)
            time.sleep(quiet)


@cache
def _ringer(app: Celery, _process: int) -> _Ringer:
    return _Ringer(app)
