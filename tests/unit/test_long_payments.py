"""Payments of many events: each further one costs as much as the one before."""

import sys
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest

from tasks.payments.payment import Payment
from tasks.payments.settlement import settle
from tasks.payments.story import Statement
from tests.packets import body
from tests.rules import NOW, catalog, read_body, terms

_LIST = catalog({"sword": (500, "USD", False)})


def _statement(event_type: str, number: int) -> Statement:
    created = (NOW + timedelta(seconds=number)).isoformat()
    told: dict[str, dict[str, Any]] = {
        "Refund": {"data__refundId": f"refund-{number}"},
        "Card Payment Chargeback Opened": {"data__respondByDate": created},
        "Card Payment Chargeback Lost": {"data__subtotal__cents": number},
    }
    said = read_body(body(event_type, created=created, **told.get(event_type, {})))
    assert said
    return said


def _calls(event_type: str, count: int) -> int:
    """Return how many functions are called to settle a payment that says so much of one kind."""
    events = [_statement("Settled", 0), *(_statement(event_type, number) for number in range(1, count))]
    calls = 0

    def note(_: FrameType, event: str, __: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        settle(Payment("pay", events), terms(_LIST))
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    "event_type",
    [
        "Settled",
        "Refund",
        "Refund Complete",
        "Card Payment Chargeback Opened",
        "Card Payment Chargeback Lost",
        "ACH Batched",
    ],
)
def test_many_events_cost_in_proportion(event_type: str) -> None:
    few, many = _calls(event_type, 50), _calls(event_type, 200)
    assert many < 4.5 * few
