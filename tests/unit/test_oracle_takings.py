"""The model, held to examples by hand: money that goes back by refunds and disputes."""

from typing import Any

import pytest

from tests.told import (
    LOST,
    OPENED,
    PAYIN,
    PENDING,
    THREE_POTIONS,
    THREE_SWORDS,
    TWO_CROWNS,
    WON,
    dispute,
    end,
    money,
    paid,
    refund,
    short,
)


class TestRefunds:
    def test_one_refund_speaks_several_times(self) -> None:
        words = [refund("Refund", 200, **PENDING), refund("Refund", 200), refund("Refund Complete", 200)]
        assert [end("Settled", *words[:count]).refunded_cents for count in range(4)] == [0, 0, 200, 200]
        assert short("Settled", *words) == "granted partly_refunded"

    def test_those_that_reach_the_price_revoke(self) -> None:
        assert short("Settled", refund("Refund", 200), refund("Refund", 299)) == "granted partly_refunded"
        assert short("Settled", refund("Refund", 200), refund("Refund", 300)) == "revoked"
        assert end(refund("Refund", 500), THREE_SWORDS, refund("Refund", 1000)).quantity == 3

    @pytest.mark.parametrize("name", ["Refund Failure", "Refund Returned"])
    def test_an_undone_one_restores(self, name: str) -> None:
        assert short("Settled", refund("Refund", 500), refund(name, 500)) == "granted"
        assert short("Settled", refund("Refund", 500), refund("Refund", 500, status="failed")) == "granted"

    def test_a_new_try_counts(self) -> None:
        assert short("Settled", refund("Refund Failure", 500), refund("Refund", 500)) == "revoked"

    def test_at_one_moment_the_life_cycle_decides(self) -> None:
        words = [refund("Refund Failure", 500), refund("Refund", 500), refund("Refund Complete", 500)]
        assert short("Settled", *words, at=[0, 1, 1, 1]) == "granted"

    def test_a_copy_with_a_field_more_is_no_second_refund(self) -> None:
        """Case 05: half the price, the copy with an id."""
        half = [refund("Refund", 250), refund("Refund", 250, refundId="rf_1")]
        assert short("Settled", *half, at=[0, 1, 1]) == "granted partly_refunded"

    def test_told_twice_it_is_one_and_noted_where_two_would_matter(self) -> None:
        assert short("Settled", refund("Refund", 200), refund("Refund", 200)) == "granted partly_refunded"
        assert short("Settled", *[refund("Refund", 250)] * 2) == "granted partly_refunded retold"
        assert end(THREE_POTIONS, *[refund("Refund", 100)] * 2).notes == {"partly_refunded", "retold"}

    def test_with_ids_they_are_as_many_as_ids(self) -> None:
        two = [refund("Refund", 250, refundId="1"), refund("Refund", 250, refundId="2")]
        assert short("Settled", *two) == "revoked"
        assert short("Settled", two[0], two[0]) == "granted partly_refunded"

    def test_the_latest_telling_of_one_with_an_id_is_its_other_reading(self) -> None:
        done, failed = (refund(name, 500, refundId="1") for name in ("Refund Complete", "Refund Failure"))
        assert short("Settled", done, failed, done) == "granted retold"
        assert short("Settled", done, failed, done, failed) == "granted"

    def test_words_without_an_id_join_the_earliest_with_one(self) -> None:
        with_id, without = refund("Refund", 250, refundId="1"), refund("Refund Complete", 250)
        assert short("Settled", with_id, without) == "granted partly_refunded retold"
        assert short("Settled", with_id, refund("Refund", 250, **PENDING)) == "granted partly_refunded"
        later = refund("Refund", 250, refundId="2", status="Pending")
        assert end("Settled", with_id, later, refund("Refund Failure", 250)).refunded_cents == 0

    def test_its_cents_are_those_of_its_last_completing_word(self) -> None:
        words = [refund("Refund", 300, refundId="1"), refund("Refund Complete", 200, refundId="1")]
        assert end("Settled", *words).refunded_cents == 200

    def test_the_buyers_currency(self) -> None:
        """Cases 03 and 04."""
        own = ("Settled", {"subtotal": money(500)})
        assert short(own, refund("Refund Complete", 460, "EUR", money(500))) == "revoked"
        assert end("Settled", refund("Refund Complete", 8000, "IDR", money(50))).refunded_cents == 50
        assert end("Settled", refund("Refund Complete", 8000, None, money(50))).refunded_cents == 50
        assert end("Settled", refund("Refund Complete", 50, None, money(7, "IDR"))).refunded_cents == 50
        assert end("Settled", refund("Refund Complete", 200, "USD", money(50, "USD"))).refunded_cents == 200
        assert short("Settled", refund("Refund Complete", 8000, "IDR")) == "granted refund_currency"

    def test_what_names_no_currency_is_in_the_payments(self) -> None:
        assert end(TWO_CROWNS, refund("Refund", 900, None)).usable == 1
        assert end(TWO_CROWNS, refund("Refund", 900)).notes == {"refund_currency"}
        assert end(TWO_CROWNS, dispute(LOST, 900)).usable == 1
        assert end(TWO_CROWNS, (LOST, {"subtotal": money(900)})).state == "revoked"

    def test_one_of_three_goes_back(self) -> None:
        """Case 16, by an item of which units go back with their money."""
        assert end(THREE_POTIONS, refund("Refund Complete", 100)).usable == 2
        assert end(THREE_POTIONS, refund("Refund Complete", 199)).usable == 2
        assert end(THREE_SWORDS, refund("Refund Complete", 500)).usable == 3


class TestDisputes:
    def test_the_last_of_won_and_lost_decides(self) -> None:
        """Case 08: lost, then won."""
        assert short("Settled", OPENED) == "suspended dispute"
        assert short("Settled", OPENED, WON) == "granted"
        assert short("Settled", WON, OPENED) == "granted"
        assert short("Settled", OPENED, LOST) == "revoked"
        assert short("Settled", OPENED, LOST, WON) == "granted"
        assert short("Settled", OPENED, WON, LOST) == "revoked"

    def test_each_by_its_id(self) -> None:
        assert short("Settled", OPENED, (OPENED, {"chargebackId": "2"}), WON) == "suspended dispute"
        assert short("Settled", (OPENED, {"chargebackId": None}), WON) == "suspended dispute"
        assert short("Settled", "ACH Chargeback", WON) == "granted"

    def test_another_opened_after_a_won_opens_it_again(self) -> None:
        first, second = dispute(OPENED, by="2026-10-20"), dispute(OPENED, by="2026-11-20")
        assert short("Settled", first, WON, second) == "suspended dispute"
        assert short("Settled", first, second, WON) == "granted"
        assert short("Settled", first, WON, (OPENED, first[1] | {"reasonCode": 13})) == "suspended dispute"

    def test_the_same_opened_after_a_won_is_noted(self) -> None:
        assert short("Settled", OPENED, WON, OPENED) == "granted retold"
        assert short("Settled", OPENED, OPENED, WON) == "granted"

    def test_won_and_lost_told_again_are_noted(self) -> None:
        assert short("Settled", LOST, WON, LOST) == "granted retold"
        assert short("Settled", WON, LOST, WON) == "revoked retold"
        assert short("Settled", LOST, WON, WON) == "granted"

    def test_one_of_three_is_lost(self) -> None:
        """Case 21."""
        assert end(THREE_POTIONS, dispute(LOST, 100)).usable == 2
        assert end(THREE_POTIONS, dispute(LOST, 150)).state == "revoked"
        assert short(THREE_SWORDS, dispute(LOST, 150)) == "granted partly_refunded"
        assert end(THREE_SWORDS, dispute(LOST, 150)).usable == 3
        assert short(paid(), dispute(LOST, 150)) == "revoked"

    @pytest.mark.parametrize(
        "amount", [{"cents": 0}, {"cents": 300}, {"cents": 301}, money(100, "IDR"), None, "x"]
    )
    def test_any_other_amount_is_the_whole(self, amount: Any) -> None:
        assert end(THREE_POTIONS, (LOST, {"subtotal": amount})).state == "revoked"

    def test_what_was_lost_and_what_was_refunded_add_up(self) -> None:
        assert end(THREE_POTIONS, dispute(LOST, 100), refund("Refund", 100)).usable == 1
        assert end(THREE_POTIONS, dispute(LOST, 100), refund("Refund", 200)).state == "revoked"
        two = [dispute(LOST, 600), dispute(LOST, 600, chargebackId="2")]
        assert end(THREE_SWORDS, *two).state == "granted"
        assert end(THREE_SWORDS, *two, refund("Refund", 300)).state == "revoked"

    def test_a_bank_that_returns_takes_the_whole(self) -> None:
        assert short("Settled", "ACH Returned") == "revoked"
        assert short(PAYIN, "ACH Returned", (OPENED, {"webhookInfo": None})).startswith("revoked")

    def test_an_underpayment_holds_back_until_settled(self) -> None:
        assert short("Crypto Underpayment", PAYIN) == "suspended underpaid"
        assert short("Crypto Underpayment", PAYIN, "Settled") == "granted underpaid"
        assert short("Crypto Overpayment", PAYIN) == "granted overpaid"

    def test_nothing_that_pays_is_suspended(self) -> None:
        assert short(paid(501), OPENED) == "refused dispute refused"
        assert short(paid(501), LOST) == "revoked"
        assert end(paid(501), LOST).status is None
