from collections.abc import Iterator
from typing import Any

import pytest

from tasks.coinflow.event import Event, read_event, read_packet
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.coinflow.samples import sample
from tasks.pipeline import routing
from tasks.pipeline.routing import HANDLERS, RegistrationError, on, route
from tests.unit.test_event import body


@pytest.fixture(autouse=True)
def _registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(routing, "_routes", {})
    before = dict(HANDLERS)
    yield
    HANDLERS.clear()
    HANDLERS.update(before)


def note(event: Event[Any]) -> None:
    """Take an event and do nothing."""


def routed(event_type: str) -> list[str]:
    event = read_event(read_packet(body(event_type)))
    assert event is not None
    return route(event)


def test_a_handler_stands_beside_the_built_in_one() -> None:
    assert on("Settled", "KYC Success")(note) is note
    assert routed("Settled") == ["fulfilment", "note"]
    assert routed("KYC Success") == ["note"]
    assert routed("Refund") == ["fulfilment"]
    assert HANDLERS["note"] is note


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_whatever_speaks_of_a_payment_goes_to_fulfilment(event_type: str) -> None:
    speaks = {"id", "paymentId"} & sample(event_type)["data"].keys()
    assert routed(event_type) == (["fulfilment"] if speaks else [])


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("Card payment declined", "'Card Payment Declined'"),
        ("Subscription Cancelled", "'Subscription Canceled'"),
        ("Sub-Merchant KYB Created", "'Sub-merchant KYB Created'"),
        ("Cash App Failure", "'CashApp Failure'"),
        ("settled", "'Settled'"),
        ("Quux", "docs/reference/event-types.md"),
    ],
)
def test_a_name_that_is_no_event_type_fails_with_near_misses(wrong: str, near: str) -> None:
    with pytest.raises(RegistrationError, match=near):
        on("Settled", wrong)
    assert routed("Settled") == ["fulfilment"]


def test_a_function_is_registered_once() -> None:
    on("Settled")(note)
    with pytest.raises(RegistrationError, match="'note' already"):
        on("Refund")(note)
    assert routed("Refund") == ["fulfilment"]


def test_a_type_named_twice_is_one_route() -> None:
    on("Refund", "Refund")(note)
    assert routed("Refund") == ["fulfilment", "note"]


@pytest.mark.parametrize("name", ["fulfilment", "intake"])
def test_the_built_in_names_are_taken(name: str) -> None:
    def function(event: Event[Any]) -> None:
        note(event)

    function.__name__ = name
    with pytest.raises(RegistrationError, match=f"'{name}' already"):
        on("Settled")(function)
