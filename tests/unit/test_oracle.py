"""The model of the rules, held to examples of what persons say, and to lives of which the end is known."""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.any_life import any_life, bare_life, copies
from tests.lives import deliveries, live
from tests.oracle import PRICES, Resolution, ending
from tests.persons import resolutions
from tests.told import LOST, NOBODY, OPENED, PAYIN, USDC, WON, buys, dispute, end, packets, paid, refund


class TestPersons:
    def test_an_item_replaces_all_names(self) -> None:
        said = [Resolution("item", item="potion", quantity=5)]
        assert end("Settled", PAYIN, said=said).quantity == 5
        assert end(paid(501), said=said).why == "PriceMismatch"
        assert end("Settled", said=[*said, Resolution("item", item="sword")]).item == "sword"

    def test_a_wallet_goes_first(self) -> None:
        assert end("Settled", said=[Resolution("wallet", wallet="bob")]).wallet == "bob"
        assert end(("Settled", NOBODY), said=[Resolution("wallet", wallet="bob")]).state == "granted"

    def test_an_accepted_price_is_the_largest(self) -> None:
        said = [Resolution("accept_price")]
        found = end(paid(200, USDC), paid(300, USDC), said=said)
        assert (found.state, found.price_cents, *found.notes) == ("granted", 300, "amounts_differ")
        assert end(paid(501), refund("Refund", 501), said=said).state == "revoked"
        assert end(paid("5.00"), said=said).usable == 1
        assert end(paid(**buys("shield")), said=said).why == "ItemUnknown"

    @pytest.mark.parametrize("kind", ["item", "wallet", "accept_price", "restore"])
    def test_revoked_until_a_later_word(self, kind: Any) -> None:
        revoke, done = Resolution("revoke"), Resolution("done")
        later = Resolution(kind, item="sword", wallet="alice")
        assert end("Settled", said=[revoke, done]).state == "revoked"
        assert end("Settled", said=[revoke, later]).state == "granted"
        assert end("Settled", said=[later, revoke]).state == "revoked"

    @pytest.mark.parametrize("name", [LOST, OPENED, "ACH Returned"])
    def test_what_is_answered_does_not_count(self, name: str) -> None:
        known = packets("Settled", name)
        restore = [Resolution("restore", known=known)]
        assert ending(known, restore).usable == 1
        assert ending(packets("Settled", name, refund("Refund", 500)), restore).state == "revoked"
        assert end("Settled", name, said=[Resolution("restore", known=known[:1])]).usable == 0

    def test_a_refund_that_was_answered_counts_nothing_whatever_is_said_of_it_later(self) -> None:
        restore = [Resolution("restore", known=packets("Settled", refund("Refund", 500)))]
        found = end("Settled", refund("Refund", 500), refund("Refund Complete", 500), said=restore)
        assert (found.state, found.refunded_cents, *found.notes) == ("granted", 0)
        again = end("Settled", refund("Refund", 500), refund("Refund", 500), said=restore)
        assert (again.state, *again.notes) == ("granted", "retold")

    def test_an_answered_dispute_is_as_if_won_before(self) -> None:
        lost = packets("Settled", LOST)
        restore = [Resolution("restore", known=lost)]
        first, second = dispute(OPENED, by="2026-10-20"), dispute(OPENED, by="2026-11-20")
        assert end("Settled", LOST, first, said=restore).state == "granted"
        assert end("Settled", LOST, first, second, said=restore).state == "suspended"
        assert end("Settled", LOST, first, second, WON, said=restore).state == "granted"
        assert end("Settled", LOST, dispute(LOST, 400), said=restore).state == "revoked"

    def test_an_underpayment_may_be_answered(self) -> None:
        known = packets("Crypto Underpayment", PAYIN)
        assert ending(known, [Resolution("restore", known=known)]).state == "granted"

    def test_done_until_another_event_comes(self) -> None:
        known = packets(paid(501), "Crypto Overpayment")
        done = [Resolution("done", known=known)]
        assert ending(known, done).notes == set()
        assert ending(packets(paid(501), "Crypto Overpayment", OPENED), done).notes != set()
        assert ending([*known, known[0] | {"attempt": 2}], done).notes == {"refused", "overpaid"}


@given(seed=st.integers(0, 2**64))
def test_any_life_that_was_made_to_an_end_comes_to_it(seed: int) -> None:
    random = Random(seed)
    life = live(random, "pay", "alice")
    found = ending(deliveries(random, life.packets), prices={"sword": (500, "USD", False)})
    held = (found.quantity, found.status) if found.status else None
    assert (found.state, held, found.refunded_cents) == (life.decision, life.held, life.refunded_cents)
    assert found.wallet == (life.wallet if life.held else None)


@given(seed=st.integers(0, 2**64))
def test_order_and_copies_make_no_difference(seed: int) -> None:
    random = Random(seed)
    packets = any_life(random)
    said = resolutions(random, packets, PRICES)
    assert ending(deliveries(random, packets), said) == ending(packets, said)


@given(seed=st.integers(0, 2**64))
def test_copies_that_differ_make_no_other_end(seed: int) -> None:
    """What was restamped stands at its earliest time; at most a note says that it was told again."""
    random = Random(seed)
    life = bare_life(random)
    found = ending([*life, *copies(random, life)])
    assert replace(found, notes=found.notes - {"retold"}) == replace(
        ending(life), notes=ending(life).notes - {"retold"}
    )


def test_every_state_and_note_is_met_in_one_life_of_a_hundred() -> None:
    lives = [ending(any_life(Random(seed))) for seed in range(2000)]
    met = Counter(
        each for life in lives for each in [life.state, life.why, *(f"+{note}" for note in life.notes)]
    )
    states = "nothing unmatched granted suspended revoked refused"
    whys = "PriceMismatch ItemUnknown WalletInvalid PayloadInvalid QuantityInvalid ItemMissing"
    notes = "refused unmatched unreadable unpaid disbursed dispute partly_refunded refund_currency retold"
    more = "overpaid underpaid amounts_differ"
    expected = {*states.split(), *whys.split(), *(f"+{note}" for note in f"{notes} {more}".split())}
    assert {each for each in expected if met[each] < 20} == set()
    assert set(met) - {None} == expected
