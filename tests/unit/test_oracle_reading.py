"""The model, held to examples by hand: how events are read, and what was bought by what pays."""

from typing import Any

import pytest

from tests.oracle import Ending, ending, wallet_key
from tests.told import (
    LOST,
    NOBODY,
    OPENED,
    PAYIN,
    USDC,
    WON,
    Said,
    buys,
    end,
    money,
    packets,
    paid,
    refund,
    short,
)


class TestReading:
    @pytest.mark.parametrize("cents", [500, 500.0, 499.9999999, "500", " 500 ", "0500"])
    def test_cents_in_any_spelling_that_cannot_be_mistaken(self, cents: Any) -> None:
        assert short(paid(cents)) == "granted"

    @pytest.mark.parametrize(
        "cents",
        [None, True, "5.00", "+500", "-500", "\u0665\u0660\u0660", "0" * 14 + "500", -5, 500.5, [500]],
    )
    def test_any_other_spelling_of_what_pays_is_refused(self, cents: Any) -> None:
        assert short(paid(cents)) == "refused refused unreadable"

    @pytest.mark.parametrize("currency", [None, "", "USD", " usd "])
    def test_a_currency_is_trimmed_and_in_capitals(self, currency: str | None) -> None:
        assert short(("Settled", {"subtotal": money(500, currency)})) == "granted"

    def test_a_currency_that_is_no_text_is_unreadable(self) -> None:
        assert short(("Settled", {"subtotal": money(500, 840)})) == "refused refused unreadable"

    @pytest.mark.parametrize("quantity", [2, 2.0, "2", " 2 "])
    def test_a_quantity_as_text(self, quantity: Any) -> None:
        """Case 15."""
        assert end(paid(1000, **buys("sword", quantity))).usable == 2

    @pytest.mark.parametrize("quantity", [0, -1, 1.5, True, "two", 10**9 + 1])
    def test_a_quantity_that_is_none(self, quantity: Any) -> None:
        assert end(paid(500, **buys("sword", quantity))).why == "QuantityInvalid"

    def test_an_item_is_text_or_a_whole_number(self) -> None:
        assert end(paid(**buys(" sword "))).item == "sword"
        assert ending(packets(paid(webhookInfo={"item": 7})), prices={"7": (500, "USD", False)}).item == "7"

    @pytest.mark.parametrize("item", [True, {}, ["sword"], 1.5])
    def test_any_other_item_is_none(self, item: Any) -> None:
        assert end(paid(webhookInfo={"item": item})).why == "ItemMissing"

    @pytest.mark.parametrize("info", [None, {}, "sword", {"item": None}, {"item": ""}, {"item": " "}])
    def test_an_info_without_an_item_names_none(self, info: Any) -> None:
        assert short(paid(webhookInfo=info)) == "unmatched unmatched"

    def test_the_merchants_own_object_as_text(self) -> None:
        assert end(paid(webhookInfo=' {"item": "sword"} ')).item == "sword"
        assert short(paid(webhookInfo="sword")) == "unmatched unmatched"

    @pytest.mark.parametrize(
        "field",
        [
            {"reserve": 25},
            {"gasFees": 0},
            {"networkFees": 0},
            {"threeDsAuthenticationStatus": {"status": "Frictionless"}},
            {"subscription": "sub_1"},
            {"last4": 4242},
        ],
    )
    def test_a_field_that_no_rule_reads_may_be_anything(self, field: dict[str, Any]) -> None:
        """Cases 10a to 10f."""
        assert short(paid(**field)) == "granted"

    def test_a_refund_whose_rate_is_text(self) -> None:
        """Case 12."""
        (settled, gone) = packets("Settled", "Refund Complete")
        gone["data"]["totals"]["rate"] = "1"
        assert ending([settled, gone]).state == "revoked"

    def test_an_unreadable_event_counts_for_nothing_but_its_names(self) -> None:
        assert short("Settled", (LOST, {"chargebackId": ["cb"]})) == "granted unreadable"
        assert short("Settled", refund("Refund Complete", "all")) == "granted unreadable"
        assert short("Settled", refund("Refund", 500, status=1)) == "granted unreadable"
        assert short((LOST, {"chargebackId": {}})) == "nothing unreadable"
        assert end((PAYIN, NOBODY), (OPENED, {"chargebackId": []})).wallet == "alice"

    def test_a_status_without_regard_to_case(self) -> None:
        assert end("Settled", refund("Refund", 200, status="SETTLED")).refunded_cents == 200
        assert end("Settled", refund("Refund", 200, status=None)).refunded_cents == 0

    def test_ids_may_be_whole_numbers(self) -> None:
        same: list[Said] = [(OPENED, {"chargebackId": 7}), (WON, {"chargebackId": "7"})]
        assert short("Settled", *same) == "granted"
        assert ending([each | {"data": each["data"] | {"id": 7}} for each in packets("Settled")]).usable == 1
        assert (
            ending([each | {"data": each["data"] | {"id": 7.5}} for each in packets("Settled")]) == Ending()
        )

    @pytest.mark.parametrize("customer", ["alice", " alice ", "acme\u02acalice"])
    def test_a_customer_in_any_form(self, customer: str) -> None:
        assert end(("Settled", {"customerId": customer, "rawCustomerId": None})).wallet == "alice"


class TestCurrency:
    @pytest.mark.parametrize(
        ("totals", "expected"),
        [
            ({"presentmentTotals": {"subtotal": money(500, "IDR")}}, "IDR"),
            (
                {
                    "settlementTotals": {"subtotal": money(3)},
                    "presentmentTotals": {"subtotal": money(500, "IDR")},
                },
                "IDR",
            ),
            ({"settlementTotals": {"subtotal": money("500", "eur")}}, "EUR"),
            ({"settlementTotals": {"subtotal": 500, "currency": "EUR"}}, "EUR"),
            ({"settlementTotals": {"subtotal": {"cents": 500}, "currency": "EUR"}}, "EUR"),
            ({"settlementTotals": {"subtotal": money(500, "USDC")}}, "USD"),
            ({"settlementTotals": {"total": money(500, "EUR")}}, "USD"),
            ({"settlementTotals": [500], "presentmentTotals": "EUR"}, "USD"),
        ],
    )
    def test_the_totals_may_name_it(self, totals: dict[str, Any], expected: str) -> None:
        """Case 01: the same number of cents in a currency worth 1/16,000."""
        found = end(paid(**totals))
        assert (found.currency, found.usable) == (expected, int(expected == "USD"))

    def test_its_own_goes_first(self) -> None:
        totals = {"settlementTotals": {"subtotal": money(500, "EUR")}}
        assert end(("Settled", {"subtotal": money(500)} | totals)).usable == 1

    def test_a_payin_is_told_in_its_amount(self) -> None:
        totals = {"settlementTotals": {"amount": money(500, "EUR")}}
        assert end((PAYIN, totals), "Card Payment Authorized").currency == "EUR"


class TestPaying:
    @pytest.mark.parametrize("name", ["Card Payment Authorized", "ACH Success", "Credits Minted"])
    def test_nothing_else_pays(self, name: str) -> None:
        assert end(name) == Ending()

    def test_two_parts_are_not_added(self) -> None:
        """Case 09c."""
        assert short(paid(200, USDC), paid(300, USDC)) == "refused refused"

    def test_the_earliest_that_pays_is_granted(self) -> None:
        assert short(paid(200), paid(500, USDC)) == "granted amounts_differ"
        found = end(paid(300, USDC, **buys("potion", 3)), paid(500))
        assert (found.item, found.quantity, found.price_cents) == ("potion", 3, 300)

    def test_one_without_a_name_takes_every_other_name(self) -> None:
        words: list[Said] = ["Card Payment Authorized", ("Crypto Overpayment", buys("shield"))]
        assert end(PAYIN, *words).item == "sword"
        assert end(PAYIN, *reversed(words)).item == "sword"

    def test_its_own_name_is_the_only_one(self) -> None:
        assert end("Card Payment Authorized", paid(**buys("shield"))).why == "ItemUnknown"
        assert end("Card Payment Authorized", paid(webhookInfo={"item": []})).why == "ItemMissing"

    def test_refusals(self) -> None:
        assert end(paid(501)).why == "PriceMismatch"
        assert end(("Settled", NOBODY)).why == "WalletInvalid"
        assert end(("Settled", {"customerId": "x" * 201, "rawCustomerId": None})).why == "WalletInvalid"
        assert short(PAYIN) == "unmatched unmatched"

    def test_the_payers_own_customer_goes_first(self) -> None:
        bob = {"customerId": "bob"}
        assert end(("Card Payment Authorized", bob), "Settled").wallet == "alice"
        assert end(("Card Payment Authorized", bob), ("Settled", NOBODY)).wallet == "bob"

    def test_nothing_paid(self) -> None:
        """Case 22 and its neighbours."""
        assert short(OPENED) == "nothing unpaid"
        assert short(LOST) == "nothing unpaid"
        assert short("Refund") == "nothing unpaid"
        assert short("ACH Returned") == "nothing unpaid"
        assert short("Disbursed Funds") == "nothing disbursed"
        assert short("Crypto Overpayment", "Crypto Underpayment") == "nothing overpaid underpaid"

    def test_one_chain_address_in_two_spellings(self) -> None:
        """Case 18."""
        address = "0xAbCdEf0123456789aBcDeF0123456789AbCdEf01"
        assert wallet_key(f" {address} ") == address.lower()
        assert wallet_key("0xAB") == "0xAB"
        assert wallet_key("Ame\u0301lie") == "Am\u00e9lie"
