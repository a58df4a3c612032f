"""Monitors hear of every task, though what a worker tells them gathers first."""

import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from celery import Celery
from kombu import Connection

from tasks.embedded_broker.transport import Transport
from tests.acceptance.purchases import buy, granted
from tests.stack import Stack
from tests.waiting import PATIENCE, wait_until

#: Begins when it says so, and ends when it may.
HANDLER = """
import time
from pathlib import Path
from tasks.merchant import on

@on("Settled")
def hold(event):
    Path("begun").touch()
    while not Path("may_end").exists():
        time.sleep(0.02)
"""


@contextmanager
def monitored(stack: Stack, tasks: int) -> Iterator[None]:
    """Start a worker that tells monitors hours later or when it stops; hear then of so many tasks' ends."""
    stack.release()
    stack.start("web")
    app = Celery("monitor", set_as_current=False)
    app.conf.event_queue_ttl = app.conf.event_queue_expires = 3600
    path = {"path": stack.environment["EMBEDDED_BROKER_PATH"]}
    with Connection(transport=Transport, transport_options=path) as connection:
        receiver = app.events.Receiver(connection)
        receiver.queue(connection.default_channel).declare()
        stack.start_command("worker", [sys.executable, "-m", "tests.programs.late_telling"])
        yield
        heard: Counter[str] = Counter()

        def note(event: dict[str, str]) -> None:
            heard[event["type"]] += 1
            receiver.should_stop = heard["task-succeeded"] == tasks

        receiver.handlers["*"] = note
        receiver.capture(limit=None, timeout=PATIENCE)
    assert heard["task-received"] == tasks


def is_acknowledged(stack: Stack) -> bool:
    """Tell whether the worker has heard that the task of the event has ended."""
    with closing(sqlite3.connect(stack.environment["EMBEDDED_BROKER_PATH"])) as broker:
        (held,) = broker.execute("SELECT count(*) FROM messages WHERE queue = 'events'").fetchone()
    return not held


def test_a_worker_that_stops_tells_monitors_what_they_have_not_heard(tmp_path: Path) -> None:
    with Stack(tmp_path, {}) as stack, monitored(stack, tasks=1):
        buy(stack, "told-late")
        granted(stack, "told-late")
        wait_until(lambda: is_acknowledged(stack), what="the message is gone")
        stack.kill("worker", signal.SIGTERM)


def test_a_task_that_ends_while_its_worker_stops_is_told_as_well(tmp_path: Path) -> None:
    with Stack(tmp_path, {}) as stack:
        stack.write_handlers(HANDLER)
        with monitored(stack, tasks=2):
            state = tmp_path / "app"
            buy(stack, "held")
            wait_until(
                lambda: (state / "begun").exists() and is_acknowledged(stack), what="the handler has begun"
            )
            stack.processes["worker"].send_signal(signal.SIGTERM)
            wait_until(lambda: "Warm shutdown" in stack.log("worker"), what="the worker stops")
            (state / "may_end").touch()
            stack.processes["worker"].wait(PATIENCE)
