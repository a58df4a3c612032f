"""Messages that wait for a worker are run together, and each stays a message of its own."""

import os
import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kombu import Connection, Producer, Queue

from celeryconfig import INTAKE_TASK
from tests.operator import Operator
from tests.services import SharedRabbitMQ, postgres_database
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long

#: More than a worker of two processes takes at once.
MESSAGES = 40


@pytest.fixture
def stack(shared_rabbitmq: SharedRabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("merged")
    with (
        postgres_database() as database,
        Stack(
            folder,
            {
                "BROKER_URL": shared_rabbitmq.virtual_host().url,
                "DATABASE_URL": database,
                "WORKER_CONCURRENCY": "2",
                "LOG_FORMAT": "json",
            },
        ) as stack,
    ):
        stack.release()
        stack.start("web")
        for _ in range(MESSAGES):
            stack.trigger("Settled", "--item", "sword", "--wallet", "alice")
        yield stack


def waiting(stack: Stack) -> int:
    """Return how many messages the queue of events holds that no worker has taken."""
    with Connection(stack.environment["BROKER_URL"]) as connection:
        declared: Any = Queue("events", channel=connection.default_channel).queue_declare(passive=True)
        return int(declared.message_count)


@contextmanager
def locked_payments(stack: Stack) -> Iterator[None]:
    """Start a worker that takes what it can, and can go on with nothing of it before the end."""
    with psycopg.connect(stack.environment["DATABASE_URL"]) as database:
        database.execute("LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
        stack.start("worker")
        held_up = "SELECT count(*) FROM pg_locks WHERE relation = 'payments'::regclass AND NOT granted"
        wait_until(
            # A process that dies before the worker has looked at its first ones ends the worker.
            lambda: waiting(stack) <= MESSAGES - 16 and database.execute(held_up).fetchone() == (2,),
            what="the window is full, and both processes have begun",
            log=lambda: stack.log("worker"),
        )
        yield
        database.rollback()


def is_done_once(stack: Stack) -> bool:
    """Tell whether each of the payments has given alice its sword; none gives two."""
    held = stack.wallet("alice")
    assert sum(each["quantity"] for each in held) <= MESSAGES
    return len(held) == MESSAGES and waiting(stack) == 0


def merged(stack: Stack) -> list[int]:
    """Return of how many messages each run was that had several."""
    runs = re.findall(r'"others": \[([^]]*)\][^\n]*"event": "messages.merged"', stack.log("worker"))
    return [1 + others.count('"') // 2 for others in runs]


def test_messages_that_wait_on_rabbitmq_are_run_together(stack: Stack) -> None:
    stack.start("worker")
    wait_until(lambda: is_done_once(stack), what="all are granted", log=lambda: stack.log("worker"))
    assert merged(stack)
    assert max(merged(stack)) <= 8
    assert "Traceback" not in stack.log("worker")
    # All are acknowledged: nobody delivers one again.
    stack.kill("worker")
    assert waiting(stack) == 0
    with Operator(stack) as dead_letters:
        assert dead_letters("list") == []


def test_a_process_that_is_killed_while_it_runs_several_on_rabbitmq_costs_none_of_them(stack: Stack) -> None:
    # What waits is merged when the first two are killed.
    with locked_payments(stack):
        for _ in range(2):
            before = stack.children("worker")
            for child in before:
                os.kill(child, signal.SIGKILL)
            wait_until(
                lambda before=before: len(set(stack.children("worker")) - set(before)) == 2,  # type: ignore[misc]  # mypy knows no default of a lambda
                what="others have taken their places",
                log=lambda: stack.log("worker"),
            )
        wait_until(lambda: merged(stack), what="several are run together", log=lambda: stack.log("worker"))
    wait_until(lambda: is_done_once(stack), what="all are granted", log=lambda: stack.log("worker"))
    stack.kill("worker")
    assert waiting(stack) == 0


def test_a_worker_that_is_killed_gives_back_on_rabbitmq_what_waits_in_it(stack: Stack) -> None:
    with locked_payments(stack):
        stack.kill("worker")
        wait_until(lambda: waiting(stack) == MESSAGES, what="the broker has all of them again")
    stack.start("worker")
    wait_until(lambda: is_done_once(stack), what="all are granted", log=lambda: stack.log("worker"))


def test_messages_that_no_task_can_take_hold_up_no_other_on_rabbitmq(stack: Stack) -> None:
    stack.start("worker")
    wait_until(lambda: is_done_once(stack), what="all are granted", log=lambda: stack.log("worker"))
    with Connection(stack.environment["BROKER_URL"]) as connection:
        # As many as the worker has processes.
        for number in range(2):
            headers = {"task": INTAKE_TASK, "id": f"broken-{number}"}
            Producer(connection).publish(
                "[",
                exchange="coinflow",
                routing_key="events",
                content_type="application/json",
                headers=headers,
            )
    with Operator(stack) as dead_letters:
        wait_until(lambda: len(dead_letters("list")) == 2, what="both are dead letters")
    stack.trigger("Settled", "--item", "sword", "--wallet", "bob")
    wait_until(lambda: stack.wallet("bob"), what="bob has his", log=lambda: stack.log("worker"), seconds=20)


def kept(stack: Stack) -> int:
    """Return how many messages of events the embedded broker's file holds, in whosever hands."""
    with closing(sqlite3.connect(stack.environment["EMBEDDED_BROKER_PATH"])) as file:
        return int(file.execute("SELECT count(*) FROM messages WHERE queue = 'events'").fetchone()[0])


def held(stack: Stack) -> int:
    """Return how many of them a worker has taken."""
    with closing(sqlite3.connect(stack.environment["EMBEDDED_BROKER_PATH"])) as file:
        taken = "SELECT count(*) FROM messages WHERE queue = 'events' AND owner IS NOT NULL"
        return int(file.execute(taken).fetchone()[0])


def test_messages_that_wait_on_the_embedded_broker_are_run_together(tmp_path: Path) -> None:
    with Stack(tmp_path, {"WORKER_CONCURRENCY": "2", "LOG_FORMAT": "json"}) as stack:
        stack.release()
        stack.start("web")
        for _ in range(MESSAGES):
            stack.trigger("Settled", "--item", "sword", "--wallet", "alice")
        assert kept(stack) == MESSAGES
        stack.start("worker")
        wait_until(lambda: kept(stack) == 0, what="all are acknowledged", log=lambda: stack.log("worker"))
        assert len(stack.wallet("alice")) == MESSAGES
        assert 1 < max(merged(stack)) <= 8
        assert "Traceback" not in stack.log("worker")
        with Operator(stack) as dead_letters:
            assert dead_letters("list") == []


def test_a_worker_that_is_killed_gives_back_on_the_embedded_broker_what_waits_in_it(tmp_path: Path) -> None:
    with Stack(tmp_path, {"WORKER_CONCURRENCY": "2", "LOG_FORMAT": "json"}) as stack:
        stack.release()
        stack.start("web")
        for _ in range(MESSAGES):
            stack.trigger("Settled", "--item", "sword", "--wallet", "alice")
        with closing(sqlite3.connect(tmp_path / "coinflow.sqlite3", isolation_level=None)) as ledger:
            ledger.execute("BEGIN IMMEDIATE")
            stack.start("worker")
            wait_until(lambda: held(stack) >= 16, what="the window is full", log=lambda: stack.log("worker"))
            stack.kill("worker")
            ledger.execute("ROLLBACK")
        assert kept(stack) == MESSAGES
        stack.start("worker")
        # What was delivered before is fulfilled by tasks of its own.
        wait_until(
            lambda: len(stack.wallet("alice")) >= MESSAGES,
            what="all is granted",
            log=lambda: stack.log("worker"),
        )
        assert kept(stack) == 0
        assert len(stack.wallet("alice")) == MESSAGES
