from typing import Any

import pytest

from tasks.coinflow.event import Event, read_event, read_packet
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.coinflow.samples import sample
from tasks.payments.order import Order
from tasks.pipeline.routing import RegistrationError, Routes
from tests.packets import body


@pytest.fixture
def routes() -> Routes:
    return Routes()


def note(event: Event[Any]) -> None:
    """Take an event and do nothing."""


def find(webhook_info: dict[str, Any], payment_id: str) -> Order | None:  # noqa: ARG001  # as a merchant's is called
    """Know no order."""
    return None


def routed(routes: Routes, event_type: str) -> list[str]:
    event = read_event(read_packet(body(event_type)))
    assert event is not None
    return routes.route(event)


def test_a_handler_stands_beside_the_built_in_one(routes: Routes) -> None:
    assert routes.on("Settled", "KYC Success")(note) is note
    assert routed(routes, "Settled") == ["fulfilment", "note"]
    assert routed(routes, "KYC Success") == ["note"]
    assert routed(routes, "Refund") == ["fulfilment"]
    assert routes.handlers["note"] is note


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_whatever_speaks_of_a_payment_goes_to_fulfilment(routes: Routes, event_type: str) -> None:
    speaks = {"id", "paymentId"} & sample(event_type)["data"].keys()
    assert routed(routes, event_type) == (["fulfilment"] if speaks else [])


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
def test_a_name_that_is_no_event_type_fails_with_near_misses(routes: Routes, wrong: str, near: str) -> None:
    with pytest.raises(RegistrationError, match=near):
        routes.on("Settled", wrong)
    assert routed(routes, "Settled") == ["fulfilment"]


def test_a_function_is_registered_once(routes: Routes) -> None:
    routes.on("Settled")(note)
    with pytest.raises(RegistrationError, match="'note' already"):
        routes.on("Refund")(note)
    assert routed(routes, "Refund") == ["fulfilment"]


def test_a_type_named_twice_is_one_route(routes: Routes) -> None:
    routes.on("Refund", "Refund")(note)
    assert routed(routes, "Refund") == ["fulfilment", "note"]


@pytest.mark.parametrize("name", ["fulfilment", "intake", "orders"])
def test_the_built_in_names_are_taken(routes: Routes, name: str) -> None:
    def function(event: Event[Any]) -> None:
        note(event)

    function.__name__ = name
    with pytest.raises(RegistrationError, match=f"'{name}' already"):
        routes.on("Settled")(function)


def test_one_function_knows_the_orders(routes: Routes) -> None:
    assert routes.orders(find) is find
    assert routes.find_order is find
    with pytest.raises(RegistrationError, match="@orders already: 'find'"):
        routes.orders(find)


def test_the_function_for_orders_is_no_handler_of_events(routes: Routes) -> None:
    routes.orders(find)
    routes.on("Settled")(note)
    assert routed(routes, "Settled") == ["fulfilment", "note"]
    assert list(routes.handlers) == ["note"]
