"""A worker stops between two turns of its loop, never in the middle of handing a task to a child.

One of threads tells its tasks.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import billiard
import pytest
from celery.concurrency.prefork import TaskPool as ChildrenPool
from celery.concurrency.thread import TaskPool as ThreadPool
from celery.exceptions import WorkerShutdown
from celery.worker import state
from kombu.asynchronous import Hub

from tasks.worker import shutdown
from tasks.worker.shutdown import PATIENCE, OrderlyStop, WarmStop, is_stopping


class Parent(SimpleNamespace):
    hub: Hub
    obeyed: list[int]
    pool: Any


@pytest.fixture
def parent() -> Iterator[Parent]:
    """Return a worker's consumer, and the signals that a handler in the place of Celery's own has seen."""
    obeyed: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: obeyed.append(number))
    with closing(Hub()) as hub:
        # Without a timer each turn would wait for a second.
        hub.call_repeatedly(0.001, int)
        yield Parent(hub=hub, steps=[], obeyed=obeyed)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def step(parent: Parent) -> Iterator[OrderlyStop]:
    step = OrderlyStop(parent)
    step.start(parent)
    yield step
    step.stop(parent)


@pytest.mark.usefixtures("step")
def test_a_signal_waits_for_the_end_of_what_it_interrupted(parent: Parent) -> None:
    seen_at_once = []

    def interrupted() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        seen_at_once.extend(parent.obeyed)

    parent.hub.call_soon(interrupted)
    parent.hub.run_once()

    assert not seen_at_once
    assert parent.obeyed == [signal.SIGTERM]


@pytest.mark.usefixtures("step")
def test_a_signal_waits_until_a_task_of_which_a_part_is_written_is_written(
    parent: Parent,
) -> None:
    reader, writer = os.pipe()
    parent.hub.add_writer(writer, os.write, writer, b"the rest of a task")
    os.kill(os.getpid(), signal.SIGTERM)

    parent.hub.run_once()
    assert not parent.obeyed
    assert os.read(reader, 100) == b"the rest of a task"

    parent.hub.remove_writer(writer)
    parent.hub.run_once()
    assert parent.obeyed == [signal.SIGTERM]
    os.close(reader)
    os.close(writer)


def test_without_a_loop_a_signal_is_obeyed_at_once(parent: Parent, step: OrderlyStop) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    assert not parent.obeyed
    step.stop(parent)
    assert parent.obeyed == [signal.SIGTERM]

    os.kill(os.getpid(), signal.SIGTERM)
    assert parent.obeyed == [signal.SIGTERM, signal.SIGTERM]


def test_a_worker_that_loses_its_broker_before_it_consumes_can_stop(parent: Parent) -> None:
    OrderlyStop(parent).stop(parent)


def test_a_child_that_hangs_does_not_hold_up_a_cold_stop(
    parent: Parent, step: OrderlyStop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutdown, "PATIENCE", 0.1)
    monkeypatch.setattr(shutdown, "REMAP_SIGTERM", "SIGQUIT")
    child = billiard.Process(target=time.sleep, args=(60,))
    child.start()
    os.kill(os.getpid(), signal.SIGTERM)
    step.stop(parent)
    child.join(10)
    assert child.exitcode == -signal.SIGKILL


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Return after how many seconds the system would end a worker of threads that was asked to stop."""
    before = {number: signal.getsignal(number) for number in STOPS}
    alarms: list[int] = []
    monkeypatch.setattr(state, "should_stop", None)
    monkeypatch.setattr(signal, "alarm", alarms.append)
    worker = SimpleNamespace(steps=[], pool_cls=ThreadPool)
    WarmStop(worker).start(worker)
    yield alarms
    for number, handler in before.items():
        signal.signal(number, handler)


STOPS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)


@pytest.mark.parametrize("number", STOPS)
def test_each_signal_tells_the_tasks_in_threads(stopped: list[int], number: signal.Signals) -> None:
    assert not is_stopping()
    os.kill(os.getpid(), number)
    assert is_stopping()
    assert stopped == [PATIENCE]
    with pytest.raises(WorkerShutdown):
        state.maybe_shutdown()


@pytest.mark.parametrize(("pool", "is_warm"), [(ThreadPool, True), (ChildrenPool, False)])
def test_a_worker_stops_in_one_of_the_two_ways(parent: Parent, pool: type, is_warm: bool) -> None:  # noqa: FBT001  # a case's
    worker = SimpleNamespace(steps=[], pool_cls=pool)
    parent.pool = pool(1)
    assert WarmStop(worker).include_if(worker) is is_warm
    assert OrderlyStop(parent).include_if(parent) is not is_warm
