"""Waiting for a condition with a deadline, in place of sleeps."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds for what takes a moment, on a machine that is busy with other things; a promise of fewer says so.
PATIENCE = 120.0


def wait_until(
    condition: Callable[[], T], *, what: str, log: Callable[[], str] = str, seconds: float = PATIENCE
) -> T:
    """Return the condition's first true value; fail with `what` and the log when it has none in time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while True:
        asked = time.monotonic()
        if value := condition():
            return value
        now = time.monotonic()
        if now > deadline:
            raise AssertionError(f"Not within {seconds:g} s: {what} (last: {value!r})\n{log()}")
        # Asking must not take the processor from what is waited for.
        pause.wait(min(0.5, max(0.02, 4 * (now - asked))))
