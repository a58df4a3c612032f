"""docs/how-to/sell-from-react.md: what its samples put into a checkout is what the product reads."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tasks.coinflow.samples import sample
from tests.documents import blocks
from tests.rules import read
from tests.unit.test_price_examples import EXAMPLES, REACT

ROWS = re.findall(r"^\| `(\{.+\})` \| `([^`]+)` \|$", REACT.read_text(), re.MULTILINE)


def literals(name: str, code: str) -> Iterator[Any]:
    """Yield the objects that JavaScript gives a name, as JSON."""
    for written in re.findall(rf"{name}(?:=\{{|: )(\{{.*\}})[}},]", code):
        yield json.loads(re.sub(r"(\w+):", r'"\1":', written).replace("'", '"'))


def test_each_sample_says_what_the_page_says_comes_back_and_costs() -> None:
    code = "\n".join(block.text for block in blocks(REACT) if block.language in {"js", "jsx"})
    told = [(each.info, each.amounts) for each in EXAMPLES[REACT] if "It costs" in each.told]
    subtotals = [[(each["cents"], each["currency"])] for each in literals("subtotal", code)]
    said = list(zip(literals("webhookInfo", code), subtotals, strict=True))
    assert len(said) == code.count("webhookInfo")
    assert all(each in told for each in said)
    assert all(each in said for each in told)


@pytest.mark.parametrize(("sent", "wallet"), ROWS)
def test_the_wallet_is_the_buyer_as_coinflow_names_it(sent: str, wallet: str) -> None:
    packet = sample("Settled")
    for name in ("customerId", "rawCustomerId"):
        del packet["data"][name]
    packet["data"].update(json.loads(sent))
    assert read(packet).facts.customer == wallet
