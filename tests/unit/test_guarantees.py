"""Each promise names what proves it. That the tests named are there, `test_docs.py` checks for every page."""

import re

import pytest

from tests.stack import ROOT

PAGE = (ROOT / "docs" / "explanation" / "guarantees.md").read_text()
ROWS = dict(re.findall(r"^\| ([^|]+) \| (.*) \|$", PAGE, re.MULTILINE))
PROMISES = [promise for promise in ROWS if promise not in {"promise", "---"}]


@pytest.mark.parametrize("promise", PROMISES)
def test_every_promise_names_its_proof(promise: str) -> None:
    assert re.search(r"`(test_\w+|tests/[\w/.]+|make chaos)`", ROWS[promise])


def test_every_row_of_chaos_that_is_named_is_there() -> None:
    named = set(re.findall(r"row \*([^*]+)\*", PAGE))
    sources = "\n".join(path.read_text() for path in (ROOT / "tests" / "chaos").glob("*.py"))
    assert named
    assert {name for name in named if f'"{name}"' not in sources} == set()
