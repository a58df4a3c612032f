"""Messages that no task could take: under the broker's own reason, and known by every task that there is."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from kombu import Producer
from sqlalchemy import Engine

from celeryconfig import SWEEP_TASK, beat_schedule, dead_queue, task_queues
from tasks.celery import app
from tests.integration.commands import read
from tests.merchants import employ
from tests.pseudo_terminal import shown


@pytest.fixture(autouse=True)
def _broker(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # noqa: ARG001  # letters of both kinds are listed
    monkeypatch.setitem(app.conf.broker_transport_options, "path", str(tmp_path / "broker"))


def bury(*messages: tuple[str, str | None, float]) -> None:
    """Put messages into the dead queue, each by its task, the broker's reason and the time."""
    with app.connection_for_write() as connection:
        producer = Producer(connection)
        for task, reason, time in messages:
            death = {"queue": task_queues[0].name, "reason": reason, "time": time}
            headers: dict[str, Any] = {"x-death": [death], "task": task, "id": f"{task} {time}"}
            producer.publish({}, declare=[dead_queue], routing_key=dead_queue.name, headers=headers)


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("rejected", "NotTaken"),
        ("expired", "Expired"),
        ("maxlen", "QueueFull"),
        ("delivery_limit", "CrashLoop"),
        (None, "NotTaken"),
    ],
)
def test_the_reason_is_the_brokers_own(reason: str | None, error: str) -> None:
    bury((SWEEP_TASK, reason, 1))
    (letter,) = read("dead-letters", "list")
    assert (letter["error"], letter["reason"]) == (error, reason)
    assert read("dead-letters", "show", letter["id"])["reason"] == reason


def test_an_unknown_task_is_none_only_where_it_was_rejected() -> None:
    bury(("tasks.former", "rejected", 1), ("tasks.former", "expired", 2))
    assert {letter["error"] for letter in read("dead-letters", "list")} == {"UnknownTask", "Expired"}


def test_every_task_of_this_version_is_known() -> None:
    names = [name for name in app.tasks if name.startswith("tasks.")]
    assert {each["task"] for each in beat_schedule.values()} < set(names)
    bury(*((name, "rejected", number) for number, name in enumerate(names)))
    assert {(each["handler"], each["error"]) for each in read("dead-letters", "list")} == {
        (name, "NotTaken") for name in names
    }


def test_a_sweep_that_has_expired_says_that_it_can_be_discarded_and_hides_nothing() -> None:
    bury(("tasks.former", "rejected", 1), *((SWEEP_TASK, "expired", number) for number in range(2, 9)))
    *sweeps, lost = read("dead-letters", "list", "--limit", "3")
    assert lost["handler"] == "tasks.former"
    assert [letter["failed_at"][17:19] for letter in sweeps] == ["07", "08"]
    assert {letter["message"] for letter in sweeps} == {
        "It was a sweep of a former release, and the next one has done its work; discard it."
    }
    bury(("tasks.intake.store_events", "expired", 9))
    *_, event = read("dead-letters", "list")
    assert event["message"].endswith("then replay.")


def test_a_handler_is_known_where_handlers_names_its_module(tmp_path: Path) -> None:
    bury(("tasks.handlers.kills_its_process", "rejected", 1), ("tasks.handlers.gone", "rejected", 2))
    own = {"EMBEDDED_BROKER_PATH": str(tmp_path / "broker"), **employ("tests.merchants.deadly")}
    sent = shown([["dead-letters", "list", "--json"]], {**os.environ, **own})
    assert [(each["handler"], each["error"]) for each in json.loads(sent)] == [
        ("tasks.handlers.kills_its_process", "NotTaken"),
        ("tasks.handlers.gone", "UnknownTask"),
    ]
