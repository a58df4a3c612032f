"""Dead letters of both kinds, listed, replayed and discarded, on every supported combination of servers."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.purchases import buy, granted
from tests.acceptance.servers import COMBINATIONS, Serve
from tests.merchants import employ
from tests.operator import Operator
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", params=COMBINATIONS)
def shop(
    request: pytest.FixtureRequest, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Run a stack whose price list can be edited, with a handler that kills its process."""
    folder = tmp_path_factory.mktemp("letters")
    (folder / "catalog.toml").write_text((ROOT / "catalog.toml").read_text())
    with serve(request.param, folder) as environment:
        own = {"CATALOG_PATH": f"{folder}/catalog.toml", "LOG_FORMAT": "json"}
        with Stack(folder, environment | own | employ("tests.merchants.deadly")) as stack:
            stack.release()
            stack.start("web", "worker")
            yield stack


#: The two brokers that give a killed process' message back at once, and that a test can wait for.
PROMPT = pytest.mark.parametrize("shop", COMBINATIONS[:2], indirect=True)


@pytest.fixture(scope="module")
def ctl(shop: Stack) -> Iterator[Operator]:
    with Operator(shop) as operator:
        yield operator


def letters(stack: Stack, payment_id: str, event_type: str = "Settled") -> list[dict[str, Any]]:
    """Return a payment's letters as `events show` tells them, once an event of it is dead."""

    def dead() -> Any:
        events = stack.read("events", "list", "--payment-id", payment_id, "--type", event_type)
        return [event for event in events if event["state"] == "dead"]

    (event,) = wait_until(dead, what="the event is dead", log=lambda: stack.log("worker"))
    found: list[dict[str, Any]] = stack.read("events", "show", str(event["id"]))["dead_letters"]
    return found


@PROMPT
def test_a_letter_is_replayed_once_the_cause_is_mended(shop: Stack, ctl: Operator) -> None:
    wallet = f"wallet-{uuid.uuid4().hex[:8]}"
    payment_id = shop.trigger("Settled", "--item", "excalibur", "--wallet", wallet)["payment_id"]
    letters(shop, payment_id)
    (letter,) = ctl("list", "--error", "ItemUnknown")
    assert (letter["payment_id"], letter["handler"], letter["state"]) == (payment_id, "fulfilment", "dead")

    assert ctl("replay", "--all", "--dry-run") == {"matched": 1, "replayed": 0, "ids": [letter["id"]]}
    assert ctl("replay", str(letter["id"]))["replayed"] == 1
    (again,) = letters(shop, payment_id)
    assert again["attempts"] == 2
    shown = ctl("show", str(letter["id"]))
    assert [(each["error"], each["tries"]) for each in shown["history"]] == [("ItemUnknown", 1)] * 2
    assert "ItemUnknown" in shown["traceback"]

    catalog = Path(shop.environment["CATALOG_PATH"])
    catalog.write_text(catalog.read_text() + "\n[items.excalibur]\nprice = { cents = 500 }\n")
    wait_until(lambda: "price_list.changed" in shop.log("worker"), what="the list is taken")
    assert ctl("replay", "--type", "Settled", "--error", "ItemUnknown")["replayed"] == 1
    granted(shop, wallet)
    assert "no such dead letter" in ctl("replay", str(letter["id"]), exit_code=1)
    payment = shop.read("payments", "show", payment_id)
    assert payment["dead_letters"] == []
    assert [entry["delta"] for entry in payment["ledger_entries"]] == [1]


@PROMPT
def test_a_discarded_letter_is_neither_pending_nor_forgotten(shop: Stack, ctl: Operator) -> None:
    payment_id = shop.trigger("Settled", "--item", "sword", "--cents", "1")["payment_id"]
    letters(shop, payment_id)
    (letter,) = ctl("list", "--error", "PriceMismatch")
    ctl("discard", str(letter["id"]), "--yes")
    (event,) = shop.read("events", "list", "--payment-id", payment_id)
    assert event["state"] == "discarded"
    assert ctl("replay", "--error", "PriceMismatch")["matched"] == 0
    assert [each["id"] for each in ctl("list", "--state", "discarded")] == [letter["id"]]
    shop.trigger("Disbursed Funds", "--payment-id", payment_id)

    def states() -> list[str]:
        return [each["state"] for each in shop.read("events", "list", "--payment-id", payment_id)]

    wait_until(lambda: states() == ["discarded", "handled"], what="the payment is decided anew")
    assert shop.read("payments", "show", payment_id)["dead_letters"][0]["error"] == "PriceMismatch"


@PROMPT
def test_a_handler_that_kills_its_process_ends_as_a_dead_letter(shop: Stack) -> None:
    shop.trigger("KYC Failure")
    wallet = f"wallet-{uuid.uuid4().hex[:8]}"
    buy(shop, wallet)
    # Other events go on.
    granted(shop, wallet)

    def dead() -> Any:
        (event,) = shop.read("events", "list", "--type", "KYC Failure") or [{"state": "unstored"}]
        return event if event["state"] == "dead" else None

    event = wait_until(dead, what="it is given up", log=lambda: shop.log("worker"))
    (letter,) = shop.read("events", "show", str(event["id"]))["dead_letters"]
    assert (letter["handler"], letter["error"], letter["attempts"]) == ("kills_its_process", "RunCutOff", 5)


def headers(task: Any) -> dict[str, Any]:
    return {"task": task, "id": str(uuid.uuid4()), "lang": "py", "retries": 0, "argsrepr": ""}


def test_what_no_task_can_take_is_kept_listed_replayed_and_discarded(shop: Stack, ctl: Operator) -> None:
    mark = uuid.uuid4().hex
    as_json: dict[str, Any] = {"content_type": "application/json", "content_encoding": "utf-8"}
    as_pickle = {"content_type": "application/x-python-serialize", "content_encoding": "binary"}
    messages: list[tuple[str, str, dict[str, Any]]] = [
        (f"{{broken {mark}", "events", as_json),
        (f"pickled {mark}", "events", as_pickle),
        (f"{{broken {mark}", "events", {**as_json, "headers": headers("tasks.intake.store_events")}),
        (f'["{mark}"]', "fulfilment", {**as_json, "headers": {"task": ["unhashable"]}}),
        (f'[["{mark}"], {{}}, {{}}]', "fulfilment", {**as_json, "headers": headers("tasks.former")}),
    ]
    seen = {each["id"] for each in ctl("list")}
    for body, queue, options in messages:
        ctl.publish(body, routing_key=queue, **options)

    def listed() -> list[dict[str, Any]]:
        found = [each for each in ctl("list") if each["id"] not in seen]
        return found if len(found) == len(messages) else []

    found = wait_until(listed, what="five dead messages", log=lambda: shop.log("worker"))
    assert sorted(each["error"] for each in found) == [
        "NoTask",
        "Undecodable",
        "Undecodable",
        "Undecodable",
        "UnknownTask",
    ]
    assert mark not in shop.log("worker")
    (unknown,) = [each for each in found if each["error"] == "UnknownTask"]
    assert unknown["handler"] == "tasks.former"
    assert mark in ctl("show", unknown["id"])["body"]

    def refused() -> int:
        return shop.log("worker").count("message.refused")

    before = refused()
    assert ctl("replay", unknown["id"])["replayed"] == 1
    wait_until(lambda: refused() > before, what="the worker has refused it again")
    assert {each["id"] for each in listed()} == {each["id"] for each in found}
    ctl("discard", unknown["id"], "--yes")
    assert unknown["id"] not in {each["id"] for each in ctl("list")}


def test_real_events_in_the_dead_queue_are_listed_and_replayed(shop: Stack, ctl: Operator) -> None:
    """A message of the receiver's ends each worker that takes it, until it is over its delivery limit."""
    wallet = f"wallet-{uuid.uuid4().hex[:8]}"
    shop.kill("worker")
    payment_id = buy(shop, wallet)
    # To the second: RabbitMQ knows no more.
    since = f"{datetime.now(UTC) - timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}"
    ctl.crash()

    def crashed() -> Any:
        return ctl("list", "--error", "CrashLoop", "--since", since)

    (letter,) = wait_until(crashed, what="the message is dead")
    assert (letter["payment_id"], letter["event_type"]) == (payment_id, "Settled")
    shop.start("worker")
    assert ctl("replay", "--type", "Settled")["replayed"] == 1
    granted(shop, wallet)
    assert crashed() == []
