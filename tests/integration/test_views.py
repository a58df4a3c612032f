"""What is read of the event log, the ledger and the letters, whoever shows it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, update

from tasks.payments.states import DecisionStatus
from tasks.store.runs import give_up
from tasks.store.schema import events, payments
from tasks.store.states import RunState
from tasks.store.views.event_story import event_story
from tasks.store.views.events import EventFilter, list_events
from tasks.store.views.letters import LetterFilter, letter_story, list_letters
from tasks.store.views.payment_story import PaymentStory, payment_story
from tasks.store.views.payments import PaymentFilter, list_payments
from tasks.store.views.subscriptions import SubscriptionFilter, list_subscriptions
from tasks.store.views.wallets import Wallet, WalletItem, wallet_of
from tests.integration.commands import read
from tests.integration.pipeline import delivery, run, take_in

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


def story(connection: Connection, payment_id: str = "pay") -> PaymentStory | None:
    return payment_story(connection, payment_id, "USD")


def test_a_page_of_events_is_the_newest_of_those_that_are_meant(engine: Engine) -> None:
    for payment_id, event_type in (("one", "Settled"), ("two", "Settled"), ("two", "Refund")):
        take_in(engine, delivery(payment_id, event_type=event_type))
    with engine.begin() as connection:
        for event_id, received_at in ((1, NOON + timedelta(hours=1)), (2, NOON), (3, NOON)):
            connection.execute(update(events).where(events.c.id == event_id).values(received_at=received_at))

        def ids(**chosen: Any) -> list[int]:
            return [each.id for each in list_events(connection, EventFilter(**chosen))]

        assert ids() == [1, 2, 3]
        assert ids(limit=2) == [2, 3]
        assert ids(event_type="Settled") == [1, 2]
        assert ids(payment_id="two") == [2, 3]
        assert ids(until=NOON) == []
        assert ids(since=NOON) == [2, 3, 1]
        assert ids(since=NOON, until=NOON + timedelta(hours=1), limit=1) == [3]
        assert ids(event_type="Settled", since=NOON, until=NOON + timedelta(hours=2)) == [2, 1]


def test_an_event_is_told_with_its_runs_and_what_failed(engine: Engine) -> None:
    take_in(engine, delivery(data__subtotal__cents=1))
    run(engine, ["pay"])
    with engine.connect() as connection:
        story = event_story(connection, 1)
        assert event_story(connection, 2) is None
    assert story
    assert (story.state, (story.body or {})["data"]["id"]) == ("dead", "pay")
    assert [(each.handler, each.state) for each in story.handler_runs] == [("fulfilment", "dead")]
    assert [(each.error, each.attempts) for each in story.dead_letters] == [("PriceMismatch", 1)]


def test_payments_are_listed_by_state_and_told_with_all_that_belongs_to_them(engine: Engine) -> None:
    take_in(engine, delivery("good"), delivery("cheap", data__subtotal__cents=1))
    run(engine, ["good", "cheap"])
    take_in(engine, delivery("good", event_type="Card Payment Chargeback Opened"), delivery("new"))
    run(engine, ["good"])
    with engine.connect() as connection:
        assert [each.payment_id for each in list_payments(connection, PaymentFilter())] == ["cheap", "good"]
        (refused,) = list_payments(connection, PaymentFilter(state=DecisionStatus.REFUSED))
        good, cheap = story(connection, "good"), story(connection, "cheap")
        new = story(connection, "new")
        assert story(connection, "nobody's") is None
    assert (refused.payment_id, refused.state, refused.cents) == ("cheap", "refused", 1)
    assert good
    assert [(each.state, each.payment_state) for each in good.events] == [
        ("handled", "granted"),
        ("handled", "suspended"),
    ]
    assert [(each.cause, each.delta, each.status) for each in good.ledger_entries] == [
        ("Settled", 1, "granted"),
        ("Card Payment Chargeback Opened", -1, "suspended"),
    ]
    assert [(each.item, each.status) for each in good.grants] == [("sword", good.state)]
    assert cheap
    assert [(each.handler, each.error) for each in cheap.dead_letters] == [("fulfilment", "PriceMismatch")]
    assert new
    assert (new.state, new.refunded_cents, [each.state for each in new.events]) == (None, 0, ["pending"])


def test_an_event_that_its_model_no_longer_fits_is_told_with_why(engine: Engine) -> None:
    take_in(engine, delivery())
    with engine.begin() as connection:
        body = delivery(data__subtotal=None)["body"]
        # As an earlier version has left it, which read no facts.
        connection.execute(update(events).values(body=body, facts=None, facts_version=None))
        before = story(connection)
    run(engine, ["pay"])
    with engine.connect() as connection:
        after = story(connection)
    assert before
    assert after
    assert [each.payment_state for each in before.events] == ["refused"]
    assert [each.reason for each in after.notes] == ["refused", "unreadable"]


def test_an_event_of_another_merchant_is_told_without_a_payment_state(engine: Engine) -> None:
    take_in(engine, delivery(data__merchantId="other"), merchant_ids=["acme"])
    with engine.connect() as connection:
        told = story(connection)
    assert told
    assert [each.payment_state for each in told.events] == [None]


def test_a_wallet_has_its_items_and_one_that_was_granted_nothing_is_empty(engine: Engine) -> None:
    take_in(engine, delivery())
    run(engine, ["pay"])
    item = WalletItem(item="sword", quantity=1, status="granted", payment_id="pay")
    with engine.connect() as connection:
        assert wallet_of(connection, "alice") == Wallet(wallet="alice", items=(item,))
        assert wallet_of(connection, "bob") == Wallet(wallet="bob", items=())


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (LetterFilter(), [1, 2]),
        (LetterFilter(limit=1), [2]),
        (LetterFilter(ids=["1", "b1"]), [1]),
        (LetterFilter(ids=["b1", "0", "-1", "9" * 30]), []),
        (LetterFilter(error="KeyError"), [2]),
        (LetterFilter(event_type="Refund"), [2]),
        (LetterFilter(states=[RunState.DISCARDED]), []),
        (LetterFilter(since=NOON, until=datetime.max.replace(tzinfo=UTC)), [1, 2]),
        (LetterFilter(until=NOON), []),
    ],
)
def test_letters_are_listed_by_what_is_meant(
    engine: Engine, chosen: LetterFilter, expected: list[int]
) -> None:
    take_in(engine, delivery(), delivery(event_type="Refund"))
    with engine.begin() as connection:
        order = {each.event_type: each.id for each in list_events(connection, EventFilter())}
        for event_type, error in (("Settled", ValueError("bad")), ("Refund", KeyError("worse"))):
            give_up(connection, [order[event_type]], "fulfilment", error, attempts=2)
        assert [each.id for each in list_letters(connection, chosen)] == expected


def test_a_letter_is_told_with_its_history(engine: Engine) -> None:
    take_in(engine, delivery())
    with engine.begin() as connection:
        for error in (ValueError("first"), KeyError("second")):
            give_up(connection, [1], "fulfilment", error, attempts=2)
        story = letter_story(connection, 1)
        assert letter_story(connection, 2) is None
    assert story
    assert (story.error, story.attempts, story.state) == ("KeyError", 4, "dead")
    assert [(each.error, each.tries) for each in story.history] == [("ValueError", 2), ("KeyError", 2)]
    assert "second" in story.traceback


def test_subscriptions_are_listed_by_wallet(engine: Engine) -> None:
    take_in(engine, delivery(event_type="Subscription Created"))
    with engine.connect() as connection:
        (listed,) = list_subscriptions(connection, SubscriptionFilter())
        assert listed.wallet
        assert list_subscriptions(connection, SubscriptionFilter(wallet=listed.wallet)) == (listed,)
        assert list_subscriptions(connection, replace(SubscriptionFilter(), wallet="nobody")) == ()
    assert (listed.state, listed.event_id) == ("active", 1)


ADDRESS = "0xAbCdEf0123456789aBcDeF0123456789AbCdEf01"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"wallet": "alice"}, ["one", "two"]),
        ({"wallet": ADDRESS.lower()}, ["chain"]),
        ({"wallet": "nobody"}, []),
        ({"cents": 1}, ["two"]),
        ({"cents": 500}, ["one", "chain"]),
        ({"since": "2026-11-02"}, ["two", "chain"]),
        ({"until": "2026-11-02"}, ["one"]),
        ({"since": "2026-11-02", "until": "2026-11-03"}, ["two"]),
        ({"wallet": "alice", "since": "2026-11-02"}, ["two"]),
        ({"wallet": "alice", "state": "granted"}, ["one"]),
        ({"limit": 1}, ["chain"]),
    ],
)
def test_payments_are_listed_by_what_is_known_of_them(
    engine: Engine, options: dict[str, object], found: list[str]
) -> None:
    address: dict[str, Any] = {"data__customerId": ADDRESS, "data__rawCustomerId": ADDRESS}
    bought = {
        "one": delivery("one"),
        "two": delivery("two", data__subtotal__cents=1),
        "chain": delivery("chain", **address),
    }
    for day, (name, each) in enumerate(bought.items(), 1):
        run(engine, take_in(engine, each))
        changed = update(payments).where(payments.c.id == name)
        with engine.begin() as connection:
            connection.execute(changed.values(updated_at=datetime(2026, 11, day, tzinfo=UTC)))
    typed = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    assert [each["payment_id"] for each in read("payments", "list", *typed)] == found
    if not options.keys() & {"state", "limit"}:
        asking = [each["payment_id"] for each in read("payments", "list", "--attention", *typed)]
        assert asking == [name for name in found if name == "two"]
