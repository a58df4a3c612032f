"""Spellings of one account are one wallet, which is shown as it first came."""

from typing import Any

import pytest
from sqlalchemy import Engine, select

from tasks.store.schema import grants, ledger_entries, wallets
from tests.integration.commands import read
from tests.integration.pipeline import count, delivery, run, take_in

pytestmark = pytest.mark.long

ADDRESS = "0x" + "aB" * 20
#: Two spellings of one account each; not so the last ones.
SPELLINGS = {
    "address": (ADDRESS, ADDRESS.lower()),
    "address, in capitals": (ADDRESS.lower(), ADDRESS.upper()),
    "accent": ("Zo\u00e9", "Zoe\u0301"),
    "blanks": ("alice", "  alice "),
    "number": ("4711", 4711),
    "both": ("acme\u02acZo\u00e9", "Zoe\u0301 "),
}
OTHERS = {
    "capitals": ("Alice", "alice"),
    "too short for an address": (ADDRESS[:-1], ADDRESS[:-1].lower()),
    "no address": ("0x" + "gG" * 20, "0x" + "gg" * 20),
    "compatibility form": ("\ufb01nn", "finn"),
}


def buy(engine: Engine, payment_id: str, customer: object, **changes: Any) -> None:
    take_in(engine, delivery(payment_id, data__rawCustomerId=customer, **changes))
    run(engine, [payment_id])


def items(name: str) -> list[str]:
    return [each["item"] for each in read("wallets", "show", name)["items"]]


@pytest.mark.parametrize(("one", "other"), SPELLINGS.values(), ids=list(SPELLINGS))
def test_two_spellings_are_one_wallet(engine: Engine, one: Any, other: Any) -> None:
    shield = {"data__webhookInfo__item": "shield", "data__subtotal__cents": 750}
    buy(engine, "first", one)
    buy(engine, "second", other, **shield)
    first = str(one).rpartition("\u02ac")[2]
    for spelling in (first, str(other)):
        shown = read("wallets", "show", spelling)
        assert shown["wallet"] == first
        assert [each["item"] for each in shown["items"]] == ["sword", "shield"]


@pytest.mark.parametrize(("one", "other"), OTHERS.values(), ids=list(OTHERS))
def test_two_names_are_two_wallets(engine: Engine, one: str, other: str) -> None:
    buy(engine, "first", one)
    assert (items(one), items(other)) == (["sword"], [])
    buy(engine, "second", other)
    assert (items(one), items(other)) == (["sword"], ["sword"])


@pytest.mark.parametrize(("one", "other"), SPELLINGS.values(), ids=list(SPELLINGS))
def test_a_payment_whose_events_spell_its_wallet_in_two_ways_moves_nothing(
    engine: Engine, one: Any, other: Any
) -> None:
    buy(engine, "pay", one)
    buy(engine, "pay", other, created="2026-08-01T00:00:00Z")
    assert (count(engine, grants), count(engine, ledger_entries)) == (1, 1)
    buy(engine, "pay", other, event_type="Card Payment Chargeback Opened")
    assert [each["delta"] for each in read("payments", "show", "pay")["ledger_entries"]] == [1, -1]
    assert count(engine, wallets) == 1


@pytest.mark.parametrize(("one", "other"), SPELLINGS.values(), ids=list(SPELLINGS))
def test_a_person_who_spells_the_wallet_otherwise_moves_nothing(engine: Engine, one: Any, other: Any) -> None:
    buy(engine, "pay", one)
    read("payments", "resolve", "pay", "--wallet", str(other), "--reason", "by phone")
    assert count(engine, ledger_entries) == 1
    read("payments", "resolve", "pay", "--wallet", "bob", "--reason", "by phone")
    assert (items(str(one)), items("bob")) == ([], ["sword"])


def test_each_spelling_has_a_row_and_they_share_a_key(engine: Engine) -> None:
    names = [ADDRESS, ADDRESS.lower(), ADDRESS.upper().replace("0X", "0x")]
    for number, name in enumerate(names):
        buy(engine, f"pay-{number}", name)
    with engine.connect() as connection:
        rows = connection.execute(select(wallets.c.key, wallets.c.name).order_by(wallets.c.id)).all()
    assert [row.name for row in rows] == names
    assert {row.key for row in rows} == {ADDRESS.lower()}
