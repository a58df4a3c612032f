from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.coinflow.currencies import CURRENCIES
from tasks.coinflow.event_types import Family
from tasks.coinflow.paid_currency import named_currency
from tasks.coinflow.payloads import Paid, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["subtotal", "cents", "currency"]), inner)
    ),
    max_leaves=8,
)


def _paid(family: Family = Family.SETTLED, currency: str | None = None, **totals: Any) -> Paid:
    price = {"cents": 500, "currency": currency}
    paid, _ = parse(family, {"id": "p", "paymentId": "p", "subtotal": price, "amount": price, **totals})
    assert isinstance(paid, Paid)
    return paid


def test_money_that_people_pay_with_is_a_currency() -> None:
    assert {
        "USD",
        "EUR",
        "GBP",
        "JPY",
        "IDR",
        "BRL",
        "XAF",
        "XOF",
        "XPF",
        "XCD",
        "XCG",
        "ZWG",
        "SLE",
    } <= CURRENCIES
    assert len(CURRENCIES) == 155
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)


def test_metals_funds_tokens_and_former_money_are_none() -> None:
    assert not {"XAU", "XAG", "XDR", "XSU", "XUA", "XAD", "XXX", "XTS"} & CURRENCIES
    assert not {"CLF", "CHE", "USN", "BOV", "UYW", "USDC", "SOL", "BTC", "HRK", "BGN"} & CURRENCIES


@pytest.mark.parametrize(
    "totals",
    [
        {"subtotal": {"cents": 500, "currency": "IDR"}},
        {"subtotal": {"cents": 500.0, "currency": " idr "}},
        {"subtotal": {"cents": "500"}, "currency": "IDR"},
        {"subtotal": 500, "currency": "IDR"},
        {"subtotal": {"cents": 500, "currency": ""}, "currency": "IDR"},
    ],
)
def test_totals_of_the_same_cents_name_the_currency(totals: dict[str, Any]) -> None:
    assert named_currency(_paid(settlementTotals=totals)) == "IDR"
    assert named_currency(_paid(presentmentTotals=totals)) == "IDR"


@pytest.mark.parametrize(
    "totals",
    [
        *(None, "IDR", 500, [], {}, {"subtotal": None}, {"subtotal": 500}, {"currency": "IDR"}),
        {"subtotal": {"cents": 499, "currency": "IDR"}},
        {"subtotal": {"cents": True, "currency": "IDR"}},
        {"subtotal": {"cents": 500, "currency": "USDC"}},
        {"subtotal": {"cents": 500, "currency": "USDC"}, "currency": "USD"},
        {"subtotal": {"cents": 500, "currency": ["IDR"]}},
        {"total": {"cents": 500, "currency": "IDR"}},
        {"amount": {"cents": 500, "currency": "IDR"}},
    ],
)
def test_no_other_totals_name_it(totals: Any) -> None:
    assert named_currency(_paid(settlementTotals=totals, presentmentTotals=totals)) is None


def test_the_price_speaks_first_and_the_settlement_second() -> None:
    euros, rupiah = ({"subtotal": {"cents": 500, "currency": code}} for code in ("EUR", "IDR"))
    assert named_currency(_paid(currency="usd", settlementTotals=euros)) == "USD"
    assert named_currency(_paid(settlementTotals=euros, presentmentTotals=rupiah)) == "EUR"
    token = {"subtotal": {"cents": 500, "currency": "USDC"}}
    assert named_currency(_paid(settlementTotals=token, presentmentTotals=rupiah)) == "IDR"


def test_the_price_of_a_payin_is_its_amount() -> None:
    paid = _paid(Family.CRYPTO_PAYIN, settlementTotals={"amount": {"cents": 500, "currency": "EUR"}})
    assert named_currency(paid) == "EUR"


@given(settlement=JSON, presentment=JSON)
def test_any_totals_can_be_read(settlement: Any, presentment: Any) -> None:
    paid = _paid(settlementTotals=settlement, presentmentTotals=presentment)
    assert named_currency(paid) in {None, *CURRENCIES}
