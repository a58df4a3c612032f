"""What an operator does, and the row that tells of it."""

import getpass
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pytest
from kombu import Producer
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from celeryconfig import dead_queue, task_queues
from tasks.celery import app
from tasks.payments.resolution import Resolution
from tasks.payments.states import ResolutionKind
from tasks.store import operations
from tasks.store.actions import Operator
from tasks.store.operations import NotMatched, NotResolvable
from tasks.store.schema import ledger_entries, matches
from tasks.store.states import RunState
from tasks.store.views.actions import ActionLine, list_actions
from tasks.store.views.payment_story import payment_story
from tests.integration.commands import ctl
from tests.integration.pipeline import count, delivery, run, states, take_in
from tests.stack import ROOT

ADA = Operator("ada", "the price was mended")
PAYIN = "Crypto Payin Funds Received"


def actions(engine: Engine) -> list[ActionLine]:
    with engine.connect() as connection:
        return list(list_actions(connection))


def bought(item: str, wallet: str | None = None) -> Resolution:
    return Resolution(ResolutionKind.ITEM, item, wallet=wallet)


@pytest.fixture
def letter(engine: Engine) -> int:
    """Bury the fulfilment of a payment that is too cheap; return the letter's id."""
    take_in(engine, delivery(data__subtotal__cents=1))
    run(engine, ["pay"])
    return 1


def test_a_replay_makes_the_run_pending_and_says_what_the_letter_was(engine: Engine, letter: int) -> None:
    with engine.begin() as connection:
        assert operations.replay(connection, ADA, [letter]) == [1]
    assert states(engine) == ["pending"]
    (action,) = actions(engine)
    assert (action.who, action.why, action.what, action.subject) == (ADA.who, ADA.why, "replay", str(letter))
    assert action.before == {
        "event_id": 1,
        "handler": "fulfilment",
        "error": "PriceMismatch",
        "state": "dead",
    }
    assert action.after == {"state": "pending"}


def test_a_letter_is_replayed_by_one_of_those_who_try_at_once(engine: Engine, letter: int) -> None:
    def replay(_turn: int) -> list[int]:
        with engine.begin() as connection:
            return operations.replay(connection, ADA, [letter])

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(replay, range(4))) == [[], [], [], [1]]
    assert len(actions(engine)) == 1


def test_what_is_discarded_can_be_replayed_and_both_are_told(engine: Engine, letter: int) -> None:
    for before in (RunState.DEAD, RunState.DISCARDED):
        with engine.begin() as connection:
            assert operations.discard(connection, Operator("ada"), [letter], "USD") == {letter: before}
        assert states(engine) == ["discarded"]
    for event_ids in ([1], []):
        with engine.begin() as connection:
            assert operations.replay(connection, Operator("ada"), [letter]) == event_ids
        assert states(engine) == ["pending"]
    assert [(each.what, each.before and each.before["state"], each.why) for each in actions(engine)] == [
        ("discard", "dead", None),
        ("replay", "discarded", None),
    ]


def test_an_action_that_is_rolled_back_leaves_nothing(engine: Engine, letter: int) -> None:
    with engine.connect() as connection:
        operations.replay(connection, ADA, [letter])
        connection.rollback()
    assert (states(engine), actions(engine)) == (["dead"], [])


def test_a_match_is_the_cause_of_the_entries_that_it_brought_about(engine: Engine) -> None:
    take_in(engine, delivery(event_type=PAYIN))
    run(engine, ["pay"])
    with engine.begin() as connection:
        operations.match(connection, ADA, "pay", bought("sword", wallet="bob"), "USD")
    take_in(engine, delivery(event_type="Refund"))
    run(engine, ["pay"])
    with engine.connect() as connection:
        story = payment_story(connection, "pay", "USD")
    assert story
    (action,) = actions(engine)
    assert list(story.actions) == [action]
    assert (action.what, action.subject, action.before) == ("match", "pay", None)
    # It stays for good, so it names no buyer.
    assert action.after == {"item": "sword", "quantity": 1}
    assert [(each.cause, each.action_id, each.event_id) for each in story.ledger_entries] == [
        ("match", action.id, 1),
        ("Refund", None, 2),
    ]


def test_a_match_that_cannot_be_granted_leaves_nothing(engine: Engine) -> None:
    take_in(engine, delivery(event_type=PAYIN), delivery("granted"))
    run(engine, ["pay", "granted"])
    for payment_id, error in (("pay", NotMatched), ("granted", NotResolvable), ("nobody's", NotResolvable)):
        with pytest.raises(error), engine.begin() as connection:
            operations.match(connection, ADA, payment_id, bought("excalibur"), "USD")
    assert (actions(engine), count(engine, matches)) == ([], 0)


@pytest.mark.parametrize(
    "change", ["UPDATE operator_actions SET who = 'eve'", "DELETE FROM operator_actions"]
)
def test_what_was_done_is_neither_changed_nor_forgotten(engine: Engine, letter: int, change: str) -> None:
    with engine.begin() as connection:
        operations.discard(connection, ADA, [letter], "USD")
    before = actions(engine)
    with pytest.raises(DBAPIError, match="what stands there stays"), engine.begin() as connection:
        connection.execute(text(change))
    assert actions(engine) == before


def test_the_command_line_says_who_and_why(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_PATH", str(ROOT / "catalog.toml"))
    monkeypatch.setenv("LOGNAME", "grace")
    for payment_id, options in (("one", ["--as", "ada", "--reason", "by phone"]), ("two", [])):
        take_in(engine, delivery(payment_id, event_type=PAYIN))
        run(engine, [payment_id])
        assert ctl("payments", "match", payment_id, "--item", "sword", *options).exit_code == 0
    listed = json.loads(ctl("actions", "list", "--json").stdout)
    assert [(each["who"], each["why"], each["subject"]) for each in listed] == [
        ("ada", "by phone", "one"),
        ("grace", None, "two"),
    ]
    assert [
        each["subject"] for each in json.loads(ctl("actions", "list", "--limit", "1", "--json").stdout)
    ] == ["two"]
    table = ctl("actions", "list").output
    assert "by phone" in table
    with engine.connect() as connection:
        causes = set(connection.execute(select(ledger_entries.c.action_id)).scalars())
    assert causes == {each["id"] for each in listed}


def test_where_nobody_is_known_somebody_unknown_acts(
    engine: Engine, letter: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> NoReturn:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert ctl("dead-letters", "discard", str(letter), "--yes").exit_code == 0
    assert [each.who for each in actions(engine)] == ["unknown"]


@pytest.fixture
def message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Put a message into the broker's dead queue; return its id."""
    monkeypatch.setitem(app.conf.broker_transport_options, "path", str(tmp_path / "broker"))
    with app.connection_for_write() as connection:
        producer = Producer(connection)
        death: dict[str, Any] = {"x-death": [{"queue": task_queues[0].name}], "task": "tasks.former"}
        producer.publish({}, declare=[dead_queue], routing_key=dead_queue.name, headers=death)
    return str(listed()[0]["id"])


def listed() -> Any:
    return json.loads(ctl("dead-letters", "list", "--json").stdout)


@pytest.mark.parametrize(("what", "after"), [("replay", "pending"), ("discard", "discarded")])
def test_what_is_done_to_a_message_of_the_broker_is_told(
    engine: Engine, message: str, what: str, after: str
) -> None:
    assert ctl("dead-letters", what, message, "--as", "ada", "--yes").exit_code == 0
    assert listed() == []
    (action,) = actions(engine)
    assert (action.who, action.what, action.subject) == ("ada", what, message)
    assert (action.before, action.after) == ({"state": "dead"}, {"state": after})


@pytest.mark.parametrize("what", ["replay", "discard"])
def test_a_message_of_which_no_row_can_tell_stays_where_it_is(
    engine: Engine, message: str, what: str
) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE operator_actions RENAME TO elsewhere"))
    refused = ctl("dead-letters", what, message, "--yes")
    assert refused.exit_code == 1
    assert "alembic upgrade head" in refused.output
    assert [each["id"] for each in listed()] == [message]
