import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.coinflow.event_types import Family
from tasks.coinflow.payloads import (
    Chargeback,
    CryptoPayin,
    Refund,
    Rfi,
    Settled,
    Unreadable,
    parse,
    payment_id_of,
)

MINIMAL: dict[str, Any] = {"id": "pay_1", "subtotal": {"cents": 500}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
#: The merchant's ids hold no separator; Coinflow puts it between its id for the merchant and theirs.
PLAIN = st.text().map(str.strip).filter(lambda text: text and "\u02ac" not in text)


def _settled(**fields: Any) -> Settled:
    payload, _ = parse(Family.SETTLED, MINIMAL | fields)
    assert isinstance(payload, Settled)
    return payload


def _misfits(**fields: Any) -> tuple[str, ...]:
    return parse(Family.SETTLED, MINIMAL | fields)[1]


def _refund(**fields: Any) -> Refund:
    totals = {"subtotal": {"cents": 250}}
    payload, _ = parse(Family.REFUND, {"paymentId": "pay_1", "totals": totals} | fields)
    assert isinstance(payload, Refund)
    return payload


def _dispute(**fields: Any) -> Chargeback:
    payload, _ = parse(Family.CHARGEBACK, {"id": "pay_1"} | fields)
    assert isinstance(payload, Chargeback)
    return payload


def _faults(family: Family, data: dict[str, Any]) -> list[tuple[int | str, ...]]:
    with pytest.raises(ValidationError) as caught:
        parse(family, data)
    return [fault["loc"] for fault in caught.value.errors()]


def test_a_settlement_needs_its_id_and_its_price_only() -> None:
    assert _settled().subtotal.cents == 500
    assert _faults(Family.SETTLED, {}) == [("id",), ("subtotal",)]


@pytest.mark.parametrize("payment_id", ["", "  ", None, 7.0, True, ["pay_1"]])
def test_a_payment_id_names_something(payment_id: Any) -> None:
    assert _faults(Family.SETTLED, MINIMAL | {"id": payment_id}) == [("id",)]
    assert payment_id_of(Family.SETTLED, {"id": payment_id}) is None


@pytest.mark.parametrize(("sent", "read"), [("pay_1", "pay_1"), (" pay_1\n", "pay_1"), (7, "7"), (0, "0")])
def test_a_payment_id_is_a_text_or_a_whole_number(sent: Any, read: str) -> None:
    assert _settled(id=sent).id == payment_id_of(Family.SETTLED, {"id": sent}) == read


@pytest.mark.parametrize(
    "cents", ["five", "5.00", "+5", "-5", "", True, 1.5, None, -1, -1.0, [5], 10**15 + 1]
)
def test_a_price_is_a_whole_number_of_cents(cents: Any) -> None:
    assert _faults(Family.SETTLED, MINIMAL | {"subtotal": {"cents": cents}}) == [("subtotal", "cents")]


@pytest.mark.parametrize("cents", [500, 500.0, 499.9999999, "500", " 0500 "])
def test_cents_may_be_spelled_as_a_float_or_a_text(cents: Any) -> None:
    price = _settled(subtotal={"cents": cents}).subtotal.cents
    assert (type(price), price) == (int, 500)


def test_a_fee_may_be_a_credit() -> None:
    assert _settled(fxFees={"cents": -3}).fx_fees is not None
    assert _misfits(fxFees={"cents": -3}) == ()


@pytest.mark.parametrize("fee", [25, {"cents": 0.4}, {"cents": 1, "currency": 7}, {}, "", [], [{}]])
def test_a_fee_that_is_no_amount_is_left_out(fee: Any) -> None:
    assert _settled(gasFees=fee).gas_fees is None
    assert _misfits(gasFees=fee) == ("gasFees",)


def test_what_is_left_out_is_named_in_the_models_order() -> None:
    sent = {"reserve": 25, "subscription": "gold", "last4": 4242, "merchantId": {}, "velocityHold": []}
    assert _misfits(**sent) == ("merchantId", "subscription", "last4", "velocityHold", "reserve")


def test_what_is_left_out_may_lie_deeper() -> None:
    totals = {"subtotal": {"cents": 1}, "rate": "1", "resolution": {"cents": -1}, "total": {"cents": 5}}
    _, misfits = parse(Family.REFUND, {"paymentId": "p", "totals": totals, "cardToken": 7})
    assert misfits == ("totals.resolution", "totals.rate", "cardToken")


@pytest.mark.parametrize(
    ("sent", "read"), [("EUR", "EUR"), (" eur ", "EUR"), ("", None), (" ", None), (None, None)]
)
def test_a_currency_may_be_named(sent: str | None, read: str | None) -> None:
    assert _settled(subtotal={"cents": 1, "currency": sent}).subtotal.currency == read
    assert _settled().subtotal.currency is None


@pytest.mark.parametrize("currency", [7, True, [], {}, "\0", "X" * 201])
def test_what_pays_in_an_unreadable_currency_is_refused(currency: Any) -> None:
    amount = {"cents": 1, "currency": currency}
    assert _faults(Family.SETTLED, MINIMAL | {"subtotal": amount}) == [("subtotal", "currency")]
    assert _faults(Family.CRYPTO_PAYIN, {"paymentId": "p", "amount": amount}) == [("amount", "currency")]
    refund = {"paymentId": "p", "totals": {"subtotal": amount}}
    assert _faults(Family.REFUND, refund) == [("totals", "subtotal", "currency")]


def test_optional_fields_may_be_null() -> None:
    nothing = {"signature": None, "fees": None, "customerId": None, "velocityHold": None, "last4": None}
    assert _settled(**nothing).model_dump(exclude_unset=True, by_alias=True) == {
        "id": "pay_1",
        "subtotal": {"cents": 500},
        **nothing,
    }


@given(
    family=st.sampled_from(list(Family)),
    extra=st.dictionaries(st.from_regex(r"new[A-Z]\w*", fullmatch=True), JSON),
)
def test_fields_that_coinflow_adds_are_kept(family: Family, extra: dict[str, Any]) -> None:
    needed = {
        "id": "p",
        "paymentId": "p",
        "subscriptionId": "s",
        "subtotal": {"cents": 1},
        "amount": {"cents": 1},
    }
    payload, misfits = parse(family, {**needed, "totals": {"subtotal": {"cents": 1}}, **extra})
    assert not misfits
    dumped = payload.model_dump(by_alias=True)
    assert {name: dumped[name] for name in extra} == extra


@given(JSON)
def test_no_webhook_info_is_refused(info: Any) -> None:
    held = _settled(webhookInfo=info).webhook_info
    if not isinstance(info, str):
        assert held == info


@given(st.dictionaries(st.text(), JSON))
def test_a_string_with_a_json_object_becomes_the_object(info: dict[str, Any]) -> None:
    once = json.dumps(info)
    assert _settled(webhookInfo=once).webhook_info == info
    assert _settled(webhookInfo=json.dumps(once)).webhook_info == info


@pytest.mark.parametrize(
    "info", ["", "sword", "[]", "5", "null", '"sword"', '"[]"', "{", "[" * 100_000, "\ud800", None]
)
def test_any_other_webhook_info_is_kept_as_it_is(info: str | None) -> None:
    assert _settled(webhookInfo=info).webhook_info == info


def test_webhook_info_may_be_missing() -> None:
    assert _settled().webhook_info is None


@given(merchant=st.text(), customer=PLAIN, field=st.sampled_from(["wallet", "customerId", "rawCustomerId"]))
def test_both_forms_of_a_customers_id_give_the_plain_one(merchant: str, customer: str, field: str) -> None:
    assert _settled(**{field: customer}).customer_id == customer
    assert _settled(**{field: f"{merchant}\u02ac{customer}"}).customer_id == customer


@pytest.mark.parametrize(
    ("fields", "customer"),
    [
        ({"wallet": "w", "customerId": "c", "rawCustomerId": "r"}, "r"),
        ({"wallet": "w", "customerId": "c"}, "c"),
        ({"wallet": "w", "customerId": "", "rawCustomerId": "acme\u02ac"}, "w"),
        ({"wallet": "w", "customerId": " ", "rawCustomerId": "acme\u02ac "}, "w"),
        ({"wallet": "w", "customerId": ["c"], "rawCustomerId": 7.5}, "w"),
        ({"wallet": " w\n"}, "w"),
        ({"customerId": "acme \u02ac c "}, "c"),
        ({"customerId": 17}, "17"),
        ({"wallet": ""}, None),
        ({"wallet": True}, None),
        ({}, None),
    ],
)
def test_the_rawest_id_of_a_customer_wins(fields: dict[str, Any], customer: str | None) -> None:
    assert _settled(**fields).customer_id == customer
    assert Unreadable.model_validate(fields).customer_id == customer


@pytest.mark.parametrize(
    ("sent", "read", "misfits"),
    [
        ("acme", "acme", ()),
        (" acme ", "acme", ()),
        (17, "17", ()),
        ("", None, ()),
        (None, None, ()),
        (True, None, ("merchantId",)),
        (17.5, None, ("merchantId",)),
        (["acme"], None, ("merchantId",)),
    ],
)
def test_a_merchant_that_cannot_be_read_is_told_from_none(
    sent: Any, read: str | None, misfits: tuple[str, ...]
) -> None:
    assert _settled(merchantId=sent).merchant_id == read
    assert _misfits(merchantId=sent) == misfits


@given(st.dictionaries(st.sampled_from(["wallet", "customerId", "merchantId", "webhookInfo", "id"]), JSON))
def test_anything_can_be_read_as_unreadable(data: dict[str, Any]) -> None:
    remains = Unreadable.model_validate(data)
    assert remains.customer_id is None or remains.customer_id.strip()


def test_a_field_cannot_pass_for_another() -> None:
    forged = _settled(wallet="w", customer_id="thief", customer="thief", webhook_info={"item": "crown"})
    assert forged.customer_id == "w"
    assert forged.webhook_info is None


def test_a_refund_states_how_much() -> None:
    assert _refund().totals.subtotal.cents == 250
    assert _faults(Family.REFUND, {"paymentId": "pay_1"}) == [("totals",)]


def test_a_refund_may_say_more() -> None:
    totals = {"subtotal": {"cents": 250}, "resolution": {"cents": "230", "currency": "eur"}}
    resolution = _refund(totals=totals).totals.resolution
    assert resolution is not None
    assert (resolution.cents, resolution.currency) == (230, "EUR")


@pytest.mark.parametrize(
    ("sent", "read"), [("r", "r"), (7, "7"), (" ", None), (None, None), ([], None), (1.5, None)]
)
def test_a_refund_may_have_an_id(sent: Any, read: str | None) -> None:
    assert _refund(refundId=sent).refund_id == read


@pytest.mark.parametrize("status", [7, True, [], {}])
def test_a_refunds_status_is_a_text(status: Any) -> None:
    assert [_refund(status=each).status for each in ("Settled", "", None)] == ["Settled", "", None]
    refund = {"paymentId": "pay_1", "totals": {"subtotal": {"cents": 250}}, "status": status}
    assert _faults(Family.REFUND, refund) == [("status",)]


@pytest.mark.parametrize(("sent", "read"), [("c", "c"), (7, "7"), (" ", None), (None, None)])
def test_a_dispute_may_have_an_id(sent: Any, read: str | None) -> None:
    assert _dispute(chargebackId=sent).chargeback_id == read


@pytest.mark.parametrize("chargeback_id", [{}, [], True, 1.5])
def test_a_dispute_that_cannot_be_told_from_others_is_refused(chargeback_id: Any) -> None:
    assert _faults(Family.CHARGEBACK, {"id": "p", "chargebackId": chargeback_id}) == [("chargebackId",)]


def test_a_dispute_needs_neither_reason_nor_date_nor_amount() -> None:
    dispute = _dispute(reasonCode=[], respondByDate=7, reasonDescription={}, subtotal={"cents": "-5"})
    assert dispute.reason_code is dispute.respond_by_date is dispute.reason_description is None
    assert dispute.subtotal is None
    assert _dispute(reasonCode=104).reason_code == "104"


def test_a_crypto_payin_states_its_payment_and_amount() -> None:
    payin, _ = parse(Family.CRYPTO_PAYIN, {"paymentId": "p", "amount": {"cents": 5}, "customerId": "c"})
    assert isinstance(payin, CryptoPayin)
    assert (payin.payment_id, payin.amount.cents, payin.customer_id) == ("p", 5, "c")


@pytest.mark.parametrize(
    ("family", "payment_id"),
    [
        *((family, "id") for family in ("purchase", "declined", "settled", "chargeback", "disbursed")),
        *((family, "paymentId") for family in ("refund", "reserve", "crypto_payin", "rfi")),
        *((family, None) for family in ("crypto_deposit", "limit", "config", "subscription", "kyc")),
        *((family, None) for family in ("kyb", "marketplace", "withdraw")),
    ],
)
def test_the_field_that_names_the_payment(family: str, payment_id: str | None) -> None:
    assert payment_id_of(Family(family), {"id": "id", "paymentId": "paymentId"}) == payment_id


def test_a_payment_of_a_transfer_may_be_unnamed_but_not_unreadable() -> None:
    for unnamed in (None, "", " "):
        rfi, misfits = parse(Family.RFI, {"paymentId": unnamed})
        assert isinstance(rfi, Rfi)
        assert (rfi.payment_id, misfits) == (None, ())
    assert _faults(Family.RFI, {"paymentId": []}) == [("paymentId",)]


def test_a_repr_identifies_no_card_or_unknown_field() -> None:
    text = repr(
        _settled(
            last4="secret",
            bin="secret",
            cardToken="secret",
            email="secret",
            card_token="secret",
            settlementTotals="secret",
            presentmentTotals="secret",
        )
    )
    assert "pay_1" in text
    assert "secret" not in text


def test_an_error_shows_nothing_of_what_was_sent() -> None:
    with pytest.raises(ValidationError) as caught:
        parse(Family.SETTLED, MINIMAL | {"subtotal": {"cents": "secret"}, "last4": ["secret"]})
    assert "secret" not in str(caught.value)


def test_a_payload_is_frozen() -> None:
    with pytest.raises(ValidationError):
        _settled().id = "pay_2"  # type: ignore[misc]
