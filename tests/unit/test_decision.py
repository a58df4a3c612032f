"""The readings that `tasks.payments` chose, one by one; then any story in any order."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.coinflow.samples import sample, with_identity
from tasks.errors import ItemMissing, QuantityInvalid, WalletInvalid
from tasks.payments.decision import Decision, decide
from tasks.payments.note import NoteReason
from tasks.payments.offers import Offer, Ruling
from tasks.payments.purchase import Purchase
from tasks.payments.resolution import Resolution
from tasks.payments.states import ResolutionKind
from tasks.payments.story import Statement
from tests.rules import read, rulings

PAYIN, USDC = "Crypto Payin Funds Received", "USDC Payment Received"
OPENED, WON, LOST = (f"Card Payment Chargeback {word}" for word in ("Opened", "Won", "Lost"))
KEEP, PROPORTIONAL = (
    rulings(f'items.sword = {{ price.cents = 500, refund = "{refund}" }}\nitems.shield.price.cents = 750\n')
    for refund in ("keep", "proportional")
)
THREE = ("Settled", {"subtotal": {"cents": 1500}, "webhookInfo": {"item": "sword", "quantity": 3}})
NOBODY = {"customerId": None, "rawCustomerId": None}

Word = str | tuple[str, Mapping[str, Any]]


def story(*words: Word) -> list[Statement]:
    """Return events, a second apart in the order given, unless they say when."""
    events = []
    for number, word in enumerate(words):
        name, data = (word, {}) if isinstance(word, str) else word
        packet = sample(name)
        with_identity(packet, payment_id="pay", wallet="alice", item="sword", cents=500)
        moment = datetime(2026, 9, 1, tzinfo=UTC) + timedelta(seconds=data.get("at", number))
        packet["created"] = moment.isoformat()
        packet["data"].update({key: value for key, value in data.items() if key != "at"})
        events.append(read(packet))
    return events


def refund(
    name: str, cents: int, status: str = "Settled", currency: str = "USD", **data: Any
) -> tuple[str, dict[str, Any]]:
    totals = {"subtotal": {"cents": cents, "currency": currency}, "resolution": data.pop("resolution", None)}
    return (name, {"totals": totals, "status": status, **data})


def dispute(name: str, chargeback_id: str | None = "1", **data: Any) -> tuple[str, dict[str, Any]]:
    return (name, {"chargebackId": chargeback_id, **data})


def decided(*words: Word, by: Callable[[Offer], Ruling] = KEEP, said: Sequence[Resolution] = ()) -> Decision:
    return decide(story(*words), by, said)


def status(*words: Word, said: Sequence[Resolution] = ()) -> str:
    return decided(*words, said=said).status


def left(*words: Word, by: Callable[[Offer], Ruling] = PROPORTIONAL) -> tuple[str, int]:
    decision = decided(*words, by=by)
    assert decision.purchase
    units = decision.purchase.items if decision.status == "revoked" else decision.left
    return decision.status, units["sword"]


def refunded(*words: Word) -> int:
    return decided("Settled", *words).refunded_cents


def reasons(decision: Decision) -> Collection[str]:
    return [note.reason for note in decision.notes]


class TestPaying:
    def test_nothing_has_come(self) -> None:
        assert decided() == Decision()

    @pytest.mark.parametrize("event_type", ["Settled", USDC])
    def test_a_paying_event_grants_what_it_names(self, event_type: str) -> None:
        decision = decided("Card Payment Authorized", event_type)
        assert (decision.status, decision.purchase, decision.left, decision.notes) == (
            "granted",
            Purchase("alice", {"sword": 1}),
            {"sword": 1},
            (),
        )
        assert decision.cause == decision.paid

    @pytest.mark.parametrize("event_type", ["Card Payment Authorized", "ACH Success", "Credits Minted"])
    def test_nothing_else_pays(self, event_type: str) -> None:
        assert decided(event_type) == Decision()

    @pytest.mark.parametrize("event_type", ["Card Payment Voided", "ACH Failed", "Payment Expiration"])
    def test_what_closes_an_attempt_takes_nothing_from_what_settled(self, event_type: str) -> None:
        assert status("Settled", event_type) == "granted"

    def test_one_event_that_pays_its_price_is_enough(self) -> None:
        part = (USDC, {"subtotal": {"cents": 200}})
        decision = decided(part, "Settled")
        assert (decision.status, decision.price and decision.price.cents) == ("granted", 500)
        assert reasons(decision) == ["amounts_differ"]

    def test_the_earliest_that_pays_grants_alone(self) -> None:
        shield = ("Settled", {"subtotal": {"cents": 750}, "webhookInfo": {"item": "shield"}})
        for words in ((shield, "Settled"), ("Settled", shield)):
            decision = decided(*words)
            assert decision.purchase
            assert [*decision.purchase.items] == ["shield" if words[0] == shield else "sword"]

    def test_parts_are_never_added_up_and_each_is_told(self) -> None:
        decision = decided((USDC, {"subtotal": {"cents": 200}}), (USDC, {"subtotal": {"cents": 300}}))
        assert (decision.status, decision.purchase) == ("refused", None)
        (note,) = decision.notes
        assert note.reason == "refused"
        assert "200 cents" in note.message
        assert "300 cents" in note.message

    def test_an_amount_that_cannot_be_read_is_paid_and_refused(self) -> None:
        decision = decided(("Settled", {"subtotal": {"cents": "five"}}))
        assert (decision.status, decision.price, decision.wallet) == ("refused", None, "alice")
        assert reasons(decision) == ["refused", "unreadable"]

    def test_a_currency_that_a_price_does_not_name_is_refused(self) -> None:
        decision = decided(
            ("Settled", {"presentmentTotals": {"subtotal": {"cents": 500, "currency": "IDR"}}})
        )
        assert "costs 500 cents USD; subtotal was 500 cents IDR" in str(decision.refusal)
        euros = {"subtotal": {"cents": 460, "currency": "EUR"}}
        assert status(("Settled", {"presentmentTotals": euros})) == "granted"
        assert status(("Settled", {"subtotal": {"cents": 500, "currency": "usd"}})) == "granted"


class TestWhatWasBought:
    def test_a_payin_is_unmatched_until_an_event_names_the_item(self) -> None:
        assert reasons(decided(PAYIN)) == ["unmatched"]
        decision = decided(PAYIN, "Crypto Overpayment")
        assert (decision.status, decision.purchase) == ("granted", Purchase("alice", {"sword": 1}))
        assert reasons(decision) == ["overpaid"]

    @pytest.mark.parametrize(
        "info", [None, {}, {"orderId": "7"}, {"item": None}, {"item": " "}, "sword", ["sword"], 7]
    )
    def test_an_info_without_an_item_names_none(self, info: Any) -> None:
        assert status(("Settled", {"webhookInfo": info})) == "unmatched"

    def test_a_string_of_json_names_its_item(self) -> None:
        info = '{"item": "shield", "quantity": 2}'
        decision = decided(("Settled", {"webhookInfo": info, "subtotal": {"cents": 1500}}))
        assert decision.purchase == Purchase("alice", {"shield": 2})

    def test_the_paying_events_own_word_goes_first(self) -> None:
        decision = decided(("Card Payment Authorized", {"webhookInfo": {"item": "shield"}}), "Settled")
        assert decision.purchase
        assert [*decision.purchase.items] == ["sword"]

    @pytest.mark.parametrize("item", [True, ["sword"], {}, 7.5])
    def test_what_is_no_name_is_refused(self, item: Any) -> None:
        assert isinstance(decided(("Settled", {"webhookInfo": {"item": item}})).refusal, ItemMissing)

    @pytest.mark.parametrize("quantity", [0, -1, 1.5, True, "two", 10**9 + 1, 10**400, "2.0", []])
    def test_what_is_no_quantity_is_refused(self, quantity: Any) -> None:
        decision = decided(("Settled", {"webhookInfo": {"item": "sword", "quantity": quantity}}))
        assert isinstance(decision.refusal, QuantityInvalid)

    @pytest.mark.parametrize("quantity", [3, "3", " 3 ", 3.0, 2.9999999999999996])
    def test_a_quantity_may_be_spelled_otherwise(self, quantity: Any) -> None:
        info = {"item": "sword", "quantity": quantity}
        decision = decided(("Settled", {"webhookInfo": info, "subtotal": {"cents": "1500"}}))
        assert decision.purchase == Purchase("alice", {"sword": 3})

    @pytest.mark.parametrize("customer", [None, "", "  ", "x" * 201, "a\0b", ["alice"]])
    def test_a_wallet_can_be_kept(self, customer: Any) -> None:
        decision = decided(("Settled", {"customerId": customer, "rawCustomerId": None}))
        assert isinstance(decision.refusal, WalletInvalid)

    def test_the_wallet_may_be_named_by_another_event(self) -> None:
        assert decided("Card Payment Authorized", ("Settled", NOBODY)).wallet == "alice"


class TestDisputes:
    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    @pytest.mark.parametrize(
        ("event_type", "expected"),
        [
            (OPENED, "suspended"),
            (WON, "granted"),
            (LOST, "revoked"),
            ("ACH Returned", "revoked"),
            ("ACH Chargeback", "suspended"),
        ],
    )
    def test_one_counts_before_and_after_the_payment(
        self, event_type: str, expected: str, order: Sequence[int]
    ) -> None:
        words = ("Settled", event_type)
        assert status(*(words[place] for place in order)) == expected

    def test_they_are_paired_by_their_id(self) -> None:
        assert status("Settled", dispute(OPENED), dispute(WON)) == "granted"
        assert status("Settled", dispute(WON), dispute(OPENED)) == "granted"
        assert status("Settled", dispute(OPENED), dispute(OPENED, "2"), dispute(WON)) == "suspended"
        assert status("Settled", dispute(WON), dispute(OPENED, "2"), dispute(LOST, "2")) == "revoked"

    def test_those_without_an_id_are_one(self) -> None:
        assert status("Settled", dispute(OPENED, None), dispute(WON, None)) == "granted"
        assert status("Settled", dispute(OPENED, None), dispute(WON, "1")) == "suspended"

    def test_the_last_outcome_decides(self) -> None:
        assert status("Settled", dispute(OPENED), dispute(LOST), dispute(WON)) == "granted"
        assert status("Settled", dispute(OPENED), dispute(WON), dispute(LOST)) == "revoked"

    def test_an_outcome_told_twice_is_told_and_counted_once(self) -> None:
        turned = decided("Settled", dispute(LOST), dispute(WON), dispute(LOST))
        assert (turned.status, reasons(turned)) == ("granted", ["retold"])
        again = decided("Settled", dispute(OPENED), dispute(WON), dispute(WON))
        assert (again.status, again.notes) == ("granted", ())

    def test_a_second_one_with_another_date_opens_it_again(self) -> None:
        again = dispute(OPENED, respondByDate="2027-01-01T00:00:00Z")
        decision = decided("Settled", dispute(OPENED), dispute(WON), again)
        assert (decision.status, reasons(decision)) == ("suspended", ["dispute"])
        assert decision.notes[0].respond_by_date == "2027-01-01T00:00:00+00:00"
        assert status("Settled", dispute(OPENED), again, dispute(WON)) == "granted"
        same = decided("Settled", dispute(OPENED), dispute(WON), dispute(OPENED))
        assert (same.status, reasons(same)) == ("granted", ["retold"])

    def test_of_one_moment_the_outcome_comes_last(self) -> None:
        for words in permutations([dispute(OPENED, at=9), dispute(WON, at=9), dispute(LOST, at=9)]):
            assert status("Settled", *words) == "revoked"
        assert status("Settled", dispute(WON, at=9), dispute(OPENED, at=9)) == "granted"

    def test_a_part_suspends_the_whole_and_takes_its_share(self) -> None:
        one: dict[str, Any] = {"subtotal": {"cents": 500}}
        odd: dict[str, Any] = {"subtotal": {"cents": 600}}
        assert left(THREE, dispute(OPENED, **one)) == ("suspended", 3)
        assert left(THREE, dispute(OPENED, **one), dispute(LOST, **one)) == ("granted", 2)
        assert left(THREE, dispute(LOST, **odd)) == ("revoked", 3)
        assert left(THREE, dispute(LOST, **one), by=KEEP) == ("granted", 3)
        assert left("Settled", dispute(LOST, subtotal={"cents": 250})) == ("revoked", 1)
        assert left(THREE, dispute(LOST, subtotal={"cents": 500, "currency": "EUR"})) == ("revoked", 3)

    def test_an_underpayment_holds_back_until_settled(self) -> None:
        assert status("Crypto Underpayment", PAYIN) == "suspended"
        decision = decided("Crypto Underpayment", PAYIN, "Settled")
        assert (decision.status, reasons(decision)) == ("granted", ["underpaid"])


class TestRefunds:
    def test_one_speaks_several_times(self) -> None:
        words = [
            refund("Refund", 200, "Pending"),
            refund("Refund", 200, "Invoiced"),
            refund("Refund", 200),
            refund("Refund Complete", 200),
        ]
        assert [refunded(*words[:count]) for count in range(5)] == [0, 0, 0, 200, 200]

    def test_equal_words_count_once_and_are_told_where_twice_would_take_the_item(self) -> None:
        twice = decided("Settled", *[refund("Refund Complete", 250)] * 2)
        assert (twice.status, twice.refunded_cents) == ("granted", 250)
        assert reasons(twice) == ["retold", "partly_refunded"]
        small = decided("Settled", *[refund("Refund Complete", 200)] * 2)
        assert (small.refunded_cents, reasons(small)) == (200, ["partly_refunded"])

    def test_with_an_id_it_is_one_per_id(self) -> None:
        one, two = refund("Refund", 250, refundId="a"), refund("Refund", 250, refundId="b")
        assert refunded(one, one) == 250
        assert status("Settled", one, two) == "revoked"

    def test_a_word_without_the_id_is_of_the_refund_with_it(self) -> None:
        bare, named = refund("Refund", 250, at=5), refund("Refund", 250, at=5, refundId=7)
        decision = decided("Settled", bare, named)
        assert (decision.status, reasons(decision)) == ("granted", ["partly_refunded"])
        later = decided("Settled", bare, refund("Refund Complete", 250, refundId=7))
        assert (later.status, reasons(later)) == ("granted", ["retold", "partly_refunded"])

    def test_those_that_reach_the_price_revoke(self) -> None:
        assert status("Settled", refund("Refund", 200), refund("Refund", 299)) == "granted"
        assert status("Settled", refund("Refund", 200), refund("Refund", 300)) == "revoked"
        assert status(refund("Refund", 500), "Settled") == "revoked"

    @pytest.mark.parametrize(
        "end",
        [refund("Refund Failure", 500), refund("Refund Returned", 500), refund("Refund", 500, "failed")],
    )
    def test_an_undone_one_restores(self, end: tuple[str, dict[str, Any]]) -> None:
        assert status("Settled", refund("Refund", 500), refund("Refund Complete", 500), end) == "granted"

    def test_a_new_try_is_told_where_it_may_be_a_copy(self) -> None:
        begun, failed = refund("Refund", 500, "Pending"), refund("Refund Failure", 500)
        assert status("Settled", begun, failed, begun, refund("Refund Complete", 500)) == "revoked"
        retried = decided("Settled", refund("Refund", 500), failed, refund("Refund", 500))
        assert (retried.status, reasons(retried)) == ("granted", ["retold"])

    def test_of_one_moment_the_later_step_counts(self) -> None:
        steps = [
            refund("Refund", 500, "Pending", at=9),
            refund("Refund", 500, at=9),
            refund("Refund Complete", 500, at=9),
        ]
        for words in permutations(steps):
            assert status("Settled", *words) == "revoked"
        for words in permutations([*steps, refund("Refund Failure", 500, at=9)]):
            assert status("Settled", *words) == "granted"

    def test_in_another_currency_its_resolution_counts(self) -> None:
        usd = {"cents": 500, "currency": "USD"}
        assert status("Settled", refund("Refund", 460, currency="EUR", resolution=usd)) == "revoked"
        weak = refund("Refund", 8000, currency="IDR", resolution={"cents": 50, "currency": "USD"})
        assert refunded(weak) == 50
        for resolution in (None, {"cents": 460, "currency": "EUR"}, {"cents": 500}):
            kept = decided("Settled", refund("Refund", 460, currency="EUR", resolution=resolution))
            assert (kept.status, kept.refunded_cents, reasons(kept)) == ("granted", 0, ["refund_currency"])

    def test_of_several_units_whole_ones_go_where_the_item_says_so(self) -> None:
        assert left(THREE, refund("Refund", 500)) == ("granted", 2)
        assert left(THREE, refund("Refund", 999)) == ("granted", 2)
        assert left(THREE, refund("Refund", 499)) == ("granted", 3)
        assert left(THREE, refund("Refund", 500), by=KEEP) == ("granted", 3)
        assert left(THREE, refund("Refund", 1500)) == ("revoked", 3)
        assert left(THREE, refund("Refund", 500), refund("Refund Returned", 500)) == ("granted", 3)


class TestPersons:
    ITEM, WALLET, ACCEPT, REVOKE, RESTORE, DONE = ResolutionKind

    def test_a_word_on_the_item_goes_before_all_others(self) -> None:
        said = [Resolution(self.ITEM, "shield", 2, "bob")]
        decision = decided(("Settled", {"subtotal": {"cents": 1500}}), said=said)
        assert decision.purchase == Purchase("bob", {"shield": 2})
        assert decided(PAYIN, said=[Resolution(self.ITEM, "sword")]).purchase

    def test_a_word_on_the_item_that_is_refused_takes_nothing(self) -> None:
        said = [Resolution(self.ITEM, "shield")]
        assert decided("Settled", said=said).purchase == Purchase("alice", {"sword": 1})
        assert status(PAYIN, said=said) == "refused"
        accepted = [*said, Resolution(self.ACCEPT)]
        assert decided("Settled", said=accepted).purchase == Purchase("alice", {"shield": 1})

    def test_the_later_word_of_a_kind_counts(self) -> None:
        said = [Resolution(self.WALLET, wallet="bob"), Resolution(self.WALLET, wallet="carol")]
        assert decided(("Settled", NOBODY), said=said).purchase == Purchase("carol", {"sword": 1})

    def test_a_price_is_accepted_and_refunds_go_on_counting(self) -> None:
        said = [Resolution(self.ACCEPT)]
        short = ("Settled", {"subtotal": {"cents": 490}})
        assert status(short, said=said) == "granted"
        assert status(short, refund("Refund", 490), said=said) == "revoked"
        unread = decided(("Settled", {"subtotal": None}), said=said)
        assert (unread.status, unread.price) == ("granted", None)
        crown = ("Settled", {"webhookInfo": {"item": "crown"}})
        assert status(crown, said=said) == "refused"

    def test_a_revocation_holds_until_a_later_word(self) -> None:
        revoked = [Resolution(self.REVOKE)]
        assert status("Settled", said=revoked) == "revoked"
        assert status("Settled", dispute(WON), said=[*revoked, Resolution(self.DONE)]) == "revoked"
        assert status("Settled", said=[*revoked, Resolution(self.RESTORE)]) == "granted"
        assert status("Settled", said=[*revoked, Resolution(self.WALLET, wallet="bob")]) == "granted"

    @pytest.mark.parametrize(
        "against",
        [dispute(OPENED), dispute(LOST), refund("Refund", 500), "ACH Returned", "Crypto Underpayment"],
    )
    def test_what_was_known_is_answered_and_what_comes_later_is_not(self, against: Word) -> None:
        words: list[Word] = [USDC, against]
        said = [Resolution(self.RESTORE, known=frozenset(each.key for each in story(*words)))]
        assert status(*words, said=said) == "granted"
        again = decided(*words, dispute(OPENED, "2"), said=said)
        assert (again.status, reasons(again)) == (
            "suspended",
            ["dispute"] + ["underpaid"] * (against == "Crypto Underpayment"),
        )
        assert status(*words, dispute(LOST, "2"), said=said) == "revoked"

    def test_a_dispute_that_was_answered_may_go_on(self) -> None:
        known = frozenset(each.key for each in story("Settled", dispute(OPENED)))
        said = [Resolution(self.RESTORE, known=known)]
        assert status("Settled", dispute(OPENED), dispute(LOST), said=said) == "revoked"
        late = frozenset(each.key for each in story("Settled", dispute(LOST)))
        assert (
            status("Settled", dispute(LOST), dispute(OPENED), said=[Resolution(self.RESTORE, known=late)])
            == "granted"
        )

    def test_another_refund_of_an_answered_amount_is_told(self) -> None:
        words: list[Word] = ["Settled", refund("Refund", 500)]
        said = [Resolution(self.RESTORE, known=frozenset(each.key for each in story(*words)))]
        for another in (refund("Refund", 500), refund("Refund", 500, refundId="b")):
            again = decided(*words, another, said=said)
            assert (again.status, reasons(again)) == ("granted", ["retold"])

    def test_what_is_answered_stays_so_though_it_is_told_again(self) -> None:
        for against in (dispute(LOST), "ACH Returned"):
            words: list[Word] = ["Settled", against]
            said = [Resolution(self.RESTORE, known=frozenset(each.key for each in story(*words)))]
            assert status(*words, against, said=said) == "granted"

    def test_done_is_done_until_another_event_comes(self) -> None:
        words: list[Word] = ["Settled", dispute(OPENED)]
        said = [Resolution(self.DONE, known=frozenset(each.key for each in story(*words)))]
        assert decided(*words, said=said).is_done
        assert not decided(*words, dispute(OPENED, "2"), said=said).is_done


class TestAttention:
    def test_what_nobody_has_paid_is_told(self) -> None:
        decision = decided(dispute(OPENED))
        assert (decision.status, reasons(decision)) == ("nothing", [NoteReason.UNPAID])
        assert decision.notes[0].respond_by_date == "2026-10-20T00:00:00+00:00"
        assert reasons(decided(refund("Refund", 500))) == ["unpaid"]
        assert reasons(decided("ACH Returned")) == ["unpaid"]
        assert reasons(decided("Disbursed Funds")) == ["disbursed"]
        assert reasons(decided("Settled", "Disbursed Funds")) == []

    def test_an_event_that_cannot_be_read_is_told(self) -> None:
        decision = decided("Settled", ("Refund", {"totals": {"subtotal": None}}))
        assert (decision.status, reasons(decision)) == ("granted", ["unreadable"])
        assert "totals.subtotal" in decision.notes[0].message
        assert reasons(decided("Settled", *[("Refund", {"totals": None})] * 2)) == ["unreadable"]


@given(
    created=st.lists(
        st.text() | st.datetimes().map(lambda moment: moment.isoformat()), min_size=2, max_size=5
    )
)
def test_whatever_time_is_stated_the_order_of_arrival_does_not_matter(created: list[str]) -> None:
    events = []
    for number, text in enumerate(created):
        packet = sample(["Settled", OPENED, WON, "Refund", "Refund Failure"][number])
        events.append(read({**packet, "created": text}))
    assert decide(events, KEEP) == decide(events[::-1], KEEP)
