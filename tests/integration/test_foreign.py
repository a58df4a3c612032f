"""Events of another merchant: told of, listed, and taken in once their merchant is accepted."""

from typing import Any

import pytest
from sqlalchemy import Engine, select
from structlog.testing import capture_logs

from celeryconfig import INTAKE_TASK
from tasks import celery
from tasks.celery import Application
from tasks.pipeline import dispatch, foreign
from tasks.pipeline.foreign import Reminders
from tasks.pipeline.rereading import reread
from tasks.store.actions import Operator
from tasks.store.schema import grants, ledger_entries, operator_actions
from tests.integration.commands import ctl, read
from tests.integration.messages import taken
from tests.integration.pipeline import count, delivery, run, take_in

MISSPELT, OURS = ("amce",), ("acme",)
#: No text that names a merchant.
UNREADABLE: dict[str, Any] = {"data__merchantId": {"id": 7}}


@pytest.fixture(autouse=True)
def _reminders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody have been told of anything yet."""
    monkeypatch.setattr(foreign._REMINDERS, "_told", {})  # noqa: SLF001  # it is the process'


def held(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return sorted(connection.scalars(select(grants.c.payment_id)))


def listed(state: str) -> list[str]:
    return [each["payment_id"] for each in read("events", "list", "--state", state)]


def warnings(logs: list[Any]) -> list[Any]:
    return [each for each in logs if each["event"] == "event.foreign"]


def test_both_ids_are_told_once_in_a_while(engine: Engine) -> None:
    with capture_logs() as logs:
        take_in(engine, delivery("one"), delivery("two"), merchant_ids=MISSPELT)
        take_in(engine, delivery("three"), merchant_ids=MISSPELT)
        take_in(engine, delivery("four", data__merchantId="other"), merchant_ids=MISSPELT)
    told = warnings(logs)
    assert [(each["merchant_id"], each["merchant_ids"]) for each in told] == [
        ("acme", ["amce"]),
        ("other", ["amce"]),
    ]
    assert {each["log_level"] for each in told} == {"warning"}
    assert "COINFLOW_MERCHANT_IDS" in told[0]["next_step"]


def test_where_the_merchant_is_accepted_nothing_is_told(engine: Engine) -> None:
    with capture_logs() as logs:
        take_in(engine, delivery(), merchant_ids=OURS)
        take_in(engine, delivery("any"))
        take_in(engine, delivery("refund", event_type="Refund"), merchant_ids=MISSPELT)
    assert warnings(logs) == []


def test_of_each_id_a_process_speaks_once_a_minute_and_of_few_at_all() -> None:
    now = [0.0]
    reminders = Reminders(lambda: now[0])
    assert [reminders.is_due("acme"), reminders.is_due("acme"), reminders.is_due("other")] == [
        True,
        False,
        True,
    ]
    now[0] = 61
    assert [reminders.is_due("acme"), reminders.is_due("acme")] == [True, False]
    assert sum(reminders.is_due(str(number)) for number in range(1000)) == 99


def test_events_are_listed_by_every_state(engine: Engine) -> None:
    for name, changes in (
        ("handled", {}),
        ("dead", {"data__subtotal__cents": 1}),
        ("discarded", {"data__subtotal__cents": 1}),
        ("invalid", {"data__subtotal": []}),
        ("invalid and discarded", {"data__subtotal": []}),
    ):
        run(engine, take_in(engine, delivery(name, **changes)))
    take_in(engine, delivery("foreign"), merchant_ids=MISSPELT)
    take_in(engine, delivery("pending"))
    letters = {each["payment_id"]: str(each["id"]) for each in read("dead-letters", "list")}
    for name in ("discarded", "invalid and discarded"):
        ctl("dead-letters", "discard", letters[name], "--yes")

    for state in ("handled", "pending", "foreign"):
        assert listed(state) == [state]
        assert {each["state"] for each in read("events", "list", "--state", state)} == {state}
    assert listed("dead") == ["dead", "invalid"]
    assert listed("discarded") == ["discarded", "invalid and discarded"]
    assert listed("invalid") == ["invalid", "invalid and discarded"]
    assert len(read("events", "list")) == 7
    assert read("events", "list", "--state", "dead", "--payment-id", "handled") == []
    assert ctl("events", "list", "--state", "odd").exit_code == 2


def test_what_is_accepted_now_is_granted_once(
    app: Application, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery, "app", app, raising=False)
    monkeypatch.setenv("COINFLOW_MERCHANT_IDS", "acme")
    monkeypatch.setattr(dispatch, "_MESSAGE", 3000)
    ours = [delivery(f"ours-{number}") for number in range(3)]
    take_in(engine, *ours, delivery("other", data__merchantId="other"), merchant_ids=MISSPELT)
    take_in(engine, delivery("unreadable", **UNREADABLE), merchant_ids=MISSPELT)
    told = {"events": 5, "unreadable": 0, "foreign": 2, "payments": 0, "taken_in": 3}
    assert read("events", "reread", "--as", "ada") == told
    messages = taken(app)
    assert len(messages) > 1, "one message would be too large"
    for task, deliveries in messages:
        assert task == INTAKE_TASK
        run(engine, take_in(engine, *deliveries, merchant_ids=OURS))
    assert held(engine) == ["ours-0", "ours-1", "ours-2"]
    assert [each["payment_id"] for each in read("events", "list", "--state", "foreign")] == [
        "other",
        "unreadable",
    ]
    # Again, and by Coinflow.
    assert read("events", "reread") == {**told, "events": 2, "taken_in": 0}
    take_in(engine, *ours, merchant_ids=OURS)
    run(engine, ["ours-0", "ours-1", "ours-2"])
    assert (taken(app), count(engine, ledger_entries)) == ([], 3)
    whats = [(each["who"], each["what"]) for each in read("actions", "list")]
    assert whats[0] == ("ada", "reread")
    assert {what for _, what in whats} == {"reread"}


def test_a_worker_that_does_not_accept_it_yet_leaves_it_foreign(engine: Engine) -> None:
    take_in(engine, delivery(), merchant_ids=MISSPELT)
    for _ in range(2):
        (batch,) = reread(engine, Operator("ada"), OURS)
        assert len(batch.work.unread) == 1
        assert take_in(engine, *batch.work.unread.values(), merchant_ids=MISSPELT) == set()
        (event,) = read("events", "list")
        assert event["state"] == "foreign"
        assert [each["state"] for each in read("events", "show", "1")["handler_runs"]] == ["done"]
    (batch,) = reread(engine, Operator("ada"), OURS)
    run(engine, take_in(engine, *batch.work.unread.values(), merchant_ids=OURS))
    assert held(engine) == ["pay"]
    assert read("events", "list")[0]["state"] == "handled"
    assert count(engine, operator_actions) == 3


def test_where_any_merchant_is_accepted_one_that_cannot_be_read_is_taken_in(engine: Engine) -> None:
    take_in(engine, delivery(**UNREADABLE), merchant_ids=OURS)
    run(engine, ["pay"])
    assert held(engine) == []
    (batch,) = reread(engine, Operator("ada"))
    run(engine, take_in(engine, *batch.work.unread.values()))
    assert held(engine) == ["pay"]
    assert read("dead-letters", "list") == []


def test_what_cannot_be_read_yet_stays_invalid(engine: Engine) -> None:
    run(engine, take_in(engine, delivery(data__subtotal=[])))
    (batch,) = reread(engine, Operator("ada"))
    assert (batch.events, batch.unreadable, len(batch.work.unread), batch.work.payment_ids) == (
        1,
        1,
        0,
        set(),
    )
    assert [each["state"] for each in read("events", "list", "--state", "invalid")] == ["dead"]
