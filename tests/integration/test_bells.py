"""Bells: nobody waits for one, and the last thing that became due is always heard of."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from celeryconfig import task_queues
from tasks.celery import Application
from tasks.pipeline import bells
from tasks.pipeline.bells import NOTIFY_TASK, QUIET, ring, ring_later, ring_soon
from tests.integration.messages import taken
from tests.waiting import wait_until

pytestmark = pytest.mark.long

(BOUND,) = [
    queue.queue_arguments["x-max-length"]
    for queue in task_queues
    if queue.queue_arguments and "x-max-length" in queue.queue_arguments
]


def rung(app: Application) -> list[list[str]]:
    """Take the bells out of their queue; return whom each is for."""
    return [argument for task, argument in taken(app) if task == NOTIFY_TASK]


@contextmanager
def away(path: Path) -> Iterator[None]:
    """Let nobody write to the embedded broker's file, for which it waits three seconds."""
    with closing(sqlite3.connect(path / "broker.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_bell_is_for_all_that_has_come_meanwhile(app: Application) -> None:
    heard: list[list[str]] = []

    def are_heard(*names: str) -> bool:
        heard.extend(rung(app))
        return {name for bell in heard for name in bell} >= {*names}

    ring_soon(app, ["shop"])
    wait_until(lambda: are_heard("shop"), what="the first is heard at once")
    began = time.monotonic()
    for number in range(200):
        ring_soon(app, ["shop", f"shop-{number}"])
    wait_until(lambda: are_heard(*(f"shop-{number}" for number in range(200))), what="all are heard")
    assert len(heard) <= 2 + (time.monotonic() - began) / QUIET


def test_nobody_waits_for_a_bell(app: Application, tmp_path: Path) -> None:
    ring(app, ["shop"])
    assert rung(app) == [["shop"]]
    with away(tmp_path):
        began = time.monotonic()
        for _ in range(20):
            ring_soon(app, ["shop"])
        assert time.monotonic() - began < 2
    wait_until(lambda: ["shop"] in rung(app), what="it is heard once the broker is back")


def test_a_bell_for_later_rings_when_that_was_said_last(app: Application) -> None:
    for seconds in (0.5, 1000, 1):
        ring_later(app, "shop", seconds)
    began = time.monotonic()
    assert wait_until(lambda: rung(app), what="it is heard") == [["shop"]]
    assert time.monotonic() - began > 0.9


def test_where_nobody_listens_bells_do_not_pile_up(app: Application) -> None:
    for _ in range(BOUND):
        assert ring(app, ["shop"])
    with capture_logs() as logs:
        assert not ring(app, ["shop"])
    assert logs == [
        {
            "error": "QueueFull",
            "event": "bell.unheard",
            "log_level": "warning",
            "next_step": "Nothing is lost. If the queue `notifications` is full, run the process `notify`.",
        }
    ]
    assert len(rung(app)) == BOUND
    assert ring(app, ["shop"])


def test_a_bell_that_nobody_takes_is_tried_again_and_less_and_less_often(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []

    def refuse(_app: Application, endpoints: set[str]) -> bool:
        assert endpoints == {"shop"}
        tries.append(time.monotonic())
        return False

    with monkeypatch.context() as patch:
        patch.setattr(bells, "ring", refuse)
        ring_soon(app, ["shop"])
        wait_until(lambda: len(tries) >= 5, what="it has been tried for a while")
        waits = [later - earlier for earlier, later in pairwise(tries)]
        assert waits[-1] > 2 * waits[0]
    wait_until(lambda: ["shop"] in rung(app), what="it is heard")
