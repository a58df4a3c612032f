"""`dead-letters discard`: the filters of `replay`, a count, a question, and what was not changed and why."""

import os
from pathlib import Path
from typing import Any

import pytest
from kombu import Producer
from sqlalchemy import Engine

from celeryconfig import dead_queue, task_queues
from tasks.celery import app
from tests.integration.commands import ctl, read
from tests.integration.pipeline import delivery, run, states, take_in
from tests.pseudo_terminal import shown

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def _letters(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Bury two payments that are too cheap, one of an unknown item, and two messages of the broker's."""
    monkeypatch.setitem(app.conf.broker_transport_options, "path", str(tmp_path / "broker"))
    for name, changes in (
        ("one", {"data__subtotal__cents": 1}),
        ("two", {"data__subtotal__cents": 2}),
        ("three", {"data__webhookInfo": {"item": "excalibur"}}),
    ):
        run(engine, take_in(engine, delivery(name, **changes)))
    with app.connection_for_write() as connection:
        producer = Producer(connection)
        for name in ("tasks.former", "tasks.older"):
            death: dict[str, Any] = {"x-death": [{"queue": task_queues[0].name}], "task": name}
            producer.publish({}, declare=[dead_queue], routing_key=dead_queue.name, headers=death)


def listed() -> dict[str, str]:
    return {str(each["id"]): each["error"] for each in read("dead-letters", "list")}


def test_letters_of_both_kinds_are_chosen_as_for_a_replay() -> None:
    assert len(listed()) == 5
    assert read("dead-letters", "discard", "--error", "PriceMismatch", "--dry-run") == {
        "matched": 2,
        "discarded": 0,
        "ids": [1, 2],
        "kept": [],
    }
    assert len(listed()) == 5
    assert read("dead-letters", "discard", "--error", "PriceMismatch", "--yes")["ids"] == [1, 2]
    assert read("dead-letters", "discard", "--error", "UnknownTask", "--yes")["discarded"] == 2
    assert listed() == {"3": "ItemUnknown"}
    assert read("dead-letters", "discard", "--until", "2020-01-01", "--yes")["matched"] == 0
    assert read("dead-letters", "discard", "--all", "--yes")["ids"] == [3]
    assert listed() == {}


@pytest.mark.parametrize("which", [[], ["1", "--all"], ["--all", "--error", "PriceMismatch"]])
def test_it_must_be_said_which(which: list[str]) -> None:
    assert ctl("dead-letters", "discard", *which, "--yes").exit_code == 2
    assert len(listed()) == 5


def test_where_nobody_can_be_asked_nothing_is_discarded() -> None:
    refused = ctl("dead-letters", "discard", "--all")
    assert refused.exit_code == 1
    assert refused.stdout == "5 dead letters match.\n"
    assert refused.stderr.count("\n") == 1
    assert "--yes" in refused.stderr
    assert len(listed()) == 5


@pytest.mark.parametrize(("answer", "left"), [("y", 3), ("n", 5)])
def test_a_person_is_asked(answer: str, left: int, tmp_path: Path) -> None:
    environment = {**os.environ, "EMBEDDED_BROKER_PATH": str(tmp_path / "broker"), "BROKER_URL": ""}
    arguments = ["dead-letters", "discard", "--error", "PriceMismatch"]
    sent = shown([arguments], environment, typed=f"{answer}\n").decode()
    assert "2 dead letters match." in sent
    assert "Discard 2 dead letters? [y/N]" in sent
    assert ("2 discarded." in sent) == (left == 3)
    assert len(listed()) == left


def test_what_is_not_changed_is_told_with_the_reason(engine: Engine) -> None:
    ctl("dead-letters", "discard", "1", "--yes")
    ctl("dead-letters", "replay", "2")
    message = next(name for name in listed() if name.startswith("b"))
    asked = ["1", "2", "3", "4", "bnone", message]
    done = ctl("dead-letters", "discard", *asked, "--yes", "--as", "ada")
    assert done.exit_code == 1
    assert "2 discarded." in done.stdout
    for why in ("It was discarded before.", "It is being replayed", "There is no such letter"):
        assert why in " ".join(done.stdout.split()), done.stdout
    assert states(engine) == ["discarded", "pending", "discarded"]
    assert message not in listed()
    again = ctl("dead-letters", "discard", *asked, "--yes", "--json")
    assert (again.exit_code, '"discarded": 0' in again.stdout) == (1, True)
