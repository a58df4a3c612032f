"""An offer is priced once: what was paid stays paid, and what was refused waits for a person."""

import itertools
import json
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from tasks.coinflow.event import read_packet
from tasks.store import operations
from tasks.store.actions import Operator
from tasks.store.price_lists import accept
from tasks.store.schema import dead_letters, grants, payments
from tests.integration.commands import read
from tests.integration.pipeline import delivery, reprice, run, states, take_in

pytestmark = pytest.mark.long

ADA = Operator("ada", "by phone")
PAYIN = {"event_type": "Crypto Payin Funds Received"}
OPENED = {"event_type": "Card Payment Chargeback Opened"}
WON = {"event_type": "Card Payment Chargeback Won"}


def come(engine: Engine, *events: dict[str, Any], payment_id: str = "pay") -> None:
    """Let events come, and a settled purchase where none is given; fulfil the payment."""
    take_in(engine, *(delivery(payment_id, **event) for event in events or ({},)))
    run(engine, [payment_id])


def sell(engine: Engine, cents: int, **terms: str) -> None:
    """Put a list of swords alone in force."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in terms.items()]
    content = "\n".join(["[items.sword]", f"price = {{ cents = {cents} }}", *lines])
    with engine.begin() as connection:
        assert accept(connection, content, "a test")


def replay(engine: Engine) -> None:
    """Do as `coinflowctl dead-letters replay --all` and a worker do."""
    with engine.begin() as connection:
        letter_ids = connection.execute(select(dead_letters.c.id)).scalars().all()
        assert operations.replay(connection, ADA, letter_ids)
    run(engine, ["pay"])


def discard(engine: Engine) -> None:
    with engine.begin() as connection:
        letter_ids = connection.execute(select(dead_letters.c.id)).scalars().all()
        assert operations.discard(connection, ADA, letter_ids, "USD")


def state(engine: Engine) -> str:
    with engine.connect() as connection:
        return str(connection.execute(select(payments.c.decision)).scalar_one())


def held(engine: Engine) -> list[tuple[str, int, str]]:
    with engine.connect() as connection:
        query = select(grants.c.item, grants.c.quantity, grants.c.status).order_by(grants.c.item)
        return [(row.item, row.quantity, row.status) for row in connection.execute(query)]


def letters(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(dead_letters.c.error)).scalars())


def verdicts() -> Any:
    return read("payments", "show", "pay")["verdicts"]


def key(**changes: Any) -> str:
    return read_packet(delivery(**changes)["body"]).key


def copy(*, comes_before: bool) -> dict[str, Any]:
    """Return what nobody reads of a copy whose key stands before or after the purchase's."""
    copies = ({"data__last4": str(number)} for number in range(1000, 9999))
    return next(each for each in copies if (key(data__subtotal__cents=700, **each) < CHEAP) == comes_before)


CHEAP = key(data__subtotal__cents=700)


@pytest.mark.parametrize("comes_before", [True, False])
@pytest.mark.parametrize("by", ["replay", "word"])
def test_what_was_refused_is_priced_again_for_a_person_alone(
    engine: Engine, by: str, *, comes_before: bool
) -> None:
    paid = {"data__subtotal__cents": 700}
    come(engine, paid)
    reprice(engine, 700)
    for event in (
        paid,
        {**paid, **copy(comes_before=comes_before)},
        {"event_type": "Disbursed Funds"},
        OPENED,
    ):
        come(engine, event)
        assert (state(engine), held(engine)) == ("refused", [])
        assert letters(engine) == ["PriceMismatch"]
    assert [(each["error"], each["price_list_id"]) for each in verdicts()] == [("PriceMismatch", 1)]
    come(engine, WON)
    if by == "replay":
        replay(engine)
    else:
        read("payments", "resolve", "pay", "--wallet", "alice", "--reason", "the list was mended")
    assert held(engine) == [("sword", 1, "granted")]
    assert [(each["error"], each["price_list_id"]) for each in verdicts()] == [(None, 2)]
    assert (letters(engine), set(states(engine))) == ([], {"done"})


def test_a_replay_without_a_mended_list_is_the_same_letter(engine: Engine) -> None:
    come(engine, {"data__subtotal__cents": 700})
    replay(engine)
    assert (state(engine), letters(engine), states(engine)) == ("refused", ["PriceMismatch"], ["dead"])


def test_what_was_refused_for_an_item_that_the_list_lacks_waits_for_it(engine: Engine) -> None:
    sold = {"data__webhookInfo": {"item": "bow"}, "data__subtotal__cents": 300}
    come(engine, sold)
    assert letters(engine) == ["ItemUnknown"]
    with engine.begin() as connection:
        accept(connection, "[items.bow]\nprice = { cents = 300 }\n", "a test")
    come(engine, {"event_type": "Disbursed Funds"})
    assert (state(engine), letters(engine)) == ("refused", ["ItemUnknown"])
    replay(engine)
    assert held(engine) == [("bow", 1, "granted")]


#: What can come of a payment after it was paid, and what is then held of it.
LATER: dict[str, tuple[list[dict[str, Any]], tuple[str, int, str]]] = {
    "a copy": ([{"data__last4": "1111"}], ("sword", 1, "granted")),
    "told anew": ([{"created": "2026-12-01T00:00:00Z"}], ("sword", 1, "granted")),
    "disbursed": ([{"event_type": "Disbursed Funds"}], ("sword", 1, "granted")),
    "disputed": ([OPENED], ("sword", 1, "suspended")),
    "disputed and won": ([OPENED, WON], ("sword", 1, "granted")),
    "refunded": ([{"event_type": "Refund"}], ("sword", 1, "revoked")),
    "named otherwise": (
        [{"event_type": "Card Payment Authorized", "data__webhookInfo": {"item": "shield"}}],
        ("sword", 1, "granted"),
    ),
}
#: What becomes of the price list meanwhile.
EDITS = {
    "dearer": "[items.sword]\nprice = { cents = 900 }\n",
    "another currency": '[items.sword]\nprice = { cents = 500, currency = "EUR" }\n',
    "sold no more": "[items.shield]\nprice = { cents = 500 }\n",
    "nothing is sold": "[items]\n",
}


@pytest.mark.parametrize("former", [False, True], ids=["", "granted by the former release"])
@pytest.mark.parametrize("edit", EDITS.values(), ids=list(EDITS))
def test_what_was_paid_stays_paid_whatever_becomes_of_the_list(
    engine: Engine, edit: str, *, former: bool
) -> None:
    for name in LATER:
        come(engine, payment_id=name)
    if former:
        with engine.begin() as connection:
            forget = "verdicts = NULL, notes = NULL, order_id = NULL, paid_at = NULL"
            connection.execute(text(f"UPDATE payments SET {forget}"))
    with engine.begin() as connection:
        accept(connection, edit, "a test")
    for name, (events, expected) in LATER.items():
        for event in events:
            come(engine, event, payment_id=name)
        story = read("payments", "show", name)
        assert [(each["item"], each["quantity"], each["status"]) for each in story["grants"]] == [expected]
        assert (name, story["state"], story["dead_letters"]) == (name, expected[2], [])
        # Once more, now that there is a verdict.
        come(engine, {"event_type": "Reserve Released"}, payment_id=name)
        assert read("payments", "show", name)["state"] == expected[2]
        assert story["verdicts"][0]["error"] is None


@pytest.mark.parametrize(
    ("before", "after", "left"), [("keep", "proportional", 3), ("proportional", "keep", 2)]
)
def test_a_past_sale_keeps_its_rule_of_what_goes_back(
    engine: Engine, before: str, after: str, left: int
) -> None:
    sell(engine, 500, refund=before)
    three = {"data__webhookInfo": {"item": "sword", "quantity": 3}, "data__subtotal__cents": 1500}
    come(engine, three)
    sell(engine, 500, refund=after)
    come(engine, {"event_type": "Refund"})
    assert held(engine) == [("sword", left, "granted")]
    # The next sale has the new one.
    come(engine, three, {"event_type": "Refund"}, payment_id="next")
    assert read("payments", "show", "next")["grants"][0]["quantity"] == 5 - left


def test_a_sale_of_the_former_release_keeps_what_it_knew_of_refunds(engine: Engine) -> None:
    three = {"data__webhookInfo": {"item": "sword", "quantity": 3}, "data__subtotal__cents": 1500}
    come(engine, three)
    with engine.begin() as connection:
        connection.execute(text("UPDATE payments SET verdicts = NULL, notes = NULL"))
    sell(engine, 400, refund="proportional")
    come(engine, {"event_type": "Refund"})
    assert held(engine) == [("sword", 3, "granted")]


@pytest.mark.parametrize(("former", "new", "state_then"), [(500, 900, "refused"), (900, 500, "granted")])
def test_the_list_counts_that_is_in_force_when_payment_and_name_are_first_known(
    engine: Engine, former: int, new: int, state_then: str
) -> None:
    reprice(engine, former)
    come(engine, PAYIN)
    assert state(engine) == "unmatched"
    reprice(engine, new)
    come(engine, {"event_type": "Crypto Overpayment"})
    assert state(engine) == state_then
    reprice(engine, former)
    come(engine, {"event_type": "Disbursed Funds"})
    assert state(engine) == state_then


def test_every_order_of_arrival_under_one_list_has_the_same_verdicts(engine: Engine) -> None:
    words = [
        PAYIN,
        {"event_type": "Crypto Overpayment", "created": "2026-09-01T09:00:00Z"},
        {"event_type": "Settled", "created": "2026-09-02T09:00:00Z"},
    ]
    ends = set()
    for number, order in enumerate(itertools.permutations(words)):
        for event in order:
            come(engine, event, payment_id=f"pay-{number}")
        story = read("payments", "show", f"pay-{number}")
        ends.add(json.dumps([story["state"], story["wallet"], story["cents"], story["grants"]]))
        assert all(each["error"] is None for each in story["verdicts"])
    assert len(ends) == 1


@pytest.mark.parametrize("comes_before", [True, False])
def test_what_is_discarded_is_priced_no_more_until_it_is_replayed(
    engine: Engine, *, comes_before: bool
) -> None:
    paid = {"data__subtotal__cents": 700}
    come(engine, paid)
    discard(engine)
    reprice(engine, 700)
    for event in (paid, {**paid, **copy(comes_before=comes_before)}, {"event_type": "Disbursed Funds"}):
        come(engine, event)
        assert (state(engine), held(engine)) == ("refused", [])
    assert states(engine) == ["discarded", "done", "done"]
    refused = read("payments", "resolve", "pay", "--accept-price", "--reason", "a mistake")
    assert (refused["state"], refused["refusal"]) == (
        "refused",
        "An operator has discarded what was paid for.",
    )
    replay(engine)
    assert held(engine) == [("sword", 1, "granted")]
    assert (letters(engine), set(states(engine))) == ([], {"done"})


def test_what_is_discarded_takes_nothing_back_from_what_was_granted(engine: Engine) -> None:
    come(engine)
    come(engine, {"data__subtotal__cents": 1, "created": "2026-08-01T00:00:00Z"})
    assert held(engine) == [("sword", 1, "granted")]
    assert (letters(engine), states(engine)) == ([], ["done", "done"])
