"""What Prometheus is told, against what is in database and broker."""

import math
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from sqlalchemy import Connection, Engine, Table, delete, func, select, update

from celeryconfig import QUEUES, prefixed
from tasks.celery import Application
from tasks.metrics.collector import Coinflow
from tasks.notifications.outcome import Outcome, OutcomeKind
from tasks.payments.resolution import Resolution
from tasks.payments.states import ResolutionKind
from tasks.store import operations, runs, sweeps, totals
from tasks.store.actions import Operator
from tasks.store.many import insert_missing
from tasks.store.runs import FULFILMENT
from tasks.store.schema import endpoints, events, handler_runs, ledger_entries, notifications, total_marks
from tasks.store.sweeps import RECOVERY
from tasks.store.totals import TotalsBehind, bring_forward
from tasks.store.views import metrics as views
from tests.integration.pipeline import delivery, run, take_in
from tests.integration.races import beside, on_postgres, wait_for_a_lock
from tests.integration.telling import listen, tell
from tests.metrics import Scrape
from tests.waiting import wait_until

pytestmark = pytest.mark.long

OPENED, WON = "Card Payment Chargeback Opened", "Card Payment Chargeback Won"
MISMATCH = (FULFILMENT, "PriceMismatch")
Ask = Callable[[], Scrape]


@pytest.fixture
def ask(app: Application, engine: Engine, tmp_path: Path) -> Ask:
    """Return what scrapes."""
    coinflow = Coinflow(app, engine, tmp_path / "catalog.toml")
    return lambda: Scrape(generate_latest(coinflow).decode())


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let rows settle as soon as the transactions before them have ended."""
    monkeypatch.setattr(totals, "SETTLED_AFTER", timedelta(0))


def sell(engine: Engine, *payment_ids: str, **changes: Any) -> None:
    take_in(engine, *(delivery(payment_id, **changes) for payment_id in payment_ids))
    run(engine, payment_ids)


def settle(engine: Engine) -> None:
    """Count all that there is for good, once others on the server have ended their transactions."""

    def is_settled() -> bool:
        bring_forward(engine)
        with engine.connect() as connection:
            return all(_left(connection, table) == 0 for table in (events, ledger_entries, notifications))

    wait_until(is_settled, what="all is counted for good")


def _left(connection: Connection, table: Table) -> int:
    """Return how many rows are yet to be settled."""
    counted = select(total_marks.c.counted_id).where(total_marks.c.source == table.name)
    rows = select(func.count()).where(table.c.id > func.coalesce(counted.scalar_subquery(), 0))
    return connection.execute(rows).scalar_one()


def test_what_came_what_was_granted_and_what_was_refused_is_counted(engine: Engine, ask: Ask) -> None:
    sell(engine, "one", "two")
    sell(engine, "cheap", data__subtotal__cents=1)
    take_in(engine, delivery("one", event_type=OPENED), delivery("waits"))
    run(engine, ["one"])
    found = ask()
    assert found.all("events_received_total", "event_type") == {"Settled": 4, OPENED: 1}
    assert found.all("events", "event_type", "state") == {
        ("Settled", "handled"): 2,
        ("Settled", "dead"): 1,
        ("Settled", "pending"): 1,
        (OPENED, "handled"): 1,
    }
    assert found.get("grants_total") == found.get("grant_delay_seconds_count") == 2
    assert found.all("ledger_entries_total", "status") == {"granted": 2, "suspended": 1}
    assert found.all("failures_total", "handler", "error") == {MISMATCH: 1}
    assert found.all("dead_letters", "handler", "error", "state") == {(*MISMATCH, "dead"): 1}


@pytest.mark.usefixtures("at_once")
def test_a_total_is_the_same_before_and_after_it_is_settled(engine: Engine, ask: Ask) -> None:
    def told() -> list[Any]:
        found = ask()
        buckets = found.all("grant_delay_seconds_bucket", "le")
        received = found.all("events_received_total", "event_type")
        return [received, buckets, *map(found.get, ("grants_total", "grant_delay_seconds_count"))]

    for number in range(3):
        sell(engine, f"pay-{number}")
        first = told()
        settle(engine)
        assert told() == told() == first
        assert first[2] == number + 1


@pytest.mark.usefixtures("at_once")
def test_however_many_ask_each_row_is_counted_once(
    engine: Engine, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "BATCH", 2)
    sell(engine, *(f"pay-{number}" for number in range(11)))
    sell(engine, *(f"cheap-{number}" for number in range(5)), data__subtotal__cents=1)
    with ThreadPoolExecutor(4) as asking:
        for _ in range(3):
            list(asking.map(lambda _: bring_forward(engine), range(4)))
    settle(engine)
    found = ask()
    assert found.all("events_received_total", "event_type") == {"Settled": 16}
    assert found.get("grants_total") == 11
    assert found.all("failures_total", "handler", "error") == {MISMATCH: 5}


@on_postgres
@pytest.mark.usefixtures("at_once")
def test_what_is_committed_late_is_counted_too(engine: Engine, ask: Ask) -> None:
    with engine.connect() as late:
        insert_event(late, "late")
        with engine.begin() as early:
            insert_event(early, "early")
        for _ in range(3):
            assert ask().all("events_received_total", "event_type") == {"Settled": 1}
        late.commit()
    settle(engine)
    assert ask().all("events_received_total", "event_type") == {"Settled": 2}


@contextmanager
def one_that_waits_for_a_key(engine: Engine, meanwhile: Callable[[], object]) -> Iterator[Connection]:
    """Yield a transaction that had numbered its row when something was done, and has been let go on since."""
    with engine.connect() as first, engine.connect() as second:
        insert_event(first, "waited-for")
        # It has numbered its row, and nothing has numbered the transaction yet.
        with beside(lambda: insert_event(second, "waited-for")) as waiting:
            wait_for_a_lock(engine, first)
            with engine.begin() as third:
                insert_event(third, "another")
            meanwhile()
            first.rollback()
            waiting.result()
        yield second


@on_postgres
@pytest.mark.usefixtures("at_once")
def test_what_had_its_number_while_it_waited_for_a_key_is_counted_too(engine: Engine, ask: Ask) -> None:
    with one_that_waits_for_a_key(engine, ask) as second:
        assert ask().all("events_received_total", "event_type") == {"Settled": 1}
        second.commit()
    settle(engine)
    assert ask().all("events_received_total", "event_type") == {"Settled": 2}


@on_postgres
def test_a_mark_of_the_former_release_settles_no_earlier_than_there(engine: Engine, ask: Ask) -> None:
    with one_that_waits_for_a_key(engine, lambda: note_as_the_former(engine)) as second:
        for _ in range(2):
            assert ask().all("events_received_total", "event_type") == {"Settled": 1}
        second.commit()
    assert ask().all("events_received_total", "event_type") == {"Settled": 2}
    with engine.begin() as connection:
        since = datetime.now(UTC) - totals.SETTLED_AFTER
        connection.execute(update(total_marks).values(settling_since=since))
    settle(engine)


def note_as_the_former(engine: Engine) -> None:
    """Note how far rows have come, whoever writes."""
    following = "SELECT CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)"
    with engine.begin() as connection:
        noted = {
            "source": events.name,
            "counted_id": 0,
            "settling_id": connection.scalar(select(func.max(events.c.id))),
            "settling_since": datetime.now(UTC),
            "settling_transaction": connection.exec_driver_sql(following).scalar_one(),
        }
        connection.execute(total_marks.insert(), noted)


def insert_event(connection: Connection, key: str) -> None:
    received_at = datetime.now(UTC)
    row = {"event_type": "Settled", "created": "", "received_at": received_at, "body": "{}", "key": key}
    insert_missing(connection, events, [row])


@on_postgres
@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "ahead", [{"settling_transaction": 2**60}, {"settling_since": datetime.now(UTC) + timedelta(days=1)}]
)
def test_after_a_restore_on_another_server_totals_go_on(
    engine: Engine, ask: Ask, ahead: dict[str, Any]
) -> None:
    sell(engine, "one")
    ask()
    with engine.begin() as connection:
        connection.execute(update(total_marks).values(ahead))
    sell(engine, "two")
    settle(engine)
    assert ask().get("grants_total") == 2


@pytest.mark.usefixtures("at_once")
def test_a_total_never_falls_when_rows_go(engine: Engine, ask: Ask) -> None:
    take_in(engine, delivery("kept"), delivery("gone", event_type="Some Future Event"))
    sell(engine, "cheap", data__subtotal__cents=1)
    settle(engine)
    before = ask()
    with engine.begin() as connection:
        connection.execute(delete(events).where(events.c.event_type == "Some Future Event"))
        # The letter goes with its history.
        runs.finish(connection, [3], FULFILMENT)
    after = ask()
    for name, labels in (("events_received_total", ["event_type"]), ("failures_total", ["handler", "error"])):
        assert after.all(name, *labels) == before.all(name, *labels)
    assert after.all("events_received_total", "event_type") == {"Settled": 2, "unknown": 1}
    assert after.all("dead_letters", "handler", "error", "state") == {}


def test_a_persons_word_is_a_grant_and_took_no_time(engine: Engine, ask: Ask) -> None:
    sell(engine, "cheap", data__subtotal__cents=1)
    with engine.begin() as connection:
        word = Resolution(ResolutionKind.ACCEPT_PRICE)
        operations.resolve(connection, Operator("ada", "a friend"), "cheap", word, "USD")
    found = ask()
    assert (found.get("grants_total"), found.get("grant_delay_seconds_count")) == (1, 0)


def test_a_grant_that_comes_back_is_no_new_one(engine: Engine, ask: Ask) -> None:
    for event_type in ("Settled", OPENED, WON):
        sell(engine, "one", event_type=event_type)
    found = ask()
    assert found.all("ledger_entries_total", "status") == {"granted": 2, "suspended": 1}
    assert (found.get("grants_total"), found.get("grant_delay_seconds_count")) == (1, 1)


def test_how_long_a_grant_took_is_told(engine: Engine, ask: Ask) -> None:
    take_in(engine, delivery("slow"))
    received_at = datetime.now(UTC) - timedelta(seconds=100)
    with engine.begin() as connection:
        connection.execute(update(events).values(received_at=received_at))
    run(engine, ["slow"])
    found = ask()
    buckets = found.all("grant_delay_seconds_bucket", "le")
    assert (buckets["60.0"], buckets["300.0"], buckets["+Inf"]) == (0, 1, 1)
    assert found.get("grant_delay_seconds_sum") == pytest.approx(100, abs=30)


def test_foreign_events_are_told_and_no_type_makes_a_label_of_its_own(engine: Engine, ask: Ask) -> None:
    take_in(engine, delivery("theirs"), merchant_ids=["somebody"])
    take_in(engine, delivery("new", event_type="Some Future Event"))
    take_in(engine, delivery("new", event_type="Another Future Event"))
    assert ask().all("events", "event_type", "state") == {
        ("Settled", "foreign"): 1,
        ("Settled", "handled"): 0,
        ("unknown", "handled"): 2,
    }


def test_the_oldest_unfinished_work_is_told_by_its_kind(engine: Engine, ask: Ask) -> None:
    idle = dict.fromkeys(("fulfilment", "orders", "handlers", "notifications"), 0)
    assert ask().all("oldest_due_age_seconds", "kind") == idle
    listen(engine, "shop")
    sell(engine, "told")
    take_in(engine, delivery("old"), delivery("new"))
    with engine.begin() as connection:
        old = datetime.now(UTC) - timedelta(hours=1)
        connection.execute(update(events).where(events.c.payment_id == "old").values(received_at=old))
        due = datetime.now(UTC) - timedelta(hours=2)
        connection.execute(update(notifications).values(due_at=due))
        connection.execute(handler_runs.insert(), pending(2, "on_settled"))
    ages = ask().all("oldest_due_age_seconds", "kind")
    assert ages["fulfilment"] == ages["handlers"] == pytest.approx(3600, abs=60)
    assert ages["notifications"] == pytest.approx(7200, abs=60)
    assert ages["orders"] == 0


def pending(event_id: int, handler: str) -> dict[str, Any]:
    return {"event_id": event_id, "handler": handler, "state": "pending", "sent_at": datetime.now(UTC)}


def test_notifications_are_counted_by_endpoint_and_state(engine: Engine, ask: Ask) -> None:
    listen(engine, "shop", "crm")
    sell(engine, "one")
    take_in(engine, delivery("one", event_type=OPENED))
    run(engine, ["one"])
    tell(engine, "shop")
    found = ask()
    assert found.all("notifications_queued_total", "endpoint") == {"shop": 2, "crm": 2}
    assert found.all("notifications", "endpoint", "state") == {
        ("shop", "pending"): 1,
        ("shop", "done"): 1,
        ("crm", "pending"): 2,
        ("crm", "done"): 0,
    }


def test_an_endpoint_that_takes_nothing_is_told_of(engine: Engine, ask: Ask) -> None:
    listen(engine, "shop", "crm", "idle")
    sell(engine, "one")
    tell(engine, "shop")
    tell(engine, "crm", Outcome(OutcomeKind.REFUSED, 401))
    with engine.begin() as connection:
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        connection.execute(update(endpoints).values(added_at=hour_ago))
        connection.execute(update(endpoints).where(endpoints.c.name == "idle").values(state="paused"))
    found = ask()
    assert set(found.all("endpoint_state", "endpoint", "state")) == {
        ("shop", "open"),
        ("crm", "open"),
        ("idle", "paused"),
    }
    assert found.all("endpoint_silent_seconds", "endpoint") == {
        "shop": 0,
        "crm": pytest.approx(3600, abs=60),
        "idle": 0,
    }


def test_the_age_of_the_last_sweep_rises(engine: Engine, ask: Ask) -> None:
    assert ask().get("sweep_age_seconds", sweep=RECOVERY) == math.inf
    with engine.begin() as connection:
        assert sweeps.begin(connection, RECOVERY, timedelta(seconds=15))
    first = ask().get("sweep_age_seconds", sweep=RECOVERY)
    second = ask().get("sweep_age_seconds", sweep=RECOVERY)
    assert first is not None
    assert second is not None
    assert 0 <= first < second < 120


def test_when_the_last_event_came_is_told(engine: Engine, ask: Ask) -> None:
    assert ask().get("last_event_timestamp_seconds") is None
    take_in(engine, delivery())
    last = ask().get("last_event_timestamp_seconds")
    assert last == pytest.approx(datetime.now(UTC).timestamp(), abs=60)


def test_queues_are_told_without_taking_anything(app: Application, ask: Ask) -> None:
    with app.connection_for_write() as connection:
        producer = connection.Producer()
        for _ in range(2):
            producer.publish({}, exchange=prefixed("coinflow"), routing_key=prefixed("handlers"))
    for _ in range(2):
        messages = ask().all("queue_messages", "queue")
        assert messages == {**dict.fromkeys((*QUEUES, "dead-letters"), 0), "handlers": 2}
        assert ask().all("queue_consumers", "queue") == dict.fromkeys(QUEUES, 0)


@pytest.mark.parametrize("text", ["[items.sword]\nprice = 5\n", None])
def test_a_price_list_that_a_worker_would_refuse_is_told(ask: Ask, tmp_path: Path, text: str | None) -> None:
    assert ask().get("price_list_refused") == 0
    path = tmp_path / "catalog.toml"
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    assert ask().get("price_list_refused") == 1


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("_OLDEST_RUNS", "ix_handler_runs_pending"),
        ("_FOREIGN_EVENTS", "ix_events_set_aside"),
        ("_LAST_EVENT", "ix_events_received_at"),
        ("_DUE", "ix_notifications_due"),
        ("_WAITING", "ix_notifications_waiting"),
        ("_GIVEN_UP", "ix_notifications_given_up"),
    ],
)
def test_what_is_finished_costs_nothing(engine: Engine, query: str, index: str) -> None:
    text = str(
        getattr(views, query).compile(
            engine, compile_kwargs={"render_postcompile": True, "literal_binds": True}
        )
    )
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # Few rows are read faster without any index.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN" if engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        steps = "\n".join(str(step) for step in connection.exec_driver_sql(f"{explain} {text}"))
    assert re.search(rf"(Scan using|Scan Backward using|Scan on|INDEX) {index}\b", steps), steps


@pytest.mark.usefixtures("at_once")
def test_who_asks_before_enough_is_counted_gets_an_error_and_later_everything(
    engine: Engine, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(totals, "BATCH", 2)
    monkeypatch.setattr(totals, "_PATIENCE", 0)
    sell(engine, *(f"pay-{number}" for number in range(9)))
    errors = []

    def is_counted() -> bool:
        try:
            # Never a part of it.
            assert ask().get("grants_total") == 9
        except TotalsBehind as error:
            errors.append(error)
        with engine.connect() as connection:
            return _left(connection, ledger_entries) == 0

    wait_until(is_counted, what="all is counted")
    assert len(errors) >= 4
    assert ask().get("grants_total") == 9
