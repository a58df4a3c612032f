"""What asks for a person: each thing with its reason, what must be answered soonest first."""

from typing import Any

import pytest
from sqlalchemy import Engine, text

from tasks.payments.note import NoteReason
from tasks.store.views.attention import AttentionLine, list_attention
from tasks.store.views.payments import PaymentFilter
from tests.integration.commands import ctl, read
from tests.integration.pipeline import delivery, run, take_in

PAYIN = {"event_type": "Crypto Payin Funds Received"}
OPENED = {"event_type": "Card Payment Chargeback Opened"}
REFUND = {"event_type": "Refund"}
OVERPAYMENT = {"event_type": "Crypto Overpayment"}


def totals(cents: int, currency: str = "USD") -> dict[str, Any]:
    return {"data__totals": {"subtotal": {"cents": cents, "currency": currency}}}


#: The events of a payment, and the reasons for which it is then listed.
ASKING: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "paid": ([{}], []),
    "only authorized": ([{"event_type": "Card Payment Authorized"}], []),
    "too cheap": ([{"data__subtotal__cents": 1}], ["refused"]),
    "no item": ([PAYIN], ["unmatched"]),
    "unreadable": ([{}, {**OPENED, "data__chargebackId": []}], ["unreadable"]),
    "unreadable, unpaid": ([{**OPENED, "data__chargebackId": []}], ["unreadable"]),
    "disputed, unpaid": ([OPENED], ["unpaid"]),
    "refunded, unpaid": ([REFUND], ["unpaid"]),
    "returned, unpaid": ([{"event_type": "ACH Returned"}], ["unpaid"]),
    "won, unpaid": ([{"event_type": "Card Payment Chargeback Won"}], ["unpaid"]),
    "disbursed, unpaid": ([{"event_type": "Disbursed Funds"}], ["disbursed"]),
    "disbursed": ([{}, {"event_type": "Disbursed Funds"}], []),
    "disputed": ([{}, OPENED], ["dispute"]),
    "part of it": ([{}, {**REFUND, **totals(1)}], ["partly_refunded"]),
    "the whole": ([{}, REFUND], []),
    "pesos": ([{}, {**REFUND, **totals(9_000, "MXN")}], ["refund_currency"]),
    "told again": (
        [{}, {**REFUND, **totals(300)}, {**REFUND, **totals(300), "created": "2026-12-01T00:00:00Z"}],
        ["retold", "partly_refunded"],
    ),
    "too much": ([PAYIN, OVERPAYMENT], ["overpaid"]),
    "too much, told twice": ([PAYIN, OVERPAYMENT, {**OVERPAYMENT, "created": "1"}], ["overpaid"]),
    "too little": ([{}, {"event_type": "Crypto Underpayment"}], ["underpaid"]),
    "two amounts": (
        [{}, {"event_type": "USDC Payment Received", "data__subtotal__cents": 499}],
        ["amounts_differ"],
    ),
    "much at once": (
        [{}, OPENED, {**OPENED, "data__chargebackId": "another"}, {**REFUND, **totals(1)}, OVERPAYMENT],
        ["dispute", "partly_refunded", "overpaid"],
    ),
}


def come(engine: Engine, payment_id: str, *events: dict[str, Any]) -> None:
    take_in(engine, *(delivery(payment_id, **event) for event in events))
    run(engine, [payment_id])


def listed(engine: Engine, limit: int = 100) -> list[AttentionLine]:
    with engine.connect() as connection:
        return list(list_attention(connection, PaymentFilter(limit=limit)))


def reasons(engine: Engine) -> list[tuple[str, str]]:
    return [(line.payment_id, line.reason) for line in listed(engine)]


def test_what_asks_for_a_person_is_listed_with_each_reason_once(engine: Engine) -> None:
    for name, (events, _) in ASKING.items():
        come(engine, name, *events)
    found = reasons(engine)
    for name, (_, expected) in ASKING.items():
        assert (name, [reason for each, reason in found if each == name]) == (name, expected)
    covered = {reason for _, reason in found} | {NoteReason.ORDER_PAID_TWICE, NoteReason.DISCARDED}
    assert covered == set(NoteReason)
    assert all(line.message for line in listed(engine))


def test_what_must_be_answered_soonest_comes_first(engine: Engine) -> None:
    come(engine, "cheap", {"data__subtotal__cents": 1})
    dates = {
        "late": "2026-12-20T00:00:00Z",
        "soon": "2026-12-01T00:00:00Z",
        # An earlier instant than the one above, although its text is a later one.
        "sooner": "2026-12-01T01:00:00+02:00",
        "someday": "in two weeks",
        "never": None,
    }
    for name, date in dates.items():
        come(engine, name, {}, {**OPENED, "data__respondByDate": date})
    # A payment that nobody has paid, as far as is known, is answered all the same.
    come(engine, "unpaid", {**OPENED, "data__respondByDate": "2026-11-28T00:00:00Z"})
    lines = listed(engine)
    assert [line.payment_id for line in lines] == [
        "unpaid",
        "sooner",
        "soon",
        "late",
        "cheap",
        "someday",
        "never",
    ]
    assert [line.respond_by_date for line in lines] == [
        "2026-11-28T00:00:00+00:00",
        "2026-11-30T23:00:00+00:00",
        "2026-12-01T00:00:00+00:00",
        "2026-12-20T00:00:00+00:00",
        None,
        "in two weeks",
        None,
    ]


def test_of_several_open_disputes_the_soonest_date_is_told(engine: Engine) -> None:
    for number, date in enumerate(("2026-12-20T00:00:00Z", "2026-12-02T00:00:00Z", "2026-12-09T00:00:00Z")):
        come(engine, "pay", {}, {**OPENED, "data__chargebackId": number, "data__respondByDate": date})
    (line,) = listed(engine)
    assert line.respond_by_date == "2026-12-02T00:00:00+00:00"


def test_of_an_open_dispute_the_newest_date_is_told(engine: Engine) -> None:
    """The bank has given more time, or less."""
    come(engine, "pay", {}, {**OPENED, "data__respondByDate": "2026-12-02T00:00:00Z"})
    later = {"created": "2026-11-20T00:00:00Z", "data__respondByDate": "2026-12-09T00:00:00Z"}
    come(engine, "pay", {**OPENED, **later})
    (line,) = listed(engine)
    assert line.respond_by_date == "2026-12-09T00:00:00+00:00"


def ordered(created: str, **changes: Any) -> dict[str, Any]:
    return {"created": created, "data__webhookInfo": {"item": "sword", "orderId": "basket"}, **changes}


@pytest.mark.parametrize("arrival", [("one", "two"), ("two", "one")])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2026-09-01T10:00:00Z", "2026-09-01T10:00:01Z"),
        ("2026-09-01T10:00:00+02:00", "2026-09-01T09:00:00Z"),
        # At the same moment, or at none that can be read, the ids decide.
        ("2026-09-01T10:00:00Z", "2026-09-01T10:00:00Z"),
        ("yesterday", "today"),
        ("2026-09-01T10:00:00Z", "today"),
    ],
)
def test_the_payment_that_paid_an_order_again_is_listed(
    engine: Engine, first: str, second: str, arrival: tuple[str, ...]
) -> None:
    created = {"one": first, "two": second}
    for payment_id in arrival:
        come(engine, payment_id, ordered(created[payment_id]))
    (line,) = listed(engine)
    assert (line.payment_id, line.reason, line.state) == ("two", "order_paid_twice", "granted")
    assert line.message == "Order basket was paid before: payment one."


def test_an_order_that_was_paid_three_times_is_listed_twice(engine: Engine) -> None:
    for number in (2, 3, 1):
        come(engine, f"pay-{number}", ordered(f"2026-09-01T10:00:0{number}Z"))
    assert reasons(engine) == [("pay-2", "order_paid_twice"), ("pay-3", "order_paid_twice")]


def test_an_order_whose_first_payment_has_gone_back_is_paid_once(engine: Engine) -> None:
    come(engine, "one", ordered("2026-09-01T10:00:00Z"))
    come(engine, "two", ordered("2026-09-01T10:00:01Z"))
    come(engine, "one", REFUND)
    assert reasons(engine) == []


def test_an_order_that_was_tried_before_and_not_paid_is_paid_once(engine: Engine) -> None:
    come(engine, "one", ordered("2026-09-01T10:00:00Z", event_type="Card Payment Declined"))
    come(engine, "two", ordered("2026-09-01T10:00:01Z"))
    assert reasons(engine) == []


@pytest.mark.parametrize("order_id", [None, "", " ", [], {"id": 1}, True])
def test_what_names_no_order_is_no_order(engine: Engine, order_id: object) -> None:
    info = {"item": "sword", "orderId": order_id}
    for payment_id in ("one", "two"):
        come(engine, payment_id, {"data__webhookInfo": info})
    assert reasons(engine) == []


def test_the_payments_of_a_subscription_are_of_one_order(engine: Engine) -> None:
    subscription = {"data__subscription": {"_id": "sub-1"}}
    for number in range(3):
        come(engine, f"pay-{number}", ordered(f"2026-0{number + 1}-01T10:00:00Z", **subscription))
    assert reasons(engine) == []
    # A refund names the order, and no subscription.
    part = {**REFUND, **totals(1), "data__webhookInfo": {"orderId": "basket"}}
    come(engine, "pay-1", part)
    come(engine, "pay-2", part)
    assert sorted(reasons(engine)) == [("pay-1", "partly_refunded"), ("pay-2", "partly_refunded")]


def test_what_an_earlier_release_has_refused_or_not_matched_is_listed(engine: Engine) -> None:
    come(engine, "cheap", {"data__subtotal__cents": 1})
    come(engine, "unmatched", PAYIN)
    come(engine, "paid", {})
    with engine.begin() as connection:
        forget = "UPDATE payments SET verdicts = NULL, notes = NULL, paid_at = NULL, order_id = NULL"
        connection.execute(text(forget))
    lines = {line.payment_id: line for line in listed(engine)}
    assert {name: line.reason for name, line in lines.items()} == {
        "cheap": "refused",
        "unmatched": "unmatched",
    }
    assert "An earlier release" in lines["cheap"].message
    run(engine, list(lines))
    assert {line.payment_id: line.reason for line in listed(engine)} == {
        "cheap": "refused",
        "unmatched": "unmatched",
    }
    assert "An earlier release" not in listed(engine)[0].message


def test_what_an_operator_has_discarded_is_not_listed(engine: Engine) -> None:
    come(engine, "pay", {"data__subtotal__cents": 1})
    ctl("dead-letters", "discard", "1", "--yes")
    assert reasons(engine) == []
    come(engine, "pay", {"event_type": "Disbursed Funds"})
    assert reasons(engine) == []


def test_so_many_payments_are_listed_as_are_asked_for(engine: Engine) -> None:
    for number in range(3):
        date = {"data__respondByDate": f"2026-12-0{number + 1}T00:00:00Z"}
        come(engine, f"pay-{number}", {}, {**OPENED, **date}, {**REFUND, **totals(1)})
    assert {line.payment_id for line in listed(engine, 2)} == {"pay-0", "pay-1"}
    assert len(listed(engine, 2)) == 4
    as_json = read("payments", "list", "--attention", "--limit", "1")
    assert [(each["payment_id"], each["reason"]) for each in as_json] == [
        ("pay-0", "dispute"),
        ("pay-0", "partly_refunded"),
    ]
    table = ctl("payments", "list", "--attention").output
    assert "Payments that ask for a person" in table
    assert ctl("payments", "list", "--attention", "--state", "granted").exit_code == 2
