"""What the doctor sees in real databases, and of servers with certificates."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, Table, insert

from tasks.doctor import certificates as looked_at
from tasks.doctor import database
from tasks.doctor.finding import Finding, Level
from tasks.payments.states import DecisionStatus
from tasks.settings import Settings
from tasks.store import schema
from tasks.store.states import RunState, SetAside
from tasks.store.sweeps import RECOVERY
from tests.notifications import new_secret
from tests.services import certificates, postgres
from tests.shop import Shop, always, answer

pytestmark = pytest.mark.long


def now() -> datetime:
    return datetime.now(UTC)


def ago(**time: float) -> datetime:
    return now() - timedelta(**time)


@pytest.fixture
def add(engine: Engine) -> Callable[..., None]:
    """Return what puts a row into a table."""

    def add(table: Table, **values: Any) -> None:
        with engine.begin() as connection:
            connection.execute(insert(table).values(values))

    return add


def seen() -> dict[str, list[Finding]]:
    """Return what is found in the database, by check."""
    found: dict[str, list[Finding]] = {}
    for each in database.examine(Settings.load()):
        found.setdefault(each.check, []).append(each)
    return found


def only(check: str) -> Finding:
    (found,) = seen()[check]
    return found


def event(number: int, received_at: datetime | None = None, **values: Any) -> dict[str, Any]:
    given = {"id": number, "key": f"key-{number}", "event_type": "Settled", "payment_id": "pay"}
    return {**given, "created": "", "received_at": received_at or now(), "body": "{}", **values}


def run(number: int, state: RunState, handler: str = "fulfilment") -> dict[str, Any]:
    times = {"sent_at": now(), "due_at": now() + timedelta(minutes=3)}
    return {"event_id": number, "handler": handler, "state": state, **times}


def test_a_database_after_a_release_is_sound(engine: Engine) -> None:
    found = [each for every in seen().values() for each in every]
    assert {each.level for each in found} == {Level.OK}, found
    assert {each.check: each.seen for each in found}["sweeps"].startswith("none yet; the product is")
    with engine.connect() as connection:
        assert connection.execute(schema.sweeps.select()).all() == [], "what it tried is rolled back"


def test_a_product_that_was_installed_long_ago_has_handled_sweeps(
    engine: Engine, add: Callable[..., None]
) -> None:
    with engine.begin() as connection:
        connection.execute(schema.price_lists.update().values(accepted_at=ago(hours=1)))
    assert only("sweeps").level is Level.FAULT
    add(schema.sweeps, name=RECOVERY, began_at=now())
    assert only("sweeps").level is Level.OK


def test_work_is_stuck_by_the_age_of_the_oldest_event_of_each_handler(add: Callable[..., None]) -> None:
    for number, received_at in enumerate([ago(days=30), ago(hours=1), now()]):
        add(schema.events, **event(number + 1, received_at))
    add(schema.handler_runs, **run(1, RunState.DONE))
    add(schema.handler_runs, **run(2, RunState.PENDING))
    add(schema.handler_runs, **run(3, RunState.PENDING))
    add(schema.handler_runs, **run(3, RunState.PENDING, "handlers.greet"))
    found = {each.subject: each for each in seen()["unfinished"]}
    assert {name: each.level for name, each in found.items()} == {
        "fulfilment": Level.FAULT,
        "handlers.greet": Level.OK,
    }
    assert found["fulfilment"].seen == "2 unfinished, the oldest for 60 min"


def test_what_an_operator_has_begun_anew_counts_from_then(add: Callable[..., None]) -> None:
    add(schema.events, **event(1, ago(days=30)))
    add(schema.handler_runs, **run(1, RunState.PENDING))
    assert only("unfinished").level is Level.FAULT
    add(schema.operator_actions, at=now(), who="ada", what="replay", subject="1", after={})
    assert only("unfinished").level is Level.OK


def test_what_waits_for_a_person_is_counted(add: Callable[..., None]) -> None:
    errors = ["PriceMismatch", "ItemUnknown", "PriceMismatch", "RunCutOff"]
    states = [RunState.DEAD, RunState.DEAD, RunState.DEAD, RunState.DISCARDED]
    for number, (error, state) in enumerate(zip(errors, states, strict=True), start=1):
        add(schema.events, **event(number, set_aside=SetAside.FOREIGN if number < 3 else SetAside.INVALID))
        add(schema.handler_runs, **run(number, state))
        letter = {"event_id": number, "handler": "fulfilment", "error": error, "message": "", "traceback": ""}
        add(schema.dead_letters, **letter, attempts=1, failed_at=now())
    for number, (decision, is_done) in enumerate(
        [
            (DecisionStatus.REFUSED, False),
            (DecisionStatus.REFUSED, True),
            (DecisionStatus.UNMATCHED, False),
            (DecisionStatus.GRANTED, False),
        ]
    ):
        payment = {"id": f"pay-{number}", "decision": decision, "is_done": is_done, "updated_at": now()}
        add(schema.payments, **payment, notes="[]" if number < 3 else None)
    found = seen()
    told = {check: (found[check][0].level, found[check][0].seen) for check in found}
    assert told["dead letters"] == (Level.NOTICE, "2 PriceMismatch, 1 ItemUnknown")
    assert told["refused"] == (Level.NOTICE, "1 payment")
    assert told["unmatched"] == (Level.NOTICE, "1 payment")
    assert told["attention"] == (Level.NOTICE, "2 payments")
    assert told["foreign"] == (Level.NOTICE, "2 events of another merchant")


def endpoint(name: str, **values: Any) -> dict[str, Any]:
    given = {"name": name, "address": f"https://{name}.example", "added_at": ago(days=30), "state": "open"}
    return {**given, "configured_at": ago(days=30), "since": ago(days=30), **values}


def test_endpoints_that_are_told_nothing_are_a_fault_and_those_that_fail_a_notice(
    add: Callable[..., None],
) -> None:
    add(schema.payments, id="pay", decision=DecisionStatus.GRANTED, updated_at=now())
    failed = {"last_failure_at": now(), "last_error": "HTTP 500"}
    add(schema.endpoints, **endpoint("fine", last_success_at=now()))
    add(schema.endpoints, **endpoint("held", state="held", reason="10 failures in a row", **failed))
    add(schema.endpoints, **endpoint("late"))
    add(schema.endpoints, **endpoint("paused", state="paused", paused_by="ada"))
    add(schema.endpoints, **endpoint("removed", removed_at=now(), state="paused"))
    told = {"payment_id": "pay", "version": 1, "state": "pending", "created_at": ago(hours=1)}
    add(schema.notifications, endpoint="late", due_at=ago(hours=1), **told)
    add(schema.notifications, endpoint="paused", due_at=ago(hours=1), **told)
    found = {str(each.subject): each for each in seen()["endpoint"]}
    assert {name: (each.level, each.seen) for name, each in found.items()} == {
        "fine": (Level.OK, "open, 0 pending"),
        "held": (
            Level.NOTICE,
            "held back, 0 pending: 10 failures in a row; no success for 30 days: HTTP 500",
        ),
        "late": (Level.FAULT, "1 pending, due for 60 min, and nobody tells it"),
        "paused": (Level.NOTICE, "paused by ada, 1 pending"),
    }
    assert found["late"].next_step == "Start the process notify."


@pytest.mark.parametrize(
    ("good_for", "level"),
    [(timedelta(days=100), Level.OK), (timedelta(days=9), Level.NOTICE), (-timedelta(days=9), Level.FAULT)],
    ids=["good", "soon", "over"],
)
def test_certificates_that_expire_are_told_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, good_for: timedelta, level: Level
) -> None:
    made = certificates(tmp_path, until=datetime.now(UTC) + good_for)
    with Shop(always(answer()), tls=made) as shop, postgres(tls=made) as server:
        monkeypatch.setenv("NOTIFY_URL", shop.url)
        monkeypatch.setenv("NOTIFY_SECRET", new_secret())
        monkeypatch.setenv("DATABASE_URL", f"postgresql://me@127.0.0.1:{server.port}/shop?sslmode=require")
        found = list(looked_at.examine(Settings.load()))
        assert shop.asked == []
    assert [(each.check, each.level) for each in found] == [("certificate", level)] * 2, found
    assert found[1].subject == f"127.0.0.1:{server.port}"


def test_a_server_without_a_certificate_is_unknown_and_one_without_tls_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with postgres() as server:
        url = f"postgresql://me@127.0.0.1:{server.port}/shop"
        monkeypatch.setenv("DATABASE_URL", f"{url}?sslmode=require")
        (found,) = looked_at.examine(Settings.load())
        assert (found.level, found.seen) == (
            Level.UNKNOWN,
            "it could not be read: the server speaks no TLS",
        )
        monkeypatch.setenv("DATABASE_URL", url)
        (found,) = looked_at.examine(Settings.load())
        assert (found.level, found.seen) == (Level.OK, "no server is reached by TLS")


@pytest.mark.parametrize("whose", ["database", "role"])
def test_too_few_connections_to_postgresql_are_told(whose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres() as server:
        url = f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute("CREATE ROLE shop LOGIN")
            limited = {"database": "ALTER DATABASE postgres", "role": "ALTER ROLE shop"}[whose]
            monkeypatch.setenv("DATABASE_URL", url.replace("postgres@", "shop@"))
            assert only("connections").level is Level.OK
            owner.execute(f"{limited} CONNECTION LIMIT 4".encode())
            found = only("connections")
            used = 2 if whose == "database" else 1
            assert found.level is Level.NOTICE
            assert found.seen == f"{used} of 4 in use; one worker and one notify take up to 9"
