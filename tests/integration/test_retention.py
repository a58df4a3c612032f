"""What Coinflow sent goes after a time, or with its buyer; what it came to stays."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, insert, select, update

from celeryconfig import broker_transport_options
from tasks.celery import Application
from tasks.notifications.outcome import Outcome, OutcomeKind
from tasks.notifications.turn import Ended
from tasks.payments.facts import VERSION
from tasks.pipeline.recovery import prune_old
from tasks.store import retention
from tasks.store.price_lists import accept
from tasks.store.schema import events, notifications
from tests.integration import messages
from tests.integration.commands import ctl, read
from tests.integration.pipeline import count, delivery, run, states, take_in
from tests.integration.telling import DONE, listen, tell, turn

pytestmark = pytest.mark.long

OPENED = "Card Payment Chargeback Opened"
OLD = "2025-01-01T12:00:00+00:00"


@pytest.fixture(autouse=True)
def _broker_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The commands for letters look at the broker's, too.
    monkeypatch.setitem(broker_transport_options, "path", str(tmp_path / "broker"))


def come(engine: Engine, payment_id: str = "pay", event_type: str = "Settled", **changes: Any) -> None:
    run(engine, take_in(engine, delivery(payment_id, event_type, **changes) | {"received_at": OLD}))


def bodies(engine: Engine) -> list[bool]:
    """Return which events still have one, in their order."""
    with engine.connect() as connection:
        return [bool(each) for each in connection.scalars(select(events.c.body).order_by(events.c.id))]


def ledger() -> Any:
    story = read("payments", "show", "pay")
    return [(each["item"], each["delta"], each["status"]) for each in story["ledger_entries"]]


def everything(engine: Engine) -> str:
    """Return what the database holds, as text."""
    there = MetaData()
    there.reflect(engine)
    with engine.connect() as connection:
        return "\n".join(
            f"{table.name}: {row}"
            for table in there.sorted_tables
            for row in connection.execute(select(table))
        )


# ---------------------------------------------------------------- pruning


def test_a_payment_that_was_pruned_is_decided_as_before(engine: Engine) -> None:
    come(engine)
    pruned = read("prune", "--older-than", "400d")
    assert (pruned["events"], bodies(engine)) == (1, [False])
    # The same event again is still the same event.
    come(engine, event_type=OPENED)
    assert ledger() == [("sword", 1, "granted"), ("sword", -1, "suspended")]
    come(engine, event_type="Card Payment Chargeback Lost")
    assert read("wallets", "show", "alice")["items"][0]["status"] == "revoked"
    assert ctl("events", "show", "1").stdout.endswith("What Coinflow sent was pruned.\n")
    assert read("events", "show", "1")["body"] is None
    assert read("events", "reread")["events"] == 0
    assert [each["what"] for each in read("actions", "list")] == ["prune"]


def test_a_copy_of_what_was_pruned_is_a_copy(engine: Engine) -> None:
    came = delivery() | {"received_at": OLD}
    run(engine, take_in(engine, came))
    read("prune", "--older-than", "400d")
    assert take_in(engine, came) == set()
    assert count(engine, events) == 1
    assert bodies(engine) == [False]


def test_what_may_still_be_done_keeps_its_body(engine: Engine) -> None:
    come(engine, "done")
    come(engine, "refused", data__subtotal__cents=1)
    come(engine, "unreadable", data__subtotal="much")
    take_in(engine, delivery("waiting") | {"received_at": OLD})
    run(engine, take_in(engine, delivery("young")))
    assert read("prune", "--older-than", "400", "--dry-run")["events"] == 2
    assert all(bodies(engine))
    assert read("prune", "--older-than", "400")["events"] == 2
    assert bodies(engine) == [False, False, True, True, True]
    assert read("prune", "--older-than", "400")["events"] == 0
    # What was refused can be granted without its body.
    run(engine, {"waiting"})
    said = ["--accept-price", "--reason", "by phone"]
    assert read("payments", "resolve", "refused", *said)["state"] == "granted"


def test_batches_go_on_where_the_last_one_ended(engine: Engine) -> None:
    for number in range(3):
        come(engine, f"pay-{number}")
    take_in(engine, delivery("waiting") | {"received_at": OLD})
    before, end, found = datetime.now(UTC), None, list[int]()
    while not found or end:
        with engine.begin() as connection:
            pruned = retention.prune(connection, before, end, dry_run=True, limit=2)
        found.append(pruned.events)
        end = pruned.end
    assert found == [2, 1]


def test_nothing_is_pruned_where_nobody_asks_for_it(engine: Engine, app: Application) -> None:
    come(engine)
    messages.sweep(app)
    assert bodies(engine) == [True]


@pytest.fixture
def retention_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENT_RETENTION_DAYS", "400")


@pytest.mark.usefixtures("retention_days")
def test_sweeps_prune_once_an_hour_where_it_is_asked_for(engine: Engine, app: Application) -> None:
    come(engine)
    take_in(engine, delivery("young"))
    messages.sweep(app)
    assert bodies(engine) == [False, True]
    come(engine, "another")
    prune_old(engine, timedelta(days=400))
    assert bodies(engine) == [False, True, True]


# ---------------------------------------------------------------- export and erasure


def test_a_buyer_gets_all_that_is_stored_and_nothing_of_others(engine: Engine) -> None:
    come(engine, data__email="alice@example.com")
    come(engine, "auth", "Card Payment Authorized")
    come(engine, "other", data__customerId="bob", data__rawCustomerId="bob")
    told = read_export("alice")
    assert [each["payment_id"] for each in told["payments"]] == ["auth", "pay"]
    assert [each["body"]["data"]["id"] for each in told["events"]] == ["pay", "auth"]
    assert [each["name"] for each in told["names"]] == ["alice"]
    assert "bob" not in ctl("export", "alice").stdout
    refused = ctl("export", "nobody")
    assert (refused.exit_code, "Nothing is stored of nobody." in refused.output) == (1, True)


def read_export(wallet: str) -> Any:
    done = ctl("export", wallet)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    document["payments"].sort(key=lambda each: each["payment_id"])
    return document


def test_of_a_buyer_who_was_erased_nothing_is_left_but_what_was_decided(engine: Engine) -> None:
    info = {"item": "sword", "for": "alice", "colour": "red"}
    come(engine, data__email="alice@example.com", data__webhookInfo=info)
    come(engine, "unmatched", data__webhookInfo={})
    match = ["--item", "sword", "--wallet", "alice"]
    read("payments", "match", "unmatched", *match)
    come(engine, "other", data__customerId="bob", data__rawCustomerId="bob")
    assert read("erase", "alice", "--yes", "--reason", "asked for") == {"payments": 2, "events": 2}
    left = everything(engine)
    assert "alice" not in left
    assert "bob" in left
    (grant,) = read("payments", "show", "pay")["grants"]
    # A late event finds the wallet that holds it.
    come(engine, event_type=OPENED)
    assert ledger() == [("sword", 1, "granted"), ("sword", -1, "suspended")]
    assert read("payments", "show", "pay")["grants"] == [{**grant, "status": "suspended"}]
    come(engine, "again")
    assert [each["payment_id"] for each in read("wallets", "show", "alice")["items"]] == ["again"]
    (action,) = [each for each in read("actions", "list") if each["what"] == "erase"]
    assert action["subject"] == grant["wallet"]


def test_a_buyer_of_several_spellings_is_erased_with_all_of_them(engine: Engine) -> None:
    for payment_id, name in (("pay", "Qux\u00eb"), ("again", " Quxe\u0308 ")):
        come(engine, payment_id, data__customerId=name, data__rawCustomerId=name)
    read("erase", "Quxe\u0308", "--yes", "--reason", "asked for")
    assert "Qux" not in everything(engine)
    come(engine, event_type=OPENED, data__customerId="Qux\u00eb", data__rawCustomerId="Qux\u00eb")
    assert [each[1:] for each in ledger()] == [(1, "granted"), (-1, "suspended")]


def test_of_webhook_info_nothing_is_left_but_what_the_price_list_reads(engine: Engine) -> None:
    with engine.begin() as connection:
        accept(connection, 'items.sword = { price.cents = 500 }\n[only]\nshop = "north"\n', "a release")
    info = {"item": "sword", "shop": "north", "mail": "a@example.com", "user": "shop\u02acalice"}
    come(engine, data__webhookInfo=info)
    read("erase", "alice", "--yes", "--reason", "asked for")
    left = everything(engine)
    assert [each for each in ("alice", "example.com", "user") if each in left] == []
    come(engine, event_type=OPENED)
    assert [each[1:] for each in ledger()] == [(1, "granted"), (-1, "suspended")]


def test_what_an_earlier_version_has_read_is_decided_as_before_once_it_is_erased(engine: Engine) -> None:
    come(engine)
    with engine.begin() as connection:
        connection.execute(update(events).values(facts=None, facts_version=None))
    assert read("prune", "--older-than", "400d")["events"] == 0
    read("erase", "alice", "--yes", "--reason", "asked for")
    come(engine, event_type=OPENED)
    assert [each[1:] for each in ledger()] == [(1, "granted"), (-1, "suspended")]


def test_rereading_names_the_buyers_of_what_a_former_release_has_stored(engine: Engine) -> None:
    come(engine, event_type="Card Payment Authorized")
    with engine.begin() as connection:
        connection.execute(update(events).values(buyer=None, facts_version=VERSION - 1))
    assert read("find", "alice") == []
    read("events", "reread")
    assert [each["payment_id"] for each in read("find", "alice")] == ["pay"]


def test_a_buyer_of_whom_a_server_is_yet_to_be_told_is_not_erased(engine: Engine) -> None:
    come(engine)
    row = {"payment_id": "pay", "version": 1, "endpoint": "shop", "state": "pending"}
    with engine.begin() as connection:
        connection.execute(insert(notifications).values(**row, created_at=datetime.now(UTC)))
    refused = ctl("erase", "alice", "--yes", "--reason", "asked for")
    assert (refused.exit_code, "would tell an alias" in refused.output) == (1, True)
    assert read("erase", "alice", "--yes", "--untold", "--reason", "asked for")["payments"] == 1


@pytest.mark.parametrize(
    ("kind", "status"), [(OutcomeKind.TRANSIENT, 500), (OutcomeKind.GONE, 410), (OutcomeKind.PERMANENT, None)]
)
def test_what_a_server_said_of_a_buyer_goes_with_the_buyer(
    engine: Engine, kind: OutcomeKind, status: int | None
) -> None:
    listen(engine, "shop")
    for number in range(12):
        come(engine, f"pay-{number}")
    tell(engine, "shop", Outcome(kind, status, "the server failed: no place for alice"))
    with engine.connect() as connection:
        assert set(connection.scalars(select(notifications.c.last_error))) == {
            "the server failed: no place for alice"
        }
    read("erase", "alice", "--yes", "--untold", "--reason", "asked for")
    assert "alice" not in everything(engine)
    with engine.connect() as connection:
        assert set(connection.scalars(select(notifications.c.last_error))) == {"the server failed"}
    assert "the server failed" in read("endpoints", "list")[0]["last_error"]


@pytest.mark.parametrize("way", ["a person's word", "an earlier event"])
def test_what_a_server_said_of_who_had_an_item_once_goes_too(engine: Engine, way: str) -> None:
    listen(engine, "shop")
    come(engine, "of bob", data__customerId="bob", data__rawCustomerId="bob")
    tell(engine, "shop")
    if way == "a person's word":
        come(engine)
        for wallet in ("bob", "ann"):
            read("payments", "resolve", "pay", "--wallet", wallet, "--reason", "by phone")
    else:
        with engine.begin() as connection:
            accept(connection, "items.sword = { price.cents = 500, recipient = true }", "a release")
        for created, recipient in (("2026-09-01T10:00:00Z", "bob"), ("2026-09-01T09:00:00Z", "ann")):
            gift = {"item": "sword", "recipient": recipient}
            come(engine, created=created, data__webhookInfo=gift)
    assert [each["wallet"] for each in read("payments", "show", "pay")["grants"]] == ["ann"]
    tell(engine, "shop", Outcome(OutcomeKind.TRANSIENT, 500, "the server failed: no place for bob"))
    refused = ctl("erase", "bob", "--yes", "--reason", "asked for")
    assert (refused.exit_code, "would tell an alias" in refused.output) == (1, True)
    read("erase", "bob", "--yes", "--untold", "--reason", "asked for")
    left = everything(engine).replace("of bob", "")
    assert "bob" not in left
    # What names others alone is theirs.
    assert bodies(engine)[-1]


def test_what_a_server_says_of_a_buyer_who_was_erased_meanwhile_is_not_kept(engine: Engine) -> None:
    listen(engine, "shop")
    come(engine, "pay")
    ((claimed, _),) = turn(engine, "shop").claimed
    read("erase", "alice", "--yes", "--untold", "--reason", "asked for")
    turn(engine, "shop", Ended(claimed, Outcome(OutcomeKind.TRANSIENT, 500, "500: no place for alice")))
    assert "alice" not in everything(engine)
    turn(engine, "shop", Ended(claimed, DONE))
    assert [each["state"] for each in read("notifications", "list")] == ["done"]


def test_a_foreign_buyer_is_erased_and_stays_foreign(engine: Engine) -> None:
    take_in(engine, delivery(data__merchantId="other"), merchant_ids=["mine"])
    read("erase", "alice", "--yes", "--reason", "asked for")
    assert "alice" not in everything(engine)
    assert read("payments", "show", "pay")["conclusion"]["word"] == "FOREIGN"
    refused = ctl("erase", "alice", "--yes", "--reason", "asked for")
    assert (refused.exit_code, "Nothing is stored" in refused.output) == (1, True)


def test_a_buyer_whose_events_are_under_way_is_not_erased(engine: Engine) -> None:
    take_in(engine, delivery())
    refused = ctl("erase", "alice", "--yes", "--reason", "asked for")
    assert (refused.exit_code, "Try again later." in refused.output) == (1, True)
    assert bodies(engine) == [True]
    run(engine, ["pay"])
    assert states(engine) == ["done"]


@pytest.mark.usefixtures("app")
def test_what_was_erased_is_replayed_to_no_handler(engine: Engine) -> None:
    come(engine, data__subtotal="much")
    read("erase", "alice", "--yes", "--reason", "asked for")
    (letter,) = read("dead-letters", "list")
    refused = ctl("dead-letters", "replay", str(letter["id"]))
    assert (refused.exit_code, f"{letter['id']} is dead again: BodyGone" in refused.stderr) == (1, True)
    (letter,) = read("dead-letters", "list")
    assert letter["error"] == "BodyGone"


def test_a_guard_of_the_ledger_stands_again_after_an_erasure(engine: Engine) -> None:
    come(engine)
    read("erase", "alice", "--yes", "--reason", "asked for")
    with engine.connect() as connection, pytest.raises(Exception, match="refuses UPDATE"):
        connection.exec_driver_sql("UPDATE ledger_entries SET item = 'shield'")
