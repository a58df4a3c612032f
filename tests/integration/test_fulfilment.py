"""Intake and fulfilment against real databases."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tasks.errors import PriceListUnusable
from tasks.store.runs import FULFILMENT, discard, reopen
from tasks.store.schema import dead_letters, events, grants, handler_runs, ledger_entries, payments
from tests.integration.pipeline import count, delivery, reprice, run, states, take_in


def test_a_copy_is_stored_once_and_routed_only_while_unfinished(engine: Engine) -> None:
    event = delivery()
    assert take_in(engine, event, event) == {"pay"}
    assert take_in(engine, event) == {"pay"}
    run(engine, ["pay"])
    assert take_in(engine, event) == set()
    assert count(engine, events) == 1
    assert states(engine) == ["done"]


def test_a_copy_in_another_spelling_is_the_same_event(engine: Engine) -> None:
    event = delivery()
    turned = {"body": json.dumps(dict(reversed(json.loads(event["body"]).items())), indent=3)}
    take_in(engine, event)
    take_in(engine, {**event, "body": turned["body"]})
    assert count(engine, events) == 1


def test_fulfilment_run_again_moves_nothing(engine: Engine) -> None:
    take_in(engine, delivery())
    for _ in range(3):
        run(engine, ["pay"])
    assert (count(engine, grants), count(engine, ledger_entries)) == (1, 1)


def test_settled_twice_under_one_payment_id_is_one_grant(engine: Engine) -> None:
    take_in(engine, delivery(created="2026-09-01T10:00:00Z"), delivery(created="2026-09-01T10:00:05Z"))
    run(engine, ["pay"])
    assert (count(engine, events), count(engine, grants), count(engine, ledger_entries)) == (2, 1, 1)
    assert states(engine) == ["done", "done"]


def test_a_permanent_error_fails_no_neighbour(engine: Engine) -> None:
    take_in(engine, delivery("good"), delivery("bad", data__subtotal__cents=1), delivery("fine"))
    run(engine, ["bad", "fine", "good"])
    with engine.connect() as connection:
        assert set(connection.execute(select(grants.c.payment_id)).scalars()) == {"good", "fine"}
        letter = connection.execute(select(dead_letters)).one()
    assert (letter.error, letter.attempts) == ("PriceMismatch", 1)
    assert "500" in letter.message


def test_a_dead_letter_that_succeeds_later_is_gone(engine: Engine) -> None:
    take_in(engine, delivery(data__subtotal__cents=700))
    run(engine, ["pay"])
    assert states(engine) == ["dead"]
    reprice(engine, 700)
    with engine.begin() as connection:
        reopen(connection, [(1, FULFILMENT)])
    run(engine, ["pay"])
    assert states(engine) == ["done"]
    assert (count(engine, grants), count(engine, dead_letters)) == (1, 0)


@pytest.mark.parametrize("later", [False, True], ids=["alone", "with a later event"])
def test_what_an_operator_discarded_is_not_granted_by_another_event(engine: Engine, *, later: bool) -> None:
    take_in(engine, delivery(data__subtotal__cents=700))
    run(engine, ["pay"])
    with engine.begin() as connection:
        discard(connection, 1, FULFILMENT)
    if later:
        take_in(engine, delivery(event_type="Disbursed Funds"))
    reprice(engine, 700)
    run(engine, ["pay"])
    assert states(engine) == ["discarded", *(["done"] if later else [])]
    assert count(engine, grants) == 0


def test_an_event_without_a_payment_id_is_a_dead_letter_that_names_the_field(engine: Engine) -> None:
    assert take_in(engine, delivery(data__id=None)) == set()
    with engine.connect() as connection:
        letter = connection.execute(select(dead_letters)).one()
    assert letter.error == "PayloadInvalid"
    assert "data.id" in letter.message
    assert states(engine) == ["dead"]


def test_an_unknown_event_type_is_stored_without_a_handler(engine: Engine) -> None:
    assert take_in(engine, delivery(event_type="Some Future Event")) == set()
    assert (count(engine, events), count(engine, handler_runs)) == (1, 0)


def test_names_that_no_column_could_hold_are_stored_all_the_same(engine: Engine) -> None:
    odd = delivery(event_type="\0" + "x" * 10_000, created="\0", data__id="\0" * 5_000)
    take_in(engine, odd, delivery(data__id="y" * 10_000), delivery(data__id="\0"))
    assert count(engine, events) == 3
    assert states(engine) == ["dead", "dead"]


def test_a_price_that_changed_later_takes_nothing_back(engine: Engine) -> None:
    take_in(engine, delivery(created="2026-09-01T10:00:00Z"))
    run(engine, ["pay"])
    take_in(engine, delivery(created="2026-09-01T10:00:05Z"))
    reprice(engine, 900)
    run(engine, ["pay"])
    assert states(engine) == ["done", "done"]
    assert count(engine, grants) == 1


def test_many_workers_at_once_grant_once_per_payment(engine: Engine) -> None:
    payment_ids = [f"pay-{number}" for number in range(8)]
    deliveries = [delivery(payment_id) for payment_id in payment_ids]

    def work(turn: int) -> None:
        # Each worker has the lists in an order of its own, as redelivered groups have.
        ordered = deliveries[turn % 8 :] + deliveries[: turn % 8]
        take_in(engine, *ordered)
        run(engine, payment_ids[:: 1 if turn % 2 else -1])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert (count(engine, events), count(engine, grants), count(engine, ledger_entries)) == (8, 8, 8)
    assert set(states(engine)) == {"done"}


def price_list_ids(engine: Engine) -> list[int | None]:
    with engine.connect() as connection:
        return list(connection.execute(select(payments.c.price_list_id).order_by(payments.c.id)).scalars())


def test_a_payment_names_the_list_by_which_its_price_was_checked(engine: Engine) -> None:
    take_in(engine, delivery("a"), delivery("b", event_type="Card Payment Authorized"))
    run(engine, ["a", "b"])
    assert price_list_ids(engine) == [1, None]
    # What was granted is not checked again, so the list that it was granted by stays.
    reprice(engine, 700)
    take_in(engine, delivery("a", event_type="Disbursed Funds"), delivery("b"))
    run(engine, ["a", "b"])
    assert price_list_ids(engine) == [1, 2]


@pytest.mark.parametrize(
    "changes", [{"data__subtotal__cents": 1}, {"data__webhookInfo": {"item": "excalibur"}}]
)
def test_a_refusal_names_the_list_that_it_was_made_by(engine: Engine, changes: dict[str, Any]) -> None:
    accepted = reprice(engine, 700)
    take_in(engine, delivery(**changes))
    run(engine, ["pay"])
    with engine.connect() as connection:
        message = connection.execute(select(dead_letters.c.message)).scalar_one()
        assert connection.execute(select(payments.c.decision)).scalar_one() == "refused"
    assert message.endswith(
        f" Decided by price list {accepted.content_hash[:8]}, accepted {accepted.accepted_at:%F %T} UTC."
    )
    assert price_list_ids(engine) == [2]


def test_without_any_list_only_what_needs_no_price_is_fulfilled(migrated: Engine) -> None:
    take_in(migrated, delivery("authorized", event_type="Card Payment Authorized"), delivery("paid"))
    run(migrated, ["authorized"])
    with pytest.raises(PriceListUnusable, match="coinflowctl catalog apply"):
        run(migrated, ["paid"])
    assert sorted(states(migrated)) == ["done", "pending"]
    reprice(migrated, 500)
    run(migrated, ["paid"])
    assert states(migrated) == ["done", "done"]
