"""What `webhookInfo` names: an item, a cart or a plan, and what stands beside it."""

from collections.abc import Mapping
from functools import cached_property
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks.coinflow.fields import NAME_LENGTH, unwrap
from tasks.coinflow.spellings import text_of, whole_number

#: More of an item than anybody buys; larger numbers would not fit the ledger's columns.
MOST = 1_000_000_000
#: Lines of a cart, and single values of `webhookInfo`, that are read.
MOST_LINES = 100
MOST_VALUES = 30
_NAMES = ("item", "items", "plan")


class _Facts(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True)


class Line(_Facts):
    """One line of a cart, rightly or not."""

    #: None: it is no name.
    item: str | None
    #: None: it is no whole number from 1 to `MOST`.
    quantity: int | None


class Named(_Facts):
    """What `webhookInfo` names, rightly or not: an item, a cart, or a plan."""

    #: None: it is no name, or there is a cart or a plan instead.
    item: str | None = None
    #: None: it is no whole number from 1 to `MOST`, or there is a cart or a plan instead.
    quantity: int | None = None
    cart: tuple[Line, ...] = ()
    #: The code of a plan, by which the price list knows what is bought.
    plan: str | None = None
    coupon: str | None = None
    #: Who shall get it instead of who pays; empty where that cannot be read.
    recipient: str | None = None
    #: The merchant's own order function says so, and what it must cost.
    is_ordered: bool = False
    #: Why it names nothing, where that is not for a line alone.
    fault: str | None = None

    @cached_property
    def asked(self) -> str:
        """What a price depends on, as text: the lines or the plan, and a coupon."""
        return self.model_dump_json(exclude_defaults=True, exclude={"recipient"})

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """What is bought; empty where a plan says that."""
        return self.cart or (() if self.plan else (Line(item=self.item, quantity=self.quantity),))


class Cycle(_Facts):
    """The subscription that a payment is a cycle of, in Coinflow's own words."""

    #: The plan's code.
    plan: str | None
    #: What the subscription's own `webhookInfo` names.
    named: Named | None = None


def read_named(info: Any) -> Named | None:
    """Return what a `webhookInfo` names, rightly or not, or None if nothing."""
    named = isinstance(info, dict) and [each for each in _NAMES if not _is_blank(info.get(each))]
    if not named:
        return None
    beside = {"coupon": text_of(info.get("coupon")), "recipient": _recipient(info.get("recipient"))}
    if {"item", "items"} <= set(named):
        return Named(fault="webhookInfo: expected item or items, not both.", **beside)
    if named[0] == "items":
        cart = info["items"]
        if not isinstance(cart, list) or len(cart) > MOST_LINES:
            return Named(fault=f"webhookInfo.items: expected a list of 1 to {MOST_LINES} lines.", **beside)
        return Named(cart=tuple(map(_line, cart)), **beside)
    if named[0] == "plan":
        return Named(plan=text_of(info["plan"]), **beside)
    line = _line(info)
    return Named(item=line.item, quantity=line.quantity, **beside)


def _recipient(stated: object) -> str | None:
    return None if _is_blank(stated) else text_of(stated) or ""


def _is_blank(value: object) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _line(named: Any) -> Line:
    if not isinstance(named, dict):
        return Line(item=None, quantity=1)
    stated = named.get("quantity")
    quantity = 1 if stated is None else whole_number(stated)
    return Line(
        item=text_of(named.get("item")),
        quantity=quantity if quantity is not None and 1 <= quantity <= MOST else None,
    )


def read_cycle(subscription: Mapping[str, Any] | None) -> Cycle | None:
    """Return of which subscription a payment is a cycle, or None."""
    if subscription is None:
        return None
    plan = subscription.get("plan")
    return Cycle(
        plan=text_of(plan.get("code")) if isinstance(plan, dict) else None,
        named=read_named(unwrap(subscription.get("webhookInfo"))),
    )


def read_values(info: Any) -> Mapping[str, str]:
    """Return the members of a `webhookInfo` that are single values, as text."""
    if not isinstance(info, dict):
        return {}
    texts = {name: _value(value) for name, value in islice(info.items(), MOST_VALUES)}
    return {name: text for name, text in texts.items() if text is not None and len(name) <= NAME_LENGTH}


def _value(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = text_of(value)
    return text if text is not None and len(text) <= NAME_LENGTH else None
