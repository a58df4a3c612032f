"""Changes of payments: numbered without a gap, whoever wrote them, and told whole."""

import json
from datetime import UTC, datetime

from sqlalchemy import Engine, select, text

from tasks.payments.change import Notification
from tasks.store import changes, endpoints
from tasks.store.locking import number_changes
from tasks.store.schema import ledger_entries, notifications, payments
from tests.integration.pipeline import delivery, run, take_in

NOW = datetime(2026, 9, 1, 10, tzinfo=UTC)


def happen(engine: Engine, *event_types: str, payment_id: str = "pay") -> None:
    for event_type in event_types:
        run(engine, take_in(engine, delivery(payment_id, event_type)))


def versions(engine: Engine, payment_id: str = "pay") -> list[int | None]:
    with engine.connect() as connection:
        query = select(ledger_entries.c.version).where(ledger_entries.c.payment_id == payment_id)
        return list(connection.execute(query.order_by(ledger_entries.c.id)).scalars())


def newest(engine: Engine, payment_id: str = "pay") -> int:
    with engine.connect() as connection:
        query = select(payments.c.version).where(payments.c.id == payment_id)
        return int(connection.execute(query).scalar_one())


def told(engine: Engine, version: int, payment_id: str = "pay") -> Notification:
    with engine.connect() as connection:
        return changes.told(connection, [(payment_id, version)], "development")[payment_id, version]


def listen(engine: Engine, *names: str) -> None:
    with engine.begin() as connection:
        endpoints.configure(connection, {name: f"https://{name}.example" for name in names}, NOW)


def test_a_change_is_what_one_decision_writes(engine: Engine) -> None:
    happen(engine, "Settled", "Settled", "Card Payment Chargeback Opened", "Card Payment Chargeback Lost")
    assert versions(engine) == [1, 2, 3]
    assert newest(engine) == 3


def test_each_version_tells_the_whole_payment(engine: Engine) -> None:
    happen(engine, "Settled", "Card Payment Chargeback Opened", "Card Payment Chargeback Lost")
    document = json.loads(told(engine, 2).body())
    assert document["type"] == "grant.changed"
    assert document["data"]["cause"] == "Card Payment Chargeback Opened"
    assert document["data"]["items"] == [
        {"wallet": "alice", "item": "sword", "quantity": 1, "status": "suspended", "usable": 0, "delta": -1}
    ]
    last = told(engine, 3).data.items
    assert [(line.status, line.usable, line.delta) for line in last] == [("revoked", 0, 0)]


def test_what_the_former_release_has_written_is_numbered_with_the_next_change(engine: Engine) -> None:
    listen(engine, "shop")
    happen(engine, "Settled")
    _as_the_former_release(engine)
    happen(engine, "Card Payment Chargeback Opened")
    assert versions(engine) == [1, 2]
    assert newest(engine) == 2
    assert _told(engine) == [1, 2]


def test_or_by_a_sweep(engine: Engine) -> None:
    listen(engine, "shop")
    happen(engine, "Settled", "Card Payment Chargeback Opened")
    _as_the_former_release(engine)
    with engine.begin() as connection:
        behind = changes.unnumbered(connection, 10)
        number_changes(connection, behind)
    assert list(behind) == ["pay"]
    assert (versions(engine), newest(engine), _told(engine)) == ([1, 2], 2, [1, 2])
    assert told(engine, 1).data.items[0].usable == 1


def test_without_an_endpoint_nothing_is_written(engine: Engine) -> None:
    happen(engine, "Settled")
    assert _told(engine) == []


def _told(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(
            connection.execute(select(notifications.c.version).order_by(notifications.c.id)).scalars()
        )


def _as_the_former_release(engine: Engine) -> None:
    """Let the ledger be as a release leaves it that knows no versions."""
    guards = {
        "sqlite": ["DROP TRIGGER ledger_entries_refuse_renumber"],
        "postgresql": ["SET LOCAL coinflow.lifted = 'ledger_entries'"],
    }
    with engine.begin() as connection:
        for statement in guards[connection.dialect.name]:
            connection.execute(text(statement))
        connection.execute(text("UPDATE ledger_entries SET version = NULL"))
        connection.execute(text("UPDATE payments SET version = 0"))
        connection.execute(text("DELETE FROM notifications"))
