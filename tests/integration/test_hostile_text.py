"""No text of a buyer's reaches an operator's terminal raw, in whatever field and by whatever command."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from kombu import Producer
from sqlalchemy import Engine, update

from celeryconfig import dead_queue, task_queues
from tasks.celery import app
from tasks.cli import main
from tasks.store import endpoints
from tasks.store.schema import notifications
from tests.commands import described
from tests.integration.commands import ctl, read
from tests.integration.pipeline import delivery, run, take_in
from tests.pseudo_terminal import shown
from tests.stack import ROOT

pytestmark = pytest.mark.long

#: Hides text, sets the title, clears the screen by C1, deletes, begins a line, and turns it round.
HOSTILE = "x\x1b[8m\x1b]0;owned\x07\x9b2J\x85\x7f\r\n\u2028\u202eevil\u2066"
#: How rich prints in bold and so on, and how a terminal ends lines.
OURS = re.compile(rb"\x1b\[[0-7;]*m|\r\n")
RAW = re.compile(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]")
ARGUMENTS = {
    "event_id": ["1", "4"],
    "letter_id": ["1", "n1"],
    "notification_id": ["1"],
    "payment_id": [f"pay-{HOSTILE}", f"unknown-{HOSTILE}"],
    "text": [HOSTILE],
    "wallet": [HOSTILE, f"nobody-{HOSTILE}"],
    "file": [str(ROOT / "catalog.toml")],
    "item": ["sword", HOSTILE],
}


@pytest.fixture
def environment(engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """Put hostile text wherever a buyer or a stranger can; return the environment of commands."""
    monkeypatch.setitem(app.conf.broker_transport_options, "path", str(tmp_path / "broker"))
    buyer: dict[str, Any] = {"data__customerId": HOSTILE, "data__rawCustomerId": HOSTILE}
    paid: dict[str, Any] = {"data__webhookInfo": {"item": "sword", "orderId": HOSTILE}}
    deliveries = [
        delivery(f"pay-{HOSTILE}", **buyer, **paid),
        delivery("unknown", data__webhookInfo={"item": HOSTILE}, **buyer),
        delivery("coupon", data__webhookInfo={"item": "sword", "coupon": HOSTILE}),
        delivery(eventType=HOSTILE),
        delivery(
            event_type="Subscription Created",
            data__id=HOSTILE,
            data__customerId=HOSTILE,
            data__plan__code=HOSTILE,
            data__subscriptionPlan__code=HOSTILE,
        ),
        delivery("unreadable", data__subtotal={"cents": HOSTILE}),
        delivery(HOSTILE, event_type="Card Payment Chargeback Opened", data__respondByDate=HOSTILE),
    ]
    with engine.begin() as connection:
        endpoints.configure(connection, {"shop": f"https://shop.example/{HOSTILE}"}, datetime.now(UTC))
    for each in deliveries:
        run(engine, take_in(engine, each))
    with engine.begin() as connection:
        connection.execute(update(notifications).values(state="dead", due_at=None, last_error=HOSTILE))
        endpoints.save(connection, "shop", {"reason": HOSTILE, "last_error": HOSTILE})
    said = ctl("payments", "resolve", f"pay-{HOSTILE}", "--wallet", f"w-{HOSTILE}", "--reason", HOSTILE)
    assert said.exit_code == 0, said.output
    with app.connection_for_write() as connection:
        death = {"x-death": [{"queue": task_queues[0].name, "reason": HOSTILE}], "task": HOSTILE}
        producer = Producer(connection)
        producer.publish({HOSTILE: 1}, declare=[dead_queue], routing_key=dead_queue.name, headers=death)
    return {
        **os.environ,
        "BROKER_URL": "",
        "EMBEDDED_BROKER_PATH": str(tmp_path / "broker"),
        "COINFLOW_VALIDATION_KEY": "key",
        "CATALOG_PATH": str(ROOT / "catalog.toml"),
        "TERM": "xterm-256color",
        # Wide, so that a word is not folded in the middle.
        "COLUMNS": "1000",
    }


def reading() -> Iterator[list[str]]:
    """Yield every command that reads, with every value of its arguments."""
    for names, command in described(main):
        options = {each.name for each in command.params}
        if isinstance(command, click.Group) or "who" in options or names in {("trigger",), ("sink",)}:
            continue
        wanted = [each.name for each in command.params if each.required]
        assert "as_json" in options, names
        values: list[list[str]] = [[]]
        for name in wanted:
            values = [[*so_far, value] for so_far in values for value in ARGUMENTS[str(name)]]
        yield from ([*names, *each] for each in values)
    yield ["dead-letters", "list", "--state", "discarded"]
    yield ["payments", "list", "--attention"]


def commands() -> list[list[str]]:
    letters: list[dict[str, Any]] = read("dead-letters", "list")
    return [*reading(), *(["dead-letters", "show", str(each["id"])] for each in letters)]


def test_no_hostile_text_reaches_a_terminal_raw(environment: dict[str, str]) -> None:
    sent = shown(commands(), environment)
    assert RAW.findall(OURS.sub(b"", sent)) == []
    assert b"\x1b[8m" not in sent
    assert sent.count(b"\\x1b]0;") > 20


def test_json_stays_json_of_ascii(environment: dict[str, str]) -> None:
    sent = shown([[*each, "--json"] for each in commands()], environment)
    assert RAW.findall(sent.replace(b"\r\n", b"")) == []
    assert HOSTILE in {each["wallet"] for each in read("payments", "list")}
