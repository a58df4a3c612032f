"""Intake's one transaction: what is stored and what is granted stand or fall together."""

import random
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select, text
from sqlalchemy.event import listen, remove
from structlog.testing import capture_logs

from celeryconfig import INTAKE_TASK
from tasks.celery import Application
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.payments.facts import Facts
from tasks.pipeline.arrivals import read
from tasks.pipeline.dispatch import FULFILMENT_TASK, Delivery
from tasks.pipeline.intake import store
from tasks.store import endpoints, runs
from tasks.store.events import facts_text
from tasks.store.runs import FULFILMENT
from tasks.store.schema import (
    dead_letters,
    events,
    grants,
    handler_runs,
    ledger_entries,
    notifications,
    payments,
    price_lists,
)
from tasks.store.states import RunState
from tasks.worker.reliable_task import HELD_SINCE, Held
from tests.integration.messages import redelivered, taken
from tests.integration.pipeline import count, delivered, delivery, run, states


class Cut(BaseException):
    """What no code of ours catches, as the end of a process."""


@contextmanager
def failing(engine: Engine, where: str, error: type[BaseException]) -> Iterator[None]:
    """Let the statements fail that have something in their text."""

    def fail(*details: Any) -> None:
        if where in details[2]:
            raise error

    listen(engine, "before_cursor_execute", fail)
    try:
        yield
    finally:
        remove(engine, "before_cursor_execute", fail)


@contextmanager
def undoing(engine: Engine) -> Iterator[None]:
    """Let the database undo a transaction when it locks payments."""

    def undo(*details: Any) -> None:
        connection, cursor, statement = details[:3]
        if "INTO payments" not in statement:
            return
        if connection.dialect.name == "sqlite":
            cursor.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")
        # Behind a pooler only the server knows it.
        (session,) = cursor.execute("SELECT pg_backend_pid()").fetchone()
        with engine.connect() as other:
            other.execute(text("SELECT pg_terminate_backend(:session, 5000)"), {"session": session})

    listen(engine, "before_cursor_execute", undo)
    try:
        yield
    finally:
        remove(engine, "before_cursor_execute", undo)


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Return the statements that are executed."""
    seen: list[str] = []

    def note(*details: Any) -> None:
        # What comes from time to time belongs to no message.
        if details[2] != "DISCARD PLANS":
            seen.append(details[2])

    listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        remove(engine, "before_cursor_execute", note)


@contextmanager
def refused_commits(engine: Engine) -> Iterator[None]:
    """Let the database refuse what moves the ledger, and not before it is to be committed."""

    def leave_a_fault(*details: Any) -> None:
        cursor, statement = details[1:3]
        if "INTO ledger_entries" in statement:
            cursor.execute("INSERT INTO faults VALUES ('nobody')")

    with engine.begin() as connection:
        connection.execute(
            text("CREATE TABLE faults (of varchar(200) REFERENCES payments DEFERRABLE INITIALLY DEFERRED)")
        )
    listen(engine, "before_cursor_execute", leave_a_fault)
    try:
        yield
    finally:
        remove(engine, "before_cursor_execute", leave_a_fault)


def moved(lines: Sequence[Any]) -> list[list[str]]:
    """Return the payments that each line of the log says were moved."""
    told = [line["moves"] for line in lines if line["event"] == "ledger.moved"]
    return [[move["payment_id"] for move in moves] for moves in told]


def group(*payment_ids: str) -> list[Delivery]:
    return [
        delivery(each, event_type=event_type)
        for each in payment_ids
        for event_type in ("Payment Authorized", "Settled")
    ]


def unheard_of() -> Delivery:
    """Return an event of a type that nobody knows, and of no payment."""
    packet = {"eventType": "Unheard Of", "category": "New", "created": "2026-09-01T10:00:00Z", "data": {}}
    return delivered(packet)


def assert_granted_once(engine: Engine, payment_ids: Sequence[str]) -> None:
    with engine.connect() as connection:
        entries = connection.execute(select(ledger_entries.c.payment_id, ledger_entries.c.version)).all()
        assert sorted(entries) == [(each, 1) for each in sorted(payment_ids)]
        told = select(notifications.c.payment_id, notifications.c.version)
        assert sorted(connection.execute(told).all()) == sorted(entries)
    assert set(states(engine)) == {"done"}
    assert count(engine, grants) == len(payment_ids)


def test_a_group_of_new_payments_is_one_transaction_of_as_many_statements_as_one(
    engine: Engine, app: Application
) -> None:
    # The wallet is known from then on.
    app.tasks[INTAKE_TASK](group("first"))
    seen = []
    for size in (1, 20):
        with statements(app.collaborators.engine) as executed:
            app.tasks[INTAKE_TASK](group(*[f"pay-{size}-{number}" for number in range(size)]))
        seen.append(executed)
    assert seen[0] == seen[1]
    assert len(seen[0]) <= 13
    assert taken(app) == []
    assert count(engine, grants) == 22


@pytest.mark.parametrize(
    "where", ["INTO events", "INTO payments", "INTO ledger_entries", "INTO handler_runs"]
)
def test_what_is_killed_in_the_middle_leaves_nothing_and_comes_again(
    engine: Engine, app: Application, where: str
) -> None:
    deliveries = group("pay", "other")
    with failing(app.collaborators.engine, where, Cut), pytest.raises(Cut):
        app.tasks[INTAKE_TASK](deliveries)
    assert [count(engine, table) for table in (events, payments, handler_runs, ledger_entries)] == [0] * 4
    # Then it is stored before anything else, in case it was to blame.
    with redelivered(app, INTAKE_TASK) as store_events:
        for each in deliveries:
            store_events([each])
    assert set(states(engine)) == {"pending"}
    sent = taken(app)
    assert {task for task, _ in sent} == {FULFILMENT_TASK}
    for _, payment_ids in sent:
        app.tasks[FULFILMENT_TASK](payment_ids)
    assert count(engine, ledger_entries) == 2
    assert set(states(engine)) == {"done"}


def test_what_has_failed_as_a_whole_is_stored_first_when_it_is_tried_again(
    engine: Engine, app: Application
) -> None:
    task = app.tasks[INTAKE_TASK]
    with failing(app.collaborators.engine, "INTO events", ConnectionError), pytest.raises(Held):
        task(group("pay"))
    task.push_request(called_directly=True, **{HELD_SINCE: 1.0})
    try:
        task(group("pay"))
    finally:
        task.pop_request()
    assert taken(app) == [(FULFILMENT_TASK, ["pay"])]
    assert states(engine) == ["pending", "pending"]


def test_where_the_database_undoes_all_by_itself_nothing_counts_as_stored(
    engine: Engine, app: Application
) -> None:
    """SQLite does when its disk is full, and a server that ends a session."""
    ours = app.collaborators.engine
    deliveries = [delivery(), unheard_of()]
    # What is left of it to be noted then is nothing at which it could fail.
    with engine.begin() as connection:
        store(connection, deliveries[:1])
    task = app.tasks[INTAKE_TASK]
    with undoing(ours), pytest.raises(Held) as held:
        task(deliveries)
    assert held.value.args[1].tries == 0, "it counts as an error that nobody foresaw"
    assert count(engine, events) == 1
    assert taken(app) == []
    task(deliveries)
    assert count(engine, events) == 2
    assert count(engine, grants) == 1


def test_the_log_tells_of_moves_once_they_are_committed(engine: Engine, app: Application) -> None:
    ours = app.collaborators.engine
    with refused_commits(ours), capture_logs() as lines:
        with pytest.raises(Held):
            app.tasks[INTAKE_TASK]([delivery()])
        with engine.begin() as connection:
            store(connection, [delivery("later")])
        with pytest.raises(Held):
            app.tasks[FULFILMENT_TASK](["later"])
        # What fails after the moves is undone alone, and the rest committed.
        with failing(ours, "DO UPDATE SET decision", ValueError):
            app.tasks[INTAKE_TASK]([delivery("undone")])
    assert (moved(lines), count(engine, ledger_entries)) == ([], 0)
    payment_ids = [f"pay-{number:02}" for number in range(60)]
    with capture_logs() as lines:
        app.tasks[INTAKE_TASK](group(*payment_ids))
        app.tasks[FULFILMENT_TASK](["later", "undone"])
    assert moved(lines) == [payment_ids[:50], payment_ids[50:], ["later", "undone"]]
    first = lines[0]["moves"][0]
    with engine.connect() as connection:
        paid = connection.scalar(
            select(events.c.id).where(events.c.payment_id == "pay-00", events.c.event_type == "Settled")
        )
    assert first == {
        "payment_id": "pay-00",
        "event_id": paid,
        "item": "sword",
        "status": "granted",
        "delta": 1,
        "version": 1,
    }


def test_without_a_price_list_events_are_stored_and_fulfilled_by_a_task_later(
    engine: Engine, app: Application
) -> None:
    with engine.begin() as connection:
        kept = connection.execute(select(price_lists)).one()
        connection.execute(delete(price_lists))
    app.tasks[INTAKE_TASK](group("pay", "other"))
    assert taken(app) == [(FULFILMENT_TASK, ["other", "pay"])]
    assert states(engine) == ["pending"] * 4
    assert count(engine, payments) == 0
    with engine.begin() as connection:
        connection.execute(price_lists.insert(), kept._asdict())
    app.tasks[FULFILMENT_TASK](["other", "pay"])
    assert states(engine) == ["done"] * 4
    assert count(engine, grants) == 2


def test_a_payment_that_is_refused_fails_no_other_of_its_group(engine: Engine, app: Application) -> None:
    cheap = delivery("cheap", data__subtotal__cents=1)
    app.tasks[INTAKE_TASK]([*group("pay"), cheap, *group("other")])
    assert taken(app) == []
    with engine.connect() as connection:
        (letter,) = connection.execute(select(dead_letters.c.handler, events.c.payment_id).join(events)).all()
        assert letter == (FULFILMENT, "cheap")
        assert sorted(connection.execute(select(grants.c.payment_id)).scalars()) == ["other", "pay"]
    assert sorted(states(engine)) == ["dead", *["done"] * 4]
    # A copy of any of them changes nothing.
    app.tasks[INTAKE_TASK]([cheap, *group("pay")])
    assert sorted(states(engine)) == ["dead", *["done"] * 4]


def test_copies_of_what_is_pending_are_fulfilled_with_what_is_new(engine: Engine, app: Application) -> None:
    waiting = delivery("pay")
    with engine.begin() as connection:
        store(connection, [waiting])
    app.tasks[INTAKE_TASK]([waiting, delivery("pay", event_type="Payment Authorized"), delivery("other")])
    assert taken(app) == []
    assert states(engine) == ["done"] * 3
    assert count(engine, ledger_entries) == 2


def test_groups_of_the_same_events_in_any_order_wait_for_each_other(engine: Engine, app: Application) -> None:
    chosen = random.Random(7)  # not for secrets
    payment_ids = [f"pay-{number}" for number in range(8)]
    app.prepare()
    with engine.begin() as connection:
        endpoints.configure(connection, {"shop": "https://shop.example"}, datetime.now(UTC))
    told = group(*payment_ids)
    work = []
    for _ in range(12):
        some = chosen.sample(told, 12)
        work.append(partial(app.tasks[INTAKE_TASK], some))
        work.append(partial(run, engine, chosen.sample(payment_ids, 4)))
        work.append(partial(_reopen, engine, chosen.sample(payment_ids, 3)))
    work.append(partial(app.tasks[INTAKE_TASK], told))
    errors: list[Any] = []
    for each in (engine, app.collaborators.engine):
        listen(each, "handle_error", lambda context: errors.append(context.original_exception))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda step: step(), work))
    # What was made pending again after all others were through.
    run(engine, payment_ids)
    assert errors == []
    assert_granted_once(engine, payment_ids)


def _reopen(engine: Engine, payment_ids: Sequence[str]) -> None:
    """Make runs pending again, as rereading does."""
    with engine.begin() as connection:
        of = select(events.c.id).where(events.c.payment_id.in_(payment_ids)).order_by(events.c.id)
        ids = connection.execute(of.limit(1)).scalars().all()
        runs.reopen(connection, [(each, FULFILMENT) for each in ids], [RunState.DONE])


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_facts_that_go_to_fulfilment_at_once_are_those_that_are_stored(event_type: str) -> None:
    facts = read(delivery(event_type=event_type), ()).facts
    assert facts
    stored = facts_text(facts)
    assert stored
    assert Facts.model_validate_json(stored) == facts
