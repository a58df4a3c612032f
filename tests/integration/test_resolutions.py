"""What a person says of a payment goes before what its events say, until later events say more."""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Engine, select

from tasks.errors import PriceMismatch
from tasks.payments.resolution import Resolution
from tasks.payments.states import ResolutionKind
from tasks.store import operations
from tasks.store.actions import Operator
from tasks.store.schema import ledger_entries, matches, operator_actions, resolutions
from tests.integration.commands import ctl, read
from tests.integration.pipeline import count, delivery, run, take_in

pytestmark = pytest.mark.long

PAYIN = "Crypto Payin Funds Received"
OPENED = "Card Payment Chargeback Opened"
LOST = "Card Payment Chargeback Lost"
ADA = Operator("ada", "by phone")

#: Each word that a person can say.
WORDS = {
    "sword": ("--item", "sword"),
    "shield": ("--item", "shield"),
    "wallet": ("--wallet", "bob"),
    "accept": ("--accept-price",),
    "revoke": ("--revoke",),
    "restore": ("--restore",),
    "done": ("--done",),
}


class Begun(NamedTuple):
    """A payment that asks for a person, and what each word makes of it where it makes any difference."""

    state: str
    #: What it holds, as wallet, item and status, or None.
    held: str | None
    events: tuple[dict[str, Any], ...]
    #: State and what is held, by the word.
    becomes: dict[str, tuple[str, str | None]]


#: An amount that cannot be read; a sword costs 500 and a shield 750.
UNREADABLE = {"data__subtotal__cents": "5.00"}
NOBODY = {"data__customerId": None, "data__rawCustomerId": None}
SWORD = "alice's sword granted"

PAYMENTS = {
    "price": Begun(
        "refused",
        None,
        ({"data__subtotal__cents": 750},),
        {
            "shield": ("granted", "alice's shield granted"),
            "accept": ("granted", SWORD),
            "revoke": ("revoked", None),
        },
    ),
    "unknown item": Begun(
        "refused",
        None,
        ({"data__webhookInfo__item": "excalibur"},),
        {"sword": ("granted", SWORD), "revoke": ("revoked", None)},
    ),
    "no customer": Begun(
        "refused",
        None,
        (NOBODY,),
        {"wallet": ("granted", "bob's sword granted"), "revoke": ("revoked", None)},
    ),
    "unreadable amount": Begun(
        "refused", None, (UNREADABLE,), {"accept": ("granted", SWORD), "revoke": ("revoked", None)}
    ),
    "unmatched": Begun(
        "unmatched",
        None,
        ({"event_type": PAYIN},),
        {"sword": ("granted", SWORD), "shield": ("refused", None), "revoke": ("revoked", None)},
    ),
    "granted": Begun(
        "granted",
        SWORD,
        ({},),
        {"wallet": ("granted", "bob's sword granted"), "revoke": ("revoked", "alice's sword revoked")},
    ),
    "suspended": Begun(
        "suspended",
        "alice's sword suspended",
        ({}, {"event_type": OPENED}),
        {
            "wallet": ("suspended", "bob's sword suspended"),
            "revoke": ("revoked", "alice's sword revoked"),
            "restore": ("granted", SWORD),
        },
    ),
    "incomplete": Begun(
        "suspended",
        "alice's sword suspended",
        ({"event_type": PAYIN}, {"event_type": "Crypto Underpayment"}),
        {
            "wallet": ("suspended", "bob's sword suspended"),
            "revoke": ("revoked", "alice's sword revoked"),
            "restore": ("granted", SWORD),
        },
    ),
    "refunded": Begun(
        "revoked",
        "alice's sword revoked",
        ({}, {"event_type": "Refund"}),
        {"wallet": ("revoked", "bob's sword revoked"), "restore": ("granted", SWORD)},
    ),
    "lost": Begun(
        "revoked",
        "alice's sword revoked",
        ({}, {"event_type": OPENED}, {"event_type": LOST}),
        {"wallet": ("revoked", "bob's sword revoked"), "restore": ("granted", SWORD)},
    ),
    "returned": Begun(
        "revoked",
        "alice's sword revoked",
        ({}, {"event_type": "ACH Returned"}),
        {"wallet": ("revoked", "bob's sword revoked"), "restore": ("granted", SWORD)},
    ),
}


def come(engine: Engine, payment_id: str = "pay", *events: dict[str, Any]) -> None:
    """Let events come, and a settled purchase where none is given; fulfil the payment."""
    take_in(engine, *(delivery(payment_id, **event) for event in events or ({},)))
    run(engine, [payment_id])


def say(*word: str, payment_id: str = "pay") -> Any:
    return read("payments", "resolve", payment_id, *word, "--reason", "by phone")


def now(payment_id: str = "pay") -> tuple[str, str | None]:
    """Return the payment's state, and what is held."""
    story = read("payments", "show", payment_id)
    held = [f"{each['wallet']}'s {each['item']} {each['status']}" for each in story["grants"]]
    # What may be used is what the ledger says.
    usable = sum(each["quantity"] for each in story["grants"] if each["status"] == "granted")
    assert sum(entry["delta"] for entry in story["ledger_entries"]) == usable
    assert len(held) <= 1
    return story["state"], held[0] if held else None


def attention() -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for line in read("payments", "list", "--attention"):
        reasons.setdefault(line["payment_id"], []).append(line["reason"])
    return reasons


@pytest.mark.parametrize("begun", PAYMENTS.values(), ids=list(PAYMENTS))
def test_every_word_on_every_kind_of_payment(engine: Engine, begun: Begun) -> None:
    for name, word in WORDS.items():
        come(engine, name, *begun.events)
        assert now(name) == (begun.state, begun.held)
        said = say(*word, payment_id=name)
        expected = begun.becomes.get(name, (begun.state, begun.held))
        assert (name, *now(name)) == (name, *expected)
        assert said["state"] == expected[0]
        # A copy of what is known changes nothing, nor does another look.
        come(engine, name, *begun.events)
        assert now(name) == expected
    assert "done" not in attention()


def test_what_keeps_a_payment_from_being_granted_is_told(engine: Engine) -> None:
    come(engine)
    refused = say("--item", "shield")
    assert (refused["state"], refused["grants"][0]["item"]) == ("granted", "sword")
    assert "1 x shield costs 750 cents" in refused["refusal"]
    assert say("--item", "sword")["refusal"] is None
    told = ctl("payments", "resolve", "pay", "--item", "excalibur", "--reason", "by phone").output
    assert "Payment pay: granted" in told
    assert "It cannot be granted yet. The price list has no item 'excalibur'." in told


def test_the_refusal_is_returned_and_a_transaction_that_is_rolled_back_says_nothing(engine: Engine) -> None:
    come(engine)
    with engine.connect() as connection:
        said = Resolution(ResolutionKind.ITEM, "shield")
        assert isinstance(operations.resolve(connection, ADA, "pay", said, "USD"), PriceMismatch)
        connection.rollback()
    assert [count(engine, each) for each in (resolutions, matches, operator_actions)] == [0, 0, 0]
    assert now() == ("granted", SWORD)


def test_of_each_kind_of_word_the_latest_counts(engine: Engine) -> None:
    come(engine, "pay", {"data__subtotal__cents": 1500, "data__webhookInfo": {"item": "excalibur"}})
    for word in (
        ("--item", "sword"),
        ("--wallet", "carol"),
        ("--item", "shield", "--quantity", "2"),
        ("--wallet", "bob"),
    ):
        say(*word)
    story = read("payments", "show", "pay")
    assert story["grants"] == [{"wallet": "bob", "item": "shield", "quantity": 2, "status": "granted"}]
    assert [(each["item"], each["quantity"]) for each in story["matches"]] == [("shield", 2)]
    say("--item", "sword", "--quantity", "3")
    held = {
        each["item"]: (each["status"], each["quantity"]) for each in read("wallets", "show", "bob")["items"]
    }
    assert held == {"shield": ("revoked", 2), "sword": ("granted", 3)}


@pytest.mark.parametrize("word", [("--accept-price",), ("--item", "shield")])
def test_a_word_that_corrects_lets_money_go_on_counting(engine: Engine, word: tuple[str, ...]) -> None:
    come(engine, "pay", {"data__subtotal__cents": 750})
    say(*word)
    assert now()[0] == "granted"
    totals = {"subtotal": {"cents": 750, "currency": "USD"}}
    come(engine, "pay", {"event_type": "Refund", "data__totals": totals})
    assert now()[0] == "revoked"


#: What has taken an item, and what takes it again after a person has restored it.
AGAIN: dict[str, tuple[tuple[dict[str, Any], ...], dict[str, Any]]] = {
    "refund": (
        ({}, {"event_type": "Refund", "data__refundId": "one"}),
        {"event_type": "Refund", "data__refundId": "another"},
    ),
    "dispute": (PAYMENTS["refunded"].events, {"event_type": LOST}),
    "another dispute": (PAYMENTS["lost"].events, {"event_type": LOST, "data__chargebackId": "another"}),
    "lost after all": (PAYMENTS["suspended"].events, {"event_type": LOST}),
    "bank": (PAYMENTS["suspended"].events, {"event_type": "ACH Returned"}),
}


@pytest.mark.parametrize(("begun", "later"), AGAIN.values(), ids=list(AGAIN))
def test_what_comes_after_a_restore_is_decided_anew(
    engine: Engine, begun: tuple[dict[str, Any], ...], later: dict[str, Any]
) -> None:
    come(engine, "pay", *begun)
    say("--restore")
    assert now() == ("granted", SWORD)
    come(engine, "pay", {**later, "created": "2026-12-01T00:00:00Z"})
    assert now() == ("revoked", "alice's sword revoked")
    say("--restore")
    assert now() == ("granted", SWORD)


#: The same again: with a field more, or at another time; and what it followed from.
LATE = {
    "refund, a copy": ("refunded", {"event_type": "Refund", "data__blockchain": "base"}),
    "refund, its other word": ("refunded", {"event_type": "Refund Complete"}),
    "refund, dated anew": ("refunded", {"event_type": "Refund", "created": "2026-12-01T00:00:00Z"}),
    "dispute, a copy": ("suspended", {"event_type": OPENED, "data__last4": "1111"}),
    "dispute, dated anew": ("suspended", {"event_type": OPENED, "created": "2026-12-01T00:00:00Z"}),
    "loss, dated anew": ("lost", {"event_type": LOST, "created": "2026-12-01T00:00:00Z"}),
    "bank, a copy": ("returned", {"event_type": "ACH Returned", "data__last4": "1111"}),
    "underpayment, a copy": ("incomplete", {"event_type": "Crypto Underpayment", "data__last4": "1111"}),
}


@pytest.mark.parametrize(("begun", "late"), LATE.values(), ids=list(LATE))
def test_what_is_answered_stays_answered_when_it_is_told_again(
    engine: Engine, begun: str, late: dict[str, Any]
) -> None:
    come(engine, "pay", *PAYMENTS[begun].events)
    say("--restore")
    come(engine, "pay", late)
    assert now() == ("granted", SWORD)


def test_the_word_that_opened_an_answered_dispute_comes_late(engine: Engine) -> None:
    come(engine, "pay", {}, {"event_type": LOST})
    say("--restore")
    come(engine, "pay", {"event_type": OPENED})
    assert now() == ("granted", SWORD)
    # Another date to answer by is another opening.
    later = {"created": "2026-12-01T00:00:00Z", "data__respondByDate": "2026-12-20T00:00:00Z"}
    come(engine, "pay", {"event_type": OPENED, **later})
    assert now() == ("suspended", "alice's sword suspended")


@pytest.mark.parametrize("word", [WORDS["sword"], WORDS["wallet"], WORDS["accept"], WORDS["restore"]])
def test_what_is_revoked_stays_so_until_a_later_word(engine: Engine, word: tuple[str, ...]) -> None:
    come(engine)
    say("--revoke")
    for event in ({"created": "2026-12-01T00:00:00Z"}, {"event_type": "Card Payment Chargeback Won"}):
        come(engine, "pay", event)
        assert now() == ("revoked", "alice's sword revoked")
    say("--done")
    assert now()[0] == "revoked"
    say(*word)
    assert now()[0] == "granted"


def test_a_payment_that_is_revoked_by_a_person_holds_no_dead_letter(engine: Engine) -> None:
    come(engine, "pay", {"data__subtotal__cents": 1})
    assert len(read("payments", "show", "pay")["dead_letters"]) == 1
    say("--revoke")
    story = read("payments", "show", "pay")
    assert (story["state"], story["dead_letters"], story["notes"]) == ("revoked", [], [])
    say("--restore")
    story = read("payments", "show", "pay")
    assert (story["state"], [each["reason"] for each in story["notes"]]) == ("refused", ["refused"])
    assert len(story["dead_letters"]) == 1


def test_what_is_done_is_off_the_list_until_another_event_comes(engine: Engine) -> None:
    come(engine, "pay", {}, {"event_type": OPENED})
    assert attention() == {"pay": ["dispute"]}
    say("--done")
    assert attention() == {}
    # The notes are still told to whoever asks for the payment.
    assert [each["reason"] for each in read("payments", "show", "pay")["notes"]] == ["dispute"]
    come(engine, "pay", {}, {"event_type": OPENED})
    assert attention() == {}
    come(engine, "pay", {"event_type": "Disbursed Funds"})
    assert attention() == {"pay": ["dispute"]}
    say("--done")
    assert attention() == {}


def test_a_payment_that_nobody_has_paid_can_be_done_with_and_nothing_else(engine: Engine) -> None:
    come(engine, "pay", {"event_type": OPENED})
    assert attention() == {"pay": ["unpaid"]}
    for word in WORDS.values():
        done = ctl("payments", "resolve", "pay", *word, "--reason", "by phone")
        assert done.exit_code == (0 if word == WORDS["done"] else 1)
        if done.exit_code:
            assert "Nobody has paid payment pay: nothing but --done" in done.output
    assert attention() == {}
    assert count(engine, resolutions) == 1


@pytest.mark.parametrize("word", WORDS.values(), ids=list(WORDS))
def test_of_a_payment_that_is_unknown_nothing_can_be_said(engine: Engine, word: tuple[str, ...]) -> None:
    refused = ctl("payments", "resolve", "nobody's", *word, "--reason", "by phone")
    assert refused.exit_code == 1
    assert "Payment nobody's is unknown" in refused.output
    assert "Traceback" not in refused.output
    assert [count(engine, each) for each in (resolutions, operator_actions)] == [0, 0]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--revoke"], "Missing option '--reason'"),
        (["--reason", "by phone"], "Say one of"),
        (["--revoke", "--restore", "--reason", "by phone"], "Say one of"),
        (["--item", "sword", "--wallet", "bob", "--reason", "by phone"], "Say one of"),
        (["--quantity", "2", "--reason", "by phone"], "Say one of"),
        (["--revoke", "--quantity", "2", "--reason", "by phone"], "Say one of"),
        (["--item", "sword", "--quantity", "0", "--reason", "by phone"], "--quantity"),
    ],
)
def test_one_word_is_said_with_its_reason(engine: Engine, options: list[str], complaint: str) -> None:
    come(engine)
    refused = ctl("payments", "resolve", "pay", *options)
    assert refused.exit_code == 2
    assert complaint in refused.output
    assert count(engine, resolutions) == 0


def test_what_was_said_is_told_and_kept_without_the_buyers_name(engine: Engine) -> None:
    come(engine, "pay", {"data__subtotal__cents": 1000})
    said = [("--item", "sword", "--quantity", "2"), ("--wallet", "bob"), ("--done",)]
    for word in said:
        ctl("payments", "resolve", "pay", *word, "--reason", "by phone", "--as", "ada")
    story = read("payments", "show", "pay")
    assert [
        (each["kind"], each["item"], each["quantity"], each["wallet"]) for each in story["resolutions"]
    ] == [
        ("item", "sword", 2, None),
        ("wallet", None, None, "bob"),
        ("done", None, None, None),
    ]
    assert [each["action_id"] for each in story["resolutions"]] == [each["id"] for each in story["actions"]]
    assert {(each["who"], each["what"], each["why"], each["subject"]) for each in story["actions"]} == {
        ("ada", "resolve", "by phone", "pay")
    }
    assert [(each["before"], each["after"]) for each in story["actions"]] == [
        ({"state": "refused"}, {"kind": "item", "item": "sword", "quantity": 2}),
        ({"state": "granted"}, {"kind": "wallet"}),
        ({"state": "granted"}, {"kind": "done"}),
    ]
    with engine.connect() as connection:
        kept = [repr(row) for row in connection.execute(select(operator_actions))]
        entries = connection.execute(select(ledger_entries.c.wallet)).scalars().all()
    assert not [row for row in kept if "bob" in row or "alice" in row]
    assert set(entries) == {""}
    first, second, _ = (each["id"] for each in story["actions"])
    assert [
        (each["cause"], each["action_id"], each["wallet"], each["delta"]) for each in story["ledger_entries"]
    ] == [("resolve", first, "alice", 2), ("resolve", second, "alice", -2), ("resolve", second, "bob", 2)]
    told = ctl("payments", "show", "pay").output
    for title in ("Resolutions", "Actions", "Verdicts"):
        assert title in told


def test_what_moves_on_account_of_an_event_after_a_word_is_the_events(engine: Engine) -> None:
    come(engine, "pay", {"data__subtotal__cents": 750})
    say("--item", "shield")
    totals = {"subtotal": {"cents": 750, "currency": "USD"}}
    come(engine, "pay", {"event_type": "Refund", "data__totals": totals})
    causes = [
        (each["cause"], each["action_id"]) for each in read("payments", "show", "pay")["ledger_entries"]
    ]
    assert causes == [("resolve", 1), ("Refund", None)]


def test_what_the_former_release_was_told_counts_until_this_one_is_told_otherwise(engine: Engine) -> None:
    come(engine, "pay", {"event_type": PAYIN})
    row = {"payment_id": "pay", "item": "sword", "quantity": 1, "wallet": "carol"}
    with engine.begin() as connection:
        connection.execute(matches.insert(), {**row, "matched_at": datetime.now(UTC)})
    run(engine, ["pay"])
    assert now() == ("granted", "carol's sword granted")
    say("--item", "shield")
    assert now() == ("granted", "carol's sword granted")
    say("--item", "sword")
    # Who gets it is another word than what: the former one's went with its item.
    assert now() == ("granted", SWORD)
    with engine.connect() as connection:
        known = connection.execute(select(matches.c.item, matches.c.wallet)).one()
        said = json.loads(connection.execute(select(resolutions.c.known)).scalars().first() or "")
    assert tuple(known) == ("sword", None)
    assert said == [1]
