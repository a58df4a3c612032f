"""How-to pages on selling: each `webhookInfo` costs and grants what is said, by the list above it."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.coinflow.samples import sample, with_identity
from tasks.payments.named import Named, read_named
from tasks.payments.payment import Payment
from tasks.payments.price_list import read_price_list
from tasks.payments.price_list_form import PriceList
from tasks.payments.quote import checkout_price
from tasks.payments.settlement import Settlement, settle
from tasks.payments.states import DecisionStatus
from tests.documents import name_of
from tests.rules import NOW, read, terms
from tests.stack import ROOT

PRICES, REACT = (ROOT / "docs" / "how-to" / name for name in ("prices.md", "sell-from-react.md"))
_AMOUNT = re.compile(r"(\d+) cents ([A-Z]{3})")


@dataclass(frozen=True)
class Example:
    """A list, what a checkout says, and the sentence on what comes of it."""

    prices: PriceList
    info: dict[str, Any]
    told: str

    @property
    def named(self) -> Named:
        named = read_named(self.info)
        assert named
        return named

    @property
    def amounts(self) -> list[tuple[int, str]]:
        """What it costs, in each currency that the sentence names."""
        costs = re.match(r"It costs ([^.]*?), and grants", self.told)
        assert costs, self.told
        return [(int(cents), currency) for cents, currency in _AMOUNT.findall(costs[1])]

    @property
    def granted(self) -> dict[str, int]:
        return {item: int(count) for count, item in re.findall(r"(\d+) x ([\w]+)", self.told)}

    def paid(self, cents: int, currency: str = "USD", plan: str | None = None) -> Settlement:
        """Return what comes of it where alice pays so much, as Coinflow says for a charge of `plan`."""
        packet = sample("Settled")
        with_identity(packet, payment_id="pay", wallet="alice", cents=cents)
        subtotal = {"cents": cents, "currency": currency}
        packet["data"].update({"subtotal": subtotal, "webhookInfo": self.info})
        if plan:
            packet["data"]["subscription"] = {"plan": {"code": plan}}
        return settle(Payment("pay", [read(packet)]), terms(self.prices), taken=lambda _: 0)


def examples(page: Path) -> Iterator[Example]:
    text, prices = page.read_text(), None
    for found in re.finditer(
        r"^```(toml|json)\n(.*?)^```\n\n(?=(.*?)(?:\n\n|\Z))", text, re.DOTALL | re.MULTILINE
    ):
        language, block, after = found.groups()
        if language == "toml":
            prices = read_price_list(block)
        else:
            assert prices
            yield Example(prices, json.loads(block), " ".join(after.split()))


EXAMPLES = {page: list(examples(page)) for page in (PRICES, REACT)}


def saying(word: str) -> pytest.MarkDecorator:
    """Parametrize a test with the examples whose sentence has the word; there must be one."""
    chosen = [each for page in EXAMPLES.values() for each in page if word in each.told]
    assert chosen, word
    return pytest.mark.parametrize("example", chosen, ids=lambda each: json.dumps(each.info)[:60])


def units(settlement: Settlement) -> Mapping[str, int]:
    return {item: grant.quantity for item, grant in settlement.due.items()}


@pytest.mark.parametrize("page", EXAMPLES, ids=name_of)
def test_every_list_has_an_example_and_every_example_a_sentence_that_is_checked(page: Path) -> None:
    text, found = page.read_text(), EXAMPLES[page]
    assert len(found) == text.count("```json\n")
    assert len({id(each.prices) for each in found}) == text.count("```toml\n")
    checked = r"It (costs|is refused|takes any amount|is `filtered`)|Beside the plan"
    assert [each.told for each in found if not re.match(checked, each.told)] == []


@saying("It costs")
def test_what_it_costs_is_what_a_checkout_must_charge_and_no_less_is_granted(example: Example) -> None:
    plan = example.prices.plans.get(example.named.plan or "")
    lines = [(line.item or "", line.quantity or 0) for line in example.named.lines]
    lines = lines or ([(plan.item, plan.quantity)] if plan else [])
    assert example.amounts
    for cents, currency in example.amounts:
        assert checkout_price(example.prices, lines, example.named.coupon, currency, NOW) == cents
        paid = example.paid(cents, currency)
        assert (paid.status, units(paid)) == (DecisionStatus.GRANTED, example.granted)
        if cents:
            assert example.paid(cents - 1, currency).status is DecisionStatus.REFUSED


@saying("It is refused")
def test_what_is_refused_says_why(example: Example) -> None:
    (error,) = re.findall(r"It is refused: `(\w+)`", example.told)
    assert type(example.paid(0).refusal).__name__ == error


@saying("Up to")
def test_too_much_is_granted_up_to_what_the_page_says(example: Example) -> None:
    ((most, currency),) = _AMOUNT.findall(example.told.partition("Up to")[2])
    paid = example.paid(int(most), currency)
    assert (units(paid), paid.decision.notes[0].reason) == (example.granted, "overpaid")
    assert example.paid(int(most) + 1, currency).status is DecisionStatus.REFUSED
    assert example.paid(int(most), "IDR").status is DecisionStatus.REFUSED


@saying("Beside the plan")
def test_a_prorated_charge_is_good_beside_its_plan_alone(example: Example) -> None:
    ((cents, currency),) = _AMOUNT.findall(example.told)
    (plan,) = re.findall(r"Beside the plan `(\w+)`", example.told)
    assert units(example.paid(int(cents), currency, plan)) == example.granted
    named = Example(example.prices, {"plan": plan}, "")
    assert named.paid(int(cents), currency).status is DecisionStatus.REFUSED


@saying(" to bob")
def test_a_gift_goes_to_whom_the_page_says_and_the_payer_stays_known(example: Example) -> None:
    ((cents, currency),) = example.amounts
    paid = example.paid(cents, currency)
    assert {grant.wallet for grant in paid.due.values()} == {"bob"}
    assert paid.decision.payer == "alice"


@saying("filtered")
def test_a_payment_of_another_shop_is_filtered(example: Example) -> None:
    paid = example.paid(500)
    assert (paid.status, paid.due, paid.decision.notes) == (DecisionStatus.FILTERED, {}, ())


@saying("takes any amount")
def test_any_amount_is_enough(example: Example) -> None:
    assert all(units(example.paid(cents)) == example.granted for cents in (0, 1, 10**6))
