import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.coinflow.event_types import Family
from tasks.coinflow.payloads import CryptoPayin, Refund, Settled, parse, payment_id_of

MINIMAL: dict[str, Any] = {"id": "pay_1", "subtotal": {"cents": 500}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
#: The merchant's ids hold no separator; Coinflow puts it between its id for the merchant and theirs.
PLAIN = st.text(min_size=1).filter(lambda text: "\u02ac" not in text)


def _settled(**fields: Any) -> Settled:
    payload = parse(Family.SETTLED, MINIMAL | fields)
    assert isinstance(payload, Settled)
    return payload


def _faults(family: Family, data: dict[str, Any]) -> list[tuple[int | str, ...]]:
    with pytest.raises(ValidationError) as caught:
        parse(family, data)
    return [fault["loc"] for fault in caught.value.errors()]


def test_a_settlement_needs_its_id_and_its_price_only() -> None:
    assert _settled().subtotal.cents == 500
    assert _faults(Family.SETTLED, {}) == [("id",), ("subtotal",)]


@pytest.mark.parametrize("payment_id", ["", None, 7, True, ["pay_1"]])
def test_a_payment_id_is_a_non_empty_string(payment_id: Any) -> None:
    assert _faults(Family.SETTLED, MINIMAL | {"id": payment_id}) == [("id",)]
    assert payment_id_of(Family.SETTLED, {"id": payment_id}) is None


@pytest.mark.parametrize("cents", ["five", "5", True, 1.5, 5.0, None, -1, [5]])
def test_a_price_is_a_whole_number_of_cents(cents: Any) -> None:
    assert _faults(Family.SETTLED, MINIMAL | {"subtotal": {"cents": cents}}) == [("subtotal", "cents")]


def test_a_fee_may_be_a_credit() -> None:
    assert _settled(fxFees={"cents": -3}).fx_fees is not None
    assert _faults(Family.SETTLED, MINIMAL | {"fxFees": {"cents": "5"}}) == [("fxFees", "cents")]


def test_a_currency_may_be_named() -> None:
    assert _settled().subtotal.currency is None
    assert _settled(subtotal={"cents": 1, "currency": "EUR"}).subtotal.currency == "EUR"


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
    payload = parse(family, {**needed, "totals": {"subtotal": {"cents": 1}}, **extra})
    dumped = payload.model_dump(by_alias=True)
    assert {name: dumped[name] for name in extra} == extra


@given(JSON)
def test_no_webhook_info_is_refused(info: Any) -> None:
    held = _settled(webhookInfo=info).webhook_info
    if not isinstance(info, str):
        assert held == info


@given(st.dictionaries(st.text(), JSON))
def test_a_string_with_a_json_object_becomes_the_object(info: dict[str, Any]) -> None:
    assert _settled(webhookInfo=json.dumps(info)).webhook_info == info


@pytest.mark.parametrize("info", ["", "sword", "[]", "5", "null", '"{}"', "{", "[" * 100_000, "\ud800", None])
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
        ({"wallet": ""}, None),
        ({}, None),
    ],
)
def test_the_rawest_id_of_a_customer_wins(fields: dict[str, str], customer: str | None) -> None:
    assert _settled(**fields).customer_id == customer


def test_a_field_cannot_pass_for_another() -> None:
    forged = _settled(wallet="w", customer_id="thief", customer="thief", webhook_info={"item": "crown"})
    assert forged.customer_id == "w"
    assert forged.webhook_info is None


def test_a_refund_states_how_much() -> None:
    data = {"paymentId": "pay_1", "status": "Settled", "totals": {"subtotal": {"cents": 250}}}
    refund = parse(Family.REFUND, data)
    assert isinstance(refund, Refund)
    assert refund.totals.subtotal.cents == 250
    assert _faults(Family.REFUND, {"paymentId": "pay_1"}) == [("totals",)]


def test_a_crypto_payin_states_its_payment_and_amount() -> None:
    payin = parse(Family.CRYPTO_PAYIN, {"paymentId": "p", "amount": {"cents": 5}, "customerId": "c"})
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


def test_a_repr_identifies_no_card_or_unknown_field() -> None:
    text = repr(
        _settled(last4="secret", bin="secret", cardToken="secret", email="secret", card_token="secret")
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
