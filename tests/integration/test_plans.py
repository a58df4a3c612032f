"""PostgreSQL reads what a message needs and no whole table, however its tables have grown."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.event import listen, remove

from celeryconfig import INTAKE_TASK
from tasks.celery import Application
from tests.integration.pipeline import delivery

#: Rows that a table gets, far more than there are of those that are read.
MANY = 20_000
TABLES = ("wallets", "payments", "events", "handler_runs", "grants", "ledger_entries")
GROWTH = """
    INSERT INTO wallets (key, name, created_at)
        SELECT 'many-' || n, 'many-' || n, now() FROM generate_series(1, :many) n;
    INSERT INTO payments (id, decision, version, updated_at)
        SELECT 'many-' || n, 'granted', 1, now() FROM generate_series(1, :many) n;
    INSERT INTO events (key, event_type, payment_id, created, received_at, body)
        SELECT 'many-' || n, 'Settled', 'many-' || n, '', now(), '{}' FROM generate_series(1, :many) n;
    INSERT INTO handler_runs (event_id, handler, state, sent_at, due_at)
        SELECT id, 'fulfilment', 'done', now(), now() FROM events WHERE starts_with(key, 'many-');
    INSERT INTO grants (payment_id, item, wallet, wallet_id, quantity, status, granted_at)
        SELECT name, 'sword', name, id, 1, 'granted', now() FROM wallets WHERE starts_with(name, 'many-');
    INSERT INTO ledger_entries
        (payment_id, item, wallet, wallet_id, status, units, delta, quantity, version, event_id, created_at)
        SELECT payment_id, 'sword', '', wallet_id, 'granted', 1, 1, 1, 1, events.id, now()
        FROM grants JOIN events USING (payment_id) WHERE starts_with(events.key, 'many-')
"""


@contextmanager
def rows_read(engine: Engine) -> Iterator[dict[str, int]]:
    """Return how many rows each table was read of without an index, by transactions that are committed."""
    read: dict[str, int] = {}

    def note(connection: Connection) -> None:
        query = text("SELECT relname, seq_tup_read FROM pg_stat_xact_user_tables")
        for name, rows in connection.execute(query):
            read[name] = read.get(name, 0) + rows

    listen(engine, "commit", note)
    try:
        yield read
    finally:
        remove(engine, "commit", note)


def take_in(app: Application, name: str) -> None:
    """Take in payments, then another event of each, and then copies."""
    payment_ids = [f"{name}-{number}" for number in range(8)]
    settled: list[Any] = [delivery(each) for each in payment_ids]
    for deliveries in (settled, [delivery(each, event_type="Refund") for each in payment_ids], settled):
        app.tasks[INTAKE_TASK](deliveries)


@pytest.mark.parametrize("migrated", ["PostgreSQL"], indirect=True)
def test_a_plan_for_small_tables_is_not_used_when_they_have_grown(
    engine: Engine, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    with engine.begin() as connection:
        for table in TABLES:
            # To analyze them would be a reason to plan anew: it comes a minute late, or never.
            connection.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
    for number in range(10):
        take_in(app, f"small-{number}")
    with engine.begin() as connection:
        for statement in GROWTH.split(";"):
            connection.exec_driver_sql(statement.replace(":many", str(MANY)))
    monkeypatch.setattr("tasks.store.postgresql._PLANS_AGE", 0.0)
    with rows_read(app.collaborators.engine) as read:
        take_in(app, "large")
    assert {name: read[name] for name in TABLES if read[name] >= MANY} == {}
