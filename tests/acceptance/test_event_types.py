"""Every documented event type is stored, typed and handled; what does not fit its type says where."""

from typing import Any

import pytest

from tasks.coinflow.event_types import EVENT_TYPES
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long


def test_every_documented_type_ends_as_handled(stack: Stack) -> None:
    for number, event_type in enumerate(EVENT_TYPES):
        wallet = f"typed-{number}"
        sent = stack.trigger(event_type, "--wallet", wallet, "--api-version", str(2 + number % 2))
        assert sent["answers"] == {"200": 1}

    def states() -> dict[str, str]:
        listed = stack.read("events", "list", "--limit", "10000")
        found = {
            event["event_type"]: event["state"] for event in listed if event["event_type"] in EVENT_TYPES
        }
        return found if len(found) == len(EVENT_TYPES) and "pending" not in found.values() else {}

    found = wait_until(states, what="75 types are handled", log=lambda: stack.log("worker"))
    assert set(found.values()) == {"handled"}


@pytest.mark.parametrize(
    ("event_type", "change", "field"),
    [
        ("Refund", "data.paymentId=null", "data.paymentId"),
        ("Crypto Payin Funds Received", "data.amount.cents=five", "data.amount.cents"),
        ("Settled", "data.id=null", "data.id"),
    ],
)
def test_what_does_not_fit_its_type_is_stored_and_a_dead_letter_that_names_the_field(
    stack: Stack, event_type: str, change: str, field: str
) -> None:
    sent = stack.trigger(event_type, "--wallet", "unfit", "--set", change, "--set", "data.mark=unfit")
    assert sent["answers"] == {"200": 1}

    def dead() -> Any:
        listed = stack.read("events", "list", "--type", event_type, "--limit", "10000")
        return [event for event in listed if event["state"] == "dead"]

    (event,) = wait_until(dead, what="the event is dead", log=lambda: stack.log("worker"))
    shown = stack.read("events", "show", str(event["id"]))
    assert shown["body"]["data"]["mark"] == "unfit"
    (letter,) = shown["dead_letters"]
    assert (letter["handler"], letter["error"]) == ("intake", "PayloadInvalid")
    assert letter["message"].startswith(f"{field}: ")


def test_a_subscription_is_listed_with_its_state(stack: Stack) -> None:
    for event_type in ("Subscription Created", "Subscription Concluded"):
        stack.trigger(event_type, "--wallet", "subscriber", "--set", "data.subscriptionId=concluding")

    def concluded() -> bool:
        listed = stack.read("subscriptions", "list", "--wallet", "subscriber")
        return [(each["subscription_id"], each["state"]) for each in listed] == [("concluding", "concluded")]

    wait_until(concluded, what="the subscription is concluded", log=lambda: stack.log("worker"))
