"""`python -m tests.unit.test_connect_docs` writes the event types of docs/how-to/connect-coinflow.md."""

import json
import re
from collections.abc import Iterable
from typing import Literal

import pytest

from receiver.envelope import EnvelopeError, read_envelope
from tasks.coinflow.event_types import EVENT_TYPES, EventType, Meaning
from tasks.coinflow.payloads import payment_id_of
from tasks.coinflow.samples import sample, with_identity
from tasks.payments.payment import Payment
from tasks.payments.settlement import Settlement, settle
from tasks.payments.story import Statement
from tests.rules import read, terms
from tests.stack import ROOT
from tests.unit.test_event_type_docs import MEANINGS

PAGE = ROOT / "docs" / "how-to" / "connect-coinflow.md"
LIST = '[items.sword]\nprice = { cents = 500, currency = "USD" }\n'
#: It means nothing by itself, and lets a rule believe what was paid.
OVERPAYMENT = EVENT_TYPES["Crypto Overpayment"]
STORED = [each for each in EVENT_TYPES.values() if each.meaning is Meaning.NOTED and each != OVERPAYMENT]
#: Where the page's tables begin and end.
BEGIN = "### The product acts on these\n\n"
END = "\n## 5."
STORES = """### The product only stores these

What one of these says of the item or the buyer counts where the event that pays does not say it. Those of
subscriptions fill `coinflowctl subscriptions list`. A type that Coinflow adds later is stored, too.

"""


def names(types: Iterable[EventType]) -> str:
    return ", ".join(f"`{each.name}`" for each in types)


def tables() -> str:
    """Return what the page must say of event types."""
    acting = [
        f"| {says} | {names(each for each in EVENT_TYPES.values() if each.meaning is meaning)} |\n"
        for meaning, says in MEANINGS.items()
        if meaning is not Meaning.NOTED
    ]
    over = f"| lets an amount above the price through | {names([OVERPAYMENT])} |\n"
    stored = [
        f"| {family} | {names(each for each in STORED if each.family is family)} |\n"
        for family in dict.fromkeys(each.family for each in STORED)
    ]
    head = "event types |\n| --- | --- |\n"
    acts = f"{BEGIN}| what it does | {head}{''.join(acting)}{over}\n"
    return f"{acts}{STORES}| family | {head}{''.join(stored)}"


def written() -> str:
    """Return the page with what it must say."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    return before + tables() + END + rest.partition(END)[2]


def test_the_page_lists_what_the_product_acts_on_and_what_it_only_stores() -> None:
    assert PAGE.read_text() == written(), "run `python -m tests.unit.test_connect_docs`"
    listed = re.findall(r"`([^`]+)`", tables().replace(STORES, ""))
    assert sorted(listed) == sorted(EVENT_TYPES)


def said(event_type: str, cents: int = 500) -> Statement:
    """Return an event of alice's payment for a sword."""
    packet = sample(event_type)
    with_identity(packet, payment_id="pay", wallet="alice", item="sword", cents=cents)
    return read(packet)


def come_to(*events: Statement) -> Settlement:
    return settle(Payment("pay", events), terms(LIST), taken=lambda _: 0)


def outcome(*events: Statement) -> tuple[object, ...]:
    settled = come_to(*events)
    return settled.status, settled.due, settled.decision.notes


@pytest.mark.parametrize("cents", [500, 525])
def test_what_is_only_stored_changes_nothing_that_was_paid(cents: int) -> None:
    paid = said("Settled", cents)
    of_payments = [each for each in STORED if payment_id_of(each.family, {"id": "pay", "paymentId": "pay"})]
    assert of_payments
    for each in of_payments:
        assert outcome(paid, said(each.name)) == outcome(paid), each.name
    assert outcome(paid, said(OVERPAYMENT.name)) != outcome(paid)


@pytest.mark.parametrize("version", [2, 3])
def test_both_versions_are_read(version: Literal[2, 3]) -> None:
    packet = sample("Settled", version)
    assert set(packet["data"]) & {"wallet", "customerId"} == {"wallet" if version == 2 else "customerId"}
    with_identity(packet, payment_id="pay", wallet="alice", item="sword", cents=500)
    (grant,) = come_to(read(packet)).due.values()
    assert (grant.wallet, grant.quantity) == ("alice", 1)


def test_legacy_has_no_envelope() -> None:
    legacy = {"signature": "5h3k", "wallet": "alice", "webhookInfo": {"item": "sword"}, "id": "pay"}
    with pytest.raises(EnvelopeError, match="eventType"):
        read_envelope(json.dumps(legacy).encode())


if __name__ == "__main__":
    PAGE.write_text(written())
