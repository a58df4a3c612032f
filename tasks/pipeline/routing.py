"""Which handlers an event goes to.

Built in is `fulfilment`, for every event that speaks of a payment. A merchant's own handlers stand beside it:
functions in the modules that HANDLERS names, registered with `on`. One of them may tell what the merchant's
own orders were for; it is registered with `orders`. Those that are registered with `on_grant_change` are told
what a payment has come to, which no event says.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from typing import Any, TypeVar

from tasks.coinflow.event import Event
from tasks.coinflow.event_types import EVENT_TYPES
from tasks.coinflow.fields import Payload
from tasks.payments.change import GrantChange
from tasks.payments.order import Order
from tasks.store.runs import FULFILMENT, INTAKE, ORDERS

Handler = Callable[[Event[Any]], None]
H = TypeVar("H", bound=Handler)
#: It is given an event's `webhookInfo` and the payment's id.
FindOrder = Callable[[dict[str, Any], str], Order | None]
F = TypeVar("F", bound=FindOrder)
OnGrantChange = Callable[[GrantChange], None]
G = TypeVar("G", bound=OnGrantChange)


class RegistrationError(Exception):
    """A handler cannot be registered; the message says what to change."""


class Routes:
    """Which handlers there are, and which event types each of them is registered for."""

    def __init__(self) -> None:
        #: By their functions' names, which are also their tasks' names.
        self.handlers: dict[str, Handler] = {}
        #: What tells what the merchant's own orders were for, if anything does.
        self.find_order: FindOrder | None = None
        #: What is told of changes, by the names of their endpoints.
        self.told: dict[str, OnGrantChange] = {}
        self._names: dict[str, list[str]] = {}

    def on(self, *event_types: str) -> Callable[[H], H]:
        """Register the decorated function for these event types; return it as it is.

        It is called with each such event, once in the usual case and again after a failure or crash, so it
        should use `event.key` to do its work once. Raises RegistrationError.
        """
        for event_type in event_types:
            if event_type not in EVENT_TYPES:
                raise RegistrationError(f"{event_type!r} is no event type of Coinflow's.{_near(event_type)}")

        def register(function: H) -> H:
            name = function.__name__
            if name in {*self.handlers, INTAKE, FULFILMENT, ORDERS}:
                raise RegistrationError(
                    f"There is a handler {name!r} already. Give each function a name of its own, and all its "
                    "event types to one @on(...)."
                )
            self.handlers[name] = function
            for event_type in dict.fromkeys(event_types):
                self._names.setdefault(event_type, []).append(name)
            return function

        return register

    def orders(self, function: F) -> F:
        """Register the decorated function, which knows the merchant's own orders; return it as it is.

        It is called with the `webhookInfo` of an event that names no item, and with its payment's id; it
        returns the `Order`, or None where it does not know it. The first answer on a payment stands. It may
        be called before anybody has paid, and again after a failure or crash. Raises RegistrationError.
        """
        if self.find_order is not None:
            raise RegistrationError(
                f"There is a function for @orders already: {self.find_order.__name__!r}. One knows them all."
            )
        self.find_order = function
        return function

    def on_grant_change(self, function: G) -> G:
        """Register the decorated function, which is told of every change of a payment; return it as it is.

        It is an endpoint of its own, as a server of the merchant's is. Of one payment it is told in order,
        each change once in the usual case and again after a failure or crash: `payment_id` and `version` name
        a change. After an error it is called again, by the schedule of the endpoints; a `PermanentError`
        gives the change up. It should return within a minute. Raises RegistrationError.
        """
        name = f"@{function.__name__}"
        if name in self.told:
            raise RegistrationError(f"There is a function {name} already. Give each a name of its own.")
        self.told[name] = function
        return function

    @property
    def names(self) -> AbstractSet[str]:
        """The names under which there are functions of the merchant's."""
        return {*self.handlers, *([ORDERS] if self.find_order else [])}

    def route(self, event: Event[Payload]) -> list[str]:
        """Return the handlers that an event goes to; one without any is stored and done."""
        built_in = [FULFILMENT] if event.payment_id else []
        return built_in + self._names.get(event.type.name, [])


#: The merchant's, whose modules register themselves when they are imported.
ROUTES = Routes()
on = ROUTES.on
orders = ROUTES.orders
on_grant_change = ROUTES.on_grant_change


def _near(name: str) -> str:
    by_folded = {known.casefold(): known for known in EVENT_TYPES}
    near = [by_folded[folded] for folded in get_close_matches(name.casefold(), by_folded, n=3)]
    return (
        f" Did you mean {' or '.join(map(repr, near))}?"
        if near
        else " docs/reference/event-types.md names them all."
    )
