"""Letters and runs in real databases: limits, history, and what a replay leaves behind in the middle."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from tasks.celery import app
from tasks.pipeline.dispatch import plan
from tasks.store.runs import (
    DEADLINE,
    MOST_BEGINNINGS,
    begin,
    discard,
    finish,
    forget_beginnings,
    give_up,
    reopen,
)
from tasks.store.schema import dead_letter_attempts, dead_letters, events, handler_runs
from tasks.store.states import RunState
from tests.integration.commands import ctl
from tests.integration.pipeline import count
from tests.integration.races import beside, on_postgres, wait_for_a_lock

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _run(engine: Engine) -> None:
    """Store an event whose fulfilment is pending."""
    event = {"id": 1, "key": "key", "event_type": "Settled", "payment_id": "pay", "created": ""}
    run = {"event_id": 1, "handler": "fulfilment", "state": "pending", "sent_at": NOW, "due_at": NOW}
    with engine.begin() as connection:
        connection.execute(events.insert(), {**event, "received_at": NOW, "body": "{}"})
        connection.execute(handler_runs.insert(), run)


def give_up_one(engine: Engine, error: Exception, attempts: int = 1) -> None:
    with engine.begin() as connection:
        give_up(connection, [1], "fulfilment", error, attempts=attempts)


def state(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(select(handler_runs.c.state)).scalar_one())


def test_a_run_that_is_cut_off_again_and_again_is_a_dead_letter(engine: Engine) -> None:
    for _ in range(MOST_BEGINNINGS):
        with engine.begin() as connection:
            assert begin(connection, [1], "fulfilment") == [1]
    with engine.begin() as connection:
        assert begin(connection, [1], "fulfilment") == []
    with engine.connect() as connection:
        assert connection.execute(select(dead_letters.c.error)).scalar_one() == "RunCutOff"
    assert state(engine) == RunState.DEAD


def test_a_run_that_ends_with_errors_is_not_cut_off_however_often(engine: Engine) -> None:
    for _ in range(3 * MOST_BEGINNINGS):
        with engine.begin() as connection:
            assert begin(connection, [1], "fulfilment") == [1]
        with engine.begin() as connection:
            forget_beginnings(connection, [1], "fulfilment")


def test_a_run_that_waits_between_tries_is_never_overdue(engine: Engine) -> None:
    with engine.begin() as connection:
        begin(connection, [1], "fulfilment")
        due_at = connection.execute(select(handler_runs.c.due_at)).scalar_one()
    assert due_at > datetime.now(UTC) + DEADLINE / 2


def test_a_letter_that_fails_again_is_one_with_a_longer_history_and_goes_with_it(engine: Engine) -> None:
    give_up_one(engine, ValueError("first"), attempts=6)
    with engine.begin() as connection:
        reopen(connection, [(1, "fulfilment")])
    assert state(engine) == RunState.PENDING
    give_up_one(engine, KeyError("second"))
    with engine.connect() as connection:
        (letter,) = connection.execute(select(dead_letters)).all()
        history = connection.execute(select(dead_letter_attempts).order_by(dead_letter_attempts.c.id)).all()
    assert (letter.error, letter.attempts) == ("KeyError", 7)
    assert [(each.error, each.tries) for each in history] == [("ValueError", 6), ("KeyError", 1)]
    with engine.begin() as connection:
        finish(connection, [1], "fulfilment")
        assert connection.execute(select(func.count()).select_from(dead_letter_attempts)).scalar_one() == 0


def test_what_was_discarded_stays_so_and_is_not_sent(engine: Engine) -> None:
    give_up_one(engine, ValueError())
    with engine.begin() as connection:
        discard(connection, 1, "fulfilment")
    give_up_one(engine, ValueError())
    assert state(engine) == RunState.DISCARDED
    with engine.begin() as connection:
        assert begin(connection, [1], "fulfilment") == []
        assert plan(connection, [1]).payment_ids == set()


def test_what_is_done_stays_so_whatever_becomes_of_a_late_copy(engine: Engine) -> None:
    with engine.begin() as connection:
        finish(connection, [1], "fulfilment")
    give_up_one(engine, ValueError())
    assert (state(engine), count(engine, dead_letters)) == (RunState.DONE, 0)


@on_postgres
def test_what_is_being_done_stays_so_whatever_becomes_of_a_copy(engine: Engine) -> None:
    with engine.connect() as connection, connection.begin() as transaction:
        finish(connection, [1], "fulfilment")
        with beside(lambda: give_up_one(engine, ValueError())) as given_up:
            wait_for_a_lock(engine, connection)
            transaction.commit()
        given_up.result()
    assert (state(engine), count(engine, dead_letters)) == (RunState.DONE, 0)


def replay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *arguments: str) -> Any:
    monkeypatch.setitem(app.conf.broker_transport_options, "path", str(tmp_path / "broker"))
    return ctl("dead-letters", "replay", *arguments)


def test_a_replay_while_the_broker_is_away_says_so_and_is_left_to_recovery(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    give_up_one(engine, ValueError())

    (tmp_path / "broker").write_text("no database of SQLite's" * 1000)
    done = replay(monkeypatch, tmp_path, "--all")
    assert done.exit_code == 1
    assert "1 dead letters match." in done.stdout
    assert "recovery sends them" in done.stderr
    with engine.connect() as connection:
        run = connection.execute(select(handler_runs)).one()
    assert run.state == RunState.PENDING
    assert run.due_at <= datetime.now(UTC) + DEADLINE


def test_a_replay_must_say_which(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    give_up_one(engine, ValueError())
    assert replay(monkeypatch, tmp_path).exit_code == 2
    assert replay(monkeypatch, tmp_path, "1", "--all").exit_code == 2
    for none in (["--error", "KeyError"], ["--type", "Refund"], ["--until", "2020-01-01"]):
        assert json.loads(replay(monkeypatch, tmp_path, *none, "--json").stdout)["matched"] == 0
    assert state(engine) == RunState.DEAD


@pytest.mark.parametrize("text", ["\0", "\ud800"])
def test_an_error_may_say_anything(engine: Engine, text: str) -> None:
    give_up_one(engine, ValueError(f"no order {text}"))
    with engine.connect() as connection:
        letter = connection.execute(select(dead_letters)).one()
    assert letter.message.startswith("no order \\")
