"""What an upgrade that reads more makes of events that are there."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, select, text, update

from tasks.coinflow.event import read_packet
from tasks.errors import PayloadInvalid
from tasks.payments import facts
from tasks.pipeline.dispatch import Delivery
from tasks.pipeline.rereading import Reread, reread
from tasks.store import events as event_log
from tasks.store import runs
from tasks.store.actions import Operator
from tasks.store.runs import FULFILMENT, INTAKE
from tasks.store.schema import (
    dead_letters,
    events,
    grants,
    handler_runs,
    ledger_entries,
    operator_actions,
    payments,
)
from tasks.store.states import RunState
from tasks.store.views.attention import list_attention
from tests.integration.commands import read, typed
from tests.integration.pipeline import count, delivery, reprice, run, states, take_in

OPERATOR = Operator("somebody")


def read_by(engine: Engine, version: int | None, **values: object) -> None:
    """Leave the events as another version of the product would have."""
    with engine.begin() as connection:
        connection.execute(update(events).values(facts_version=version, **values))


def reread_all(engine: Engine) -> Reread:
    (batch,) = reread(engine, OPERATOR)
    return batch


def test_facts_that_are_current_are_left_alone(engine: Engine) -> None:
    take_in(engine, delivery())
    assert list(reread(engine, OPERATOR)) == []


@pytest.mark.parametrize("version", [None, facts.VERSION - 1])
def test_what_another_version_has_read_is_read_anew_once(engine: Engine, version: int | None) -> None:
    take_in(engine, delivery(), delivery("other"))
    with engine.connect() as connection:
        before = connection.execute(select(events.c.facts).order_by(events.c.id)).scalars().all()
    read_by(engine, version, facts=None)
    batch = reread_all(engine)
    assert (batch.events, batch.work.payment_ids) == (2, {"pay", "other"})
    assert count(engine, operator_actions) == 1
    with engine.connect() as connection:
        assert connection.execute(select(events.c.facts).order_by(events.c.id)).scalars().all() == before
    assert list(reread(engine, OPERATOR)) == []


def test_a_payment_whose_facts_are_the_same_is_left_alone(engine: Engine) -> None:
    take_in(engine, delivery())
    run(engine, ["pay"])
    read_by(engine, facts.VERSION - 1)
    assert reread_all(engine).work.payment_ids == set()


def test_an_event_that_did_not_fit_and_now_does_is_taken_in_again(engine: Engine) -> None:
    event = delivery()
    take_in(engine, event)
    read_by(engine, None, set_aside="invalid", facts=None)
    with engine.begin() as connection:
        connection.execute(update(handler_runs).values(handler="intake", state="dead"))
    assert [each["body"] for each in reread_all(engine).work.unread.values()] == [event["body"]]


def test_an_event_of_a_type_that_was_unknown_counts_from_now_on(engine: Engine) -> None:
    take_in(engine, delivery())
    read_by(engine, None, payment_id=None, facts=None)
    with engine.begin() as connection:
        connection.execute(handler_runs.delete())
    assert reread_all(engine).work.payment_ids == {"pay"}
    run(engine, ["pay"])
    assert count(engine, grants) == 1


def test_what_fits_no_more_keeps_what_was_read_of_it(engine: Engine) -> None:
    take_in(engine, delivery())
    read_by(engine, facts.VERSION - 1, body='{"eventType": "Settled", "created": "", "data": {"id": "pay"}}')
    batch = reread_all(engine)
    assert (batch.events, batch.unreadable, batch.work.payment_ids) == (1, 1, set())
    run(engine, ["pay"])
    assert count(engine, grants) == 1


def test_fulfilment_reads_what_an_earlier_release_has_stored(engine: Engine) -> None:
    take_in(engine, delivery())
    read_by(engine, None, facts=None)
    run(engine, ["pay"])
    assert count(engine, grants) == 1


def test_fulfilment_reads_no_body_whose_facts_are_current(engine: Engine) -> None:
    take_in(engine, delivery())
    with engine.begin() as connection:
        connection.execute(text("UPDATE events SET body = 'gone'"))
        told = event_log.statements(connection, ["pay"], FULFILMENT)
        assert [each.payment_id for each in told] == ["pay"]
    run(engine, ["pay"])
    assert count(engine, grants) == 1


def set_aside_by_the_former(engine: Engine, payment_id: str | None) -> None:
    """Leave the one event as the former release would have: invalid, and told of by intake alone."""
    read_by(engine, facts.VERSION - 1, set_aside="invalid", facts=None, payment_id=payment_id)
    with engine.begin() as connection:
        connection.execute(delete(handler_runs).where(handler_runs.c.handler != INTAKE))
        runs.add(connection, [(1, INTAKE)])
        runs.give_up(connection, [1], INTAKE, PayloadInvalid("data.id: unreadable."), attempts=1)


def decisions(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        return [(row.id, row.decision) for row in connection.execute(select(payments))]


@pytest.mark.parametrize("again", ["reread", "copy"])
def test_a_payment_that_only_this_release_can_name_is_granted(engine: Engine, again: str) -> None:
    event = delivery(data__id=7)
    take_in(engine, event)
    set_aside_by_the_former(engine, None)
    sent = reread_all(engine).work.unread.values() if again == "reread" else [event]
    assert take_in(engine, *sent) == {"7"}
    run(engine, ["7"])
    assert decisions(engine) == [("7", "granted")]
    assert (count(engine, grants), count(engine, dead_letters)) == (1, 0)


def refused_by_the_former(engine: Engine, event: Delivery) -> None:
    """Leave an event as a former release would have that could not read it: its payment is refused."""
    take_in(engine, event)
    unreadable = facts.extract_unreadable(read_packet(event["body"]), "data.subtotal: unreadable.")
    read_by(engine, facts.VERSION, set_aside="invalid", facts=event_log.facts_text(unreadable))
    with engine.begin() as connection:
        runs.add(connection, [(1, INTAKE)])
        runs.give_up(connection, [1], INTAKE, PayloadInvalid("data.subtotal: unreadable."), attempts=1)
    run(engine, ["pay"])
    assert decisions(engine) == [("pay", "refused")]


def all_states(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        query = select(handler_runs.c.handler, handler_runs.c.state)
        return sorted((row.handler, row.state) for row in connection.execute(query))


@pytest.mark.parametrize("again", ["reread", "copy"])
def test_what_turns_out_to_be_another_merchants_leaves_nothing_waiting(engine: Engine, again: str) -> None:
    event = delivery(data__merchantId="other")
    refused_by_the_former(engine, event)
    (batch,) = reread(engine, OPERATOR, ["acme"])
    sent = batch.work.unread.values() if again == "reread" else [event]
    assert take_in(engine, *sent, merchant_ids=["acme"]) == {"pay"}
    run(engine, ["pay"])
    assert decisions(engine) == [("pay", "nothing")]
    assert all_states(engine) == [("fulfilment", "done"), ("intake", "done")]
    assert count(engine, dead_letters) == 0
    with engine.connect() as connection:
        assert not list_attention(connection)
    assert read("payments", "show", "pay")["conclusion"]["word"] == "FOREIGN"
    # Its merchant is accepted after all.
    (batch,) = reread(engine, OPERATOR, ["acme", "other"])
    run(engine, take_in(engine, *batch.work.unread.values(), merchant_ids=["acme", "other"]))
    assert decisions(engine) == [("pay", "granted")]


def test_what_a_person_has_granted_of_another_merchants_is_told_until_it_is_done(engine: Engine) -> None:
    event = delivery(data__merchantId="other")
    refused_by_the_former(engine, event)
    read("payments", "resolve", "pay", "--accept-price", "--reason", "by phone")
    assert decisions(engine) == [("pay", "granted")]
    run(engine, take_in(engine, event, merchant_ids=["acme"]))
    assert decisions(engine) == [("pay", "nothing")]
    told = read("payments", "show", "pay")["conclusion"]
    assert told["word"] == "FOREIGN"
    for part in ("alice has 1 sword.", "a person's word has granted it"):
        assert part in told["says"]
    for part in ("if it is yours, add it", "if not, take it from the buyer", "payments resolve pay --done"):
        assert part in told["next_step"]
    (line,) = read("payments", "list", "--attention")
    assert (line["payment_id"], line["reason"]) == ("pay", "unpaid")
    # A refund names no merchant, and counts.
    for _ in range(2):
        read("payments", "resolve", "pay", "--done", "--reason", "taken back")
        assert read("payments", "list", "--attention") == []
        run(engine, take_in(engine, delivery(event_type="Refund"), merchant_ids=["acme"]))
    told = read("payments", "show", "pay")["conclusion"]
    assert (told["word"], "alice has 1 sword." in told["says"]) == ("NOT PAID", True)
    assert "take it from the buyer" in told["next_step"]
    # It is ours after all.
    (batch,) = reread(engine, OPERATOR, ["acme", "other"])
    run(engine, take_in(engine, *batch.work.unread.values(), merchant_ids=["acme", "other"]))
    assert count(engine, grants) == 1


@pytest.mark.parametrize("state", ["pending", "dead"])
def test_what_is_another_merchants_is_finished_beside_what_counts(engine: Engine, state: str) -> None:
    take_in(engine, delivery())
    take_in(engine, delivery(event_type="Card Payment Authorized", data__merchantId="other"))
    with engine.begin() as connection:
        connection.execute(update(events).where(events.c.id == 2).values(set_aside="foreign"))
        if state == "dead":
            runs.give_up(connection, [2], FULFILMENT, PayloadInvalid("data: unreadable."), attempts=1)
    run(engine, ["pay"])
    assert decisions(engine) == [("pay", "granted")]
    assert (states(engine), count(engine, dead_letters)) == (["done", "done"], 0)


def test_what_only_a_later_release_knows_goes_on_waiting(engine: Engine) -> None:
    take_in(engine, delivery())
    run(engine, ["pay"])
    read_by(engine, facts.VERSION, event_type="Of A Later Release", set_aside="foreign")
    with engine.begin() as connection:
        runs.reopen(connection, [(1, FULFILMENT)], [RunState.DONE])
    run(engine, ["pay"])
    assert (decisions(engine), states(engine)) == ([("pay", "granted")], ["pending"])


def test_what_still_cannot_be_read_makes_its_payment_refused_from_now_on(engine: Engine) -> None:
    take_in(engine, delivery(data__subtotal__cents="five"))
    set_aside_by_the_former(engine, "pay")
    batch = reread_all(engine)
    assert (batch.unreadable, batch.work.payment_ids) == (1, {"pay"})
    run(engine, ["pay"])
    assert decisions(engine) == [("pay", "refused")]
    with engine.connect() as connection:
        assert [line.reason for line in list_attention(connection)] == ["refused", "unreadable"]
        assert connection.execute(select(dead_letters.c.handler)).scalars().all() == [INTAKE]
    again = reread_all(engine)
    assert (again.unreadable, again.work.payment_ids, again.work.unread) == (1, set(), {})


def test_a_payment_that_still_nothing_can_name_stays_a_dead_letter(engine: Engine) -> None:
    take_in(engine, delivery(data__id=[]))
    set_aside_by_the_former(engine, None)
    assert reread_all(engine).work.payment_ids == set()
    assert (decisions(engine), count(engine, dead_letters)) == ([], 1)


def test_a_payment_that_was_granted_keeps_its_item_when_its_events_are_read_anew(engine: Engine) -> None:
    """The currency of the price is known now, and the price list has changed since."""
    take_in(engine, delivery(data__presentmentTotals={"subtotal": {"cents": 500, "currency": "IDR"}}))
    with engine.begin() as connection:
        former = '{"customer": "alice", "price": {"cents": 500}, "named": {"item": "sword", "quantity": 1}}'
        connection.execute(update(events).values(facts=former))
    run(engine, ["pay"])
    read_by(engine, facts.VERSION - 1)
    with engine.begin() as connection:
        connection.execute(update(payments).values(verdicts=None, notes=None))
    reprice(engine, 900)
    assert reread_all(engine).work.payment_ids == {"pay"}
    run(engine, ["pay"])
    assert decisions(engine) == [("pay", "granted")]
    assert count(engine, ledger_entries) == 1


@pytest.mark.parametrize("migrated", ["SQLite"], indirect=True)
def test_what_waits_for_a_handler_goes_on_waiting(engine: Engine, tmp_path: Path) -> None:
    take_in(engine, delivery())
    with engine.begin() as connection:
        runs.add(connection, [(1, "is_never_through")])
    read_by(engine, None, facts=None)
    # In a process of its own, which knows no handler before it has imported those of the merchant.
    variables = {
        "EMBEDDED_BROKER_PATH": str(tmp_path / "broker.sqlite3"),
        "HANDLERS": "tests.merchants.impatient",
    }
    done = typed("events", "reread", **variables)
    assert done.returncode == 0, done.stderr
    assert count(engine, dead_letters) == 0


def test_where_the_broker_is_away_the_rest_is_said_to_wait(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    take_in(engine, delivery())
    read_by(engine, None, facts=None)
    monkeypatch.setenv("EMBEDDED_BROKER_PATH", str(tmp_path))
    done = typed("events", "reread")
    assert done.returncode == 1
    assert "The broker cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
