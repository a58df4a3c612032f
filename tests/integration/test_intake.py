"""What intake makes of events: it fulfils them, sets aside what does not fit, and notes subscriptions."""

import itertools
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.event import listens_for

from celeryconfig import INTAKE_TASK
from tasks.celery import Application
from tasks.pipeline.dispatch import FULFILMENT_TASK
from tasks.pipeline.intake import store
from tasks.store.price_lists import accept
from tasks.store.runs import INTAKE, MOST_BEGINNINGS
from tasks.store.schema import dead_letters, events, grants, handler_runs, payments, subscriptions
from tasks.worker.reliable_task import Held
from tests.integration.commands import read
from tests.integration.messages import redelivered, taken
from tests.integration.pipeline import count, delivery, run, states, take_in

pytestmark = pytest.mark.long


def set_aside(engine: Engine) -> list[str | None]:
    with engine.connect() as connection:
        return list(connection.execute(select(events.c.set_aside).order_by(events.c.id)).scalars())


def letters(engine: Engine) -> list[tuple[str, str, int]]:
    query = select(dead_letters.c.handler, dead_letters.c.message, dead_letters.c.attempts)
    with engine.connect() as connection:
        return [(row.handler, row.message, row.attempts) for row in connection.execute(query)]


def test_an_event_that_does_not_fit_is_stored_and_a_dead_letter_that_names_the_field(engine: Engine) -> None:
    take_in(engine, delivery(created="1"), delivery(event_type="Refund", data__totals__subtotal__cents="all"))
    assert set(set_aside(engine)) == {"invalid", None}
    ((handler, message, attempts),) = letters(engine)
    assert (handler, attempts) == (INTAKE, 1)
    assert message.startswith("data.totals.subtotal.cents: ")
    assert "all" not in message
    run(engine, ["pay"])
    assert count(engine, grants) == 1


def test_a_copy_of_a_dead_event_adds_nothing_to_its_letter(engine: Engine) -> None:
    unfit = delivery(data__subtotal__cents="five")
    assert take_in(engine, unfit, unfit) == {"pay"}
    run(engine, ["pay"])
    for _ in range(2):
        assert take_in(engine, unfit, unfit) == set()
    ((handler, _, attempts),) = letters(engine)
    assert (handler, attempts) == (INTAKE, 1)
    assert sorted(states(engine)) == ["dead", "done"]


def test_an_event_that_cannot_be_read_makes_its_payment_refused(engine: Engine) -> None:
    take_in(engine, delivery(data__subtotal__cents="five"))
    assert sorted(states(engine)) == ["dead", "pending"]
    run(engine, ["pay"])
    # Of intake alone: it is one fault.
    ((handler, _, _),) = letters(engine)
    with engine.connect() as connection:
        payment = connection.execute(select(payments)).one()
    assert (handler, payment.decision, payment.wallet, payment.cents) == (INTAKE, "refused", "alice", None)


def test_with_accepted_merchants_an_unreadable_one_grants_nothing_and_is_told(engine: Engine) -> None:
    take_in(engine, delivery(data__merchantId=["acme"]), merchant_ids=["acme"])
    run(engine, ["pay"])
    assert set_aside(engine) == ["foreign"]
    ((handler, message, _),) = letters(engine)
    assert (handler, message.partition(":")[0]) == (INTAKE, "data.merchantId")
    with engine.connect() as connection:
        assert connection.execute(select(payments.c.decision)).scalar_one() == "refused"
    assert count(engine, grants) == 0


def test_an_event_that_fits_by_now_counts_when_its_copy_comes(engine: Engine) -> None:
    event = delivery()
    take_in(engine, event)
    with engine.begin() as connection:
        # As an earlier release would have left it, whose models were stricter.
        connection.execute(update(events).values(set_aside="invalid"))
        connection.execute(update(handler_runs).values(handler=INTAKE, state="dead"))
    assert take_in(engine, event) == {"pay"}
    run(engine, ["pay"])
    assert set_aside(engine) == [None]
    assert states(engine) == ["done", "done"]
    assert count(engine, grants) == 1


def test_another_merchants_event_is_kept_and_grants_nothing(engine: Engine) -> None:
    theirs = delivery("theirs", data__merchantId="other")
    refund = delivery("theirs", event_type="Refund")
    assert take_in(engine, theirs, refund, delivery("ours"), merchant_ids=["acme"]) == {"ours", "theirs"}
    run(engine, ["ours", "theirs"])
    with engine.connect() as connection:
        assert list(connection.execute(select(grants.c.payment_id)).scalars()) == ["ours"]
    assert sorted(map(str, set_aside(engine))) == ["None", "None", "foreign"]
    assert letters(engine) == []


def test_a_merchant_that_is_accepted_later_counts_when_a_copy_comes_and_for_good(engine: Engine) -> None:
    event = delivery()
    assert take_in(engine, event, merchant_ids=["other"]) == set()
    assert take_in(engine, event, merchant_ids=["other", "acme"]) == {"pay"}
    run(engine, ["pay"])
    assert take_in(engine, event, merchant_ids=["other"]) == set()
    run(engine, ["pay"])
    assert set_aside(engine) == [None]
    with engine.connect() as connection:
        assert connection.execute(select(grants.c.status)).scalar_one() == "granted"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_subscriptions_state_is_what_was_said_last(engine: Engine, order: tuple[int, ...]) -> None:
    words = [
        ("Subscription Created", "2026-09-01T10:00:00Z", "active"),
        ("Subscription Failure", "2026-10-01T12:00:00+02:00", "failed"),
        ("Subscription Canceled", "2026-10-01T10:00:00Z", "canceled"),
    ]
    told = [delivery(event_type=name, created=created) for name, created, _ in words]
    for place in order:
        take_in(engine, told[place], told[place])
    with engine.connect() as connection:
        row = connection.execute(select(subscriptions)).one()
        said = connection.execute(select(events.c.event_type).where(events.c.id == row.event_id)).scalar_one()
    assert (row.id, row.state, row.wallet, said) == (
        "subscription_1",
        "canceled",
        "alice",
        "Subscription Canceled",
    )
    assert count(engine, handler_runs) == 0


def test_each_cycle_of_a_subscription_grants_again(engine: Engine) -> None:
    packet = {"subscription": {"_id": "sub_1", "status": "Active"}}
    take_in(engine, *[delivery(f"cycle-{number}", data__subscription=packet) for number in range(3)])
    run(engine, [f"cycle-{number}" for number in range(3)])
    assert count(engine, grants) == 3


def test_names_that_no_column_could_hold_are_kept_all_the_same(engine: Engine) -> None:
    odd = delivery(event_type="Subscription Created", data__planCode="\0" * 500, data__customerId="x" * 5_000)
    take_in(engine, odd)
    with engine.connect() as connection:
        row = connection.execute(select(subscriptions)).one()
        assert json.loads(connection.execute(select(events.c.body)).scalar_one())
    assert (len(row.plan_code), len(row.wallet)) == (200, 200)


def test_a_payment_is_fulfilled_where_its_events_are_stored(engine: Engine, app: Application) -> None:
    app.tasks[INTAKE_TASK]([delivery(), delivery("other")])
    assert count(engine, grants) == 2
    assert states(engine) == ["done", "done"]
    assert taken(app) == []


@pytest.fixture
def _euros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFAULT_CURRENCY", "EUR")


@pytest.mark.usefixtures("_euros")
def test_an_amount_that_names_no_currency_is_one_of_the_shops_own(engine: Engine, app: Application) -> None:
    with engine.begin() as connection:
        accept(connection, '[items.sword]\nprice = { cents = 500, currency = "EUR" }\n', "a test")
    dollars = delivery("dollars", data__subtotal={"cents": 500, "currency": "USD"})
    app.tasks[INTAKE_TASK]([delivery("euros"), delivery("cheap", data__subtotal__cents=1), dollars])
    read("payments", "resolve", "cheap", "--accept-price", "--reason", "a present")
    decided = {each: read("payments", "show", each) for each in ("euros", "cheap", "dollars")}
    assert {each: (story["state"], story["currency"]) for each, story in decided.items()} == {
        "euros": ("granted", "EUR"),
        "cheap": ("granted", "EUR"),
        "dollars": ("refused", "USD"),
    }


@pytest.mark.parametrize("error", [ConnectionError, ValueError, SoftTimeLimitExceeded])
def test_a_fulfilment_that_fails_becomes_a_task_of_its_own(
    engine: Engine, app: Application, error: type[Exception]
) -> None:
    @listens_for(app.collaborators.engine, "before_cursor_execute")
    def fail(*details: Any) -> None:
        if "INTO grants" in details[2]:
            raise error

    app.tasks[INTAKE_TASK]([delivery(), delivery("other")])
    assert taken(app) == [(FULFILMENT_TASK, ["other", "pay"])]
    assert states(engine) == ["pending", "pending"]


def test_what_was_cut_off_is_fulfilled_by_a_task_of_its_own(engine: Engine, app: Application) -> None:
    both = [delivery(), delivery("other")]
    with redelivered(app, INTAKE_TASK) as store_events:
        store_events(both)
        assert taken(app) == [(INTAKE_TASK, [each]) for each in both]
        store_events(both[:1])
    assert taken(app) == [(FULFILMENT_TASK, ["pay"])]
    assert count(engine, grants) == 0


def test_a_list_that_is_delivered_again_waits_while_the_broker_takes_nothing(
    app: Application, tmp_path: Path
) -> None:
    app.prepare()
    with redelivered(app, INTAKE_TASK) as store_events:
        assert taken(app) == []
        with closing(sqlite3.connect(tmp_path / "broker.sqlite3", isolation_level=None)) as full:
            full.execute("BEGIN IMMEDIATE")
            with pytest.raises(Held):
                store_events([delivery(), delivery("other")])
        store_events([delivery(), delivery("other")])
    assert len(taken(app)) == 2


def test_an_outage_after_a_redelivery_is_waited_out_however_long(engine: Engine, app: Application) -> None:
    @listens_for(app.collaborators.engine, "before_cursor_execute")
    def fail(*details: Any) -> None:
        if "INTO grants" in details[2]:
            raise ConnectionError

    with engine.begin() as connection:
        store(connection, [delivery()])
    with redelivered(app, FULFILMENT_TASK) as fulfil_payments:
        for _ in range(2 * MOST_BEGINNINGS):
            with pytest.raises(Held):
                fulfil_payments(["pay"])
    assert states(engine) == ["pending"]


def test_of_a_list_that_fails_each_event_is_tried_alone(engine: Engine, app: Application) -> None:
    @listens_for(app.collaborators.engine, "before_cursor_execute")
    def fail(*details: Any) -> None:
        if "INTO events" in details[2]:
            raise ValueError

    both = [delivery(), delivery("other")]
    app.tasks[INTAKE_TASK](both)
    assert taken(app) == [(INTAKE_TASK, [each]) for each in both]
    with pytest.raises(Held):
        app.tasks[INTAKE_TASK](both[:1])
    assert count(engine, events) == 0


def test_a_copy_of_what_came_before_its_type_was_known_is_fulfilled(engine: Engine, app: Application) -> None:
    with engine.begin() as connection:
        store(connection, [delivery()])
        # As it is stored where nobody knows the type.
        connection.execute(delete(handler_runs))
        connection.execute(update(events).values(payment_id=None, facts=None, facts_version=None))
    app.tasks[INTAKE_TASK]([delivery()])
    assert taken(app) == [(FULFILMENT_TASK, ["pay"])]
    app.tasks[FULFILMENT_TASK](["pay"])
    assert count(engine, grants) == 1
    assert count(engine, dead_letters) == 0


def test_an_event_that_brings_its_spans_context_is_taken_as_any_other_and_keeps_it(
    engine: Engine, app: Application
) -> None:
    context = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    both = [delivery() | {"traceparent": context}, delivery("other")]
    with redelivered(app, INTAKE_TASK) as store_events:
        store_events(both)
    assert taken(app) == [(INTAKE_TASK, [each]) for each in both]
    app.tasks[INTAKE_TASK](both)
    assert count(engine, grants) == 2
