"""Quotes: what the price list says of a purchase, from what was asked for and what was paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from tasks.errors import CouponInvalid, ItemMissing, Overpaid, PriceMismatch, QuantityInvalid
from tasks.payments.combination import combination
from tasks.payments.coupon import Coupon
from tasks.payments.item import Item
from tasks.payments.price import FormerPrice, Price
from tasks.payments.price_list_form import PriceList

Lines = Sequence[tuple[str, int]]
#: How many lines of a cart a message names.
_TOLD = 10


class Asked(NamedTuple):
    """What was asked for, and what was paid for it."""

    #: Items and how many of each.
    lines: Lines
    #: What the buyer claims.
    coupon: str | None
    #: The plan that Coinflow names, never what a buyer can edit.
    plan: str | None
    #: Whether Coinflow says that it is a charge of a subscription.
    is_subscribed: bool
    cents: int
    currency: str
    #: The moment, with its time zone, that Coinflow states for the event that paid.
    at: datetime


class QuotedLine(BaseModel):
    """One item of a purchase, and what was paid for so many of it."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    item: str
    quantity: int
    cents: int
    #: Whether a part of the price that goes back takes whole units.
    proportional: bool
    #: How many of which items one of it is: one of itself, unless it is a bundle.
    grants: Mapping[str, int]


def quoted_line(item: str, quantity: int, cents: int, listed: Item | None) -> QuotedLine:
    """Return a line that costs so much; `listed` is what the list says of the item, if it holds it."""
    return QuotedLine(
        item=item,
        quantity=quantity,
        cents=cents,
        proportional=listed is not None and listed.refund == "proportional",
        grants=dict(listed.grants) if listed and listed.grants else {item: 1},
    )


class Quote(NamedTuple):
    """What the list says of a purchase."""

    lines: tuple[QuotedLine, ...]
    #: Cents that were paid above the price.
    over: int = 0


def quote(prices: PriceList, asked: Asked) -> Quote:
    """Return what a purchase is, if the list sells it for what was paid.

    Raises ItemMissing, QuantityInvalid, ItemUnknown, CouponInvalid, PriceMismatch, or Overpaid, which holds
    the quote at the list's prices.
    """
    cart = _Cart(prices, asked)
    paid = cart.paid() or cart.prorated()
    if paid is not None:
        return cart.quote(paid)
    over = cart.over()
    if over is not None and cart.current is not None:
        raise Overpaid(cart.mismatch(), cart.quote(cart.current, over))
    raise PriceMismatch(cart.mismatch())


def checkout_price(prices: PriceList, lines: Lines, coupon: str | None, currency: str, at: datetime) -> int:
    """Return the cents that a checkout must charge. Raises as `quote`; what costs any amount has no price."""
    cart = _Cart(prices, Asked(lines, coupon, None, is_subscribed=False, cents=0, currency=currency, at=at))
    if free := next((line for line in cart.lines if line.listed.is_any), None):
        raise PriceMismatch(f"Any amount buys {free.item}: the list says no price.")
    if cart.current is None:
        raise PriceMismatch(f"{cart.costs()}, nothing in {currency[:10]}.")
    return sum(cart.current)


@dataclass(frozen=True)
class _Line:
    """One item of a cart, with what the list says of it."""

    item: str
    quantity: int
    listed: Item
    coupon: Coupon | None
    at: datetime

    def cents(self, price: Price) -> int:
        """Return what it costs at a price."""
        cents = price.of(self.quantity)
        return self.coupon.off(cents) if self.coupon and self.coupon.is_for(self.item) else cents

    @cached_property
    def accepted(self) -> Sequence[Price]:
        """The prices that count, the current ones first."""
        former = (price for price in self.listed.former_prices if self.at <= price.accepted_until)
        return [*self.listed.prices, *former]

    def in_currency(self, currency: str) -> list[int]:
        """Return what it may cost in a currency, the current price first."""
        return [self.cents(price) for price in self.accepted if price.currency == currency]

    def current(self, currency: str) -> int | None:
        """Return what it costs now, or None where it has no price in the currency."""
        price = self.listed.price_in(currency)
        return self.cents(price) if price else None

    def quoted(self, cents: int) -> QuotedLine:
        """Return the line as something that was paid for."""
        return quoted_line(self.item, self.quantity, cents, self.listed)

    def __str__(self) -> str:
        return f"{self.item} x {self.quantity}"


class _Cart:
    """The lines that were asked for, priced in the currency that was paid."""

    def __init__(self, prices: PriceList, asked: Asked) -> None:
        if not asked.lines:
            raise ItemMissing("webhookInfo: expected at least one item.")
        for item, quantity in asked.lines:
            prices.check_item(item)
            if quantity < 1:
                raise QuantityInvalid(f"{item[:100]}: expected a quantity of 1 or more.")
        coupon = _coupon(prices, asked)
        self.lines = [
            _Line(item, quantity, prices.items[item], coupon, asked.at) for item, quantity in asked.lines
        ]
        self._prices = prices
        self._asked = asked
        self._priced = [line for line in self.lines if not line.listed.is_any]

    @cached_property
    def current(self) -> Sequence[int] | None:
        """What the lines cost now, or None where one has no price in the currency."""
        current = [line.current(self._asked.currency) for line in self._priced]
        known = [cents for cents in current if cents is not None]
        return known if len(known) == len(current) else None

    def paid(self) -> Sequence[int] | None:
        """Return what each line cost, or None where the amount fits no prices."""
        alternatives = [line.in_currency(self._asked.currency) for line in self._priced]
        if not all(alternatives):
            return None
        is_open = len(self._priced) < len(self.lines)
        found = combination(alternatives, self._asked.cents, leaves_a_rest=is_open)
        if found is None:
            return None
        left, known = self._asked.cents - sum(found), iter(found)
        cents = []
        for line in self.lines:
            # The first line that takes any amount takes all that the others leave.
            cents.append(left if line.listed.is_any else next(known))
            left = 0 if line.listed.is_any else left
        return cents

    def prorated(self) -> Sequence[int] | None:
        """Return what was charged for a part of a plan's period, or None where that is not what it is.

        The plan says how many there are: beside it the buyer could name any number.
        """
        asked = self._asked
        plan = self._prices.plans.get(asked.plan or "")
        if not plan or not plan.price_range or not asked.is_subscribed:
            return None
        is_it = list(asked.lines) == [(plan.item, plan.quantity)]
        return [asked.cents] if is_it and plan.price_range.holds(asked.cents, asked.currency) else None

    def over(self) -> int | None:
        """Return how much is above the price, or None where it is not above it or by too much."""
        if self.current is None:
            return None
        price = sum(self.current)
        over = self._asked.cents - price
        return over if 0 < over <= price * self._prices.overpayment.percent // 100 else None

    def quote(self, cents: Sequence[int], over: int = 0) -> Quote:
        """Return the lines at what each cost."""
        lines = (line.quoted(each) for line, each in zip(self.lines, cents, strict=True))
        return Quote(lines=tuple(lines), over=over)

    def costs(self) -> str:
        """Return what it costs in words."""
        currency = self._asked.currency
        if len(self.lines) > 1 and self.current is not None:
            named = ", ".join(map(str, self.lines[:_TOLD])) + (", ..." if len(self.lines) > _TOLD else "")
            least = "at least " if len(self._priced) < len(self.lines) else ""
            return f"{named} cost {least}{sum(self.current)} cents {currency}"
        fixed = self._priced or self.lines
        line = next((line for line in fixed if not line.in_currency(currency)), fixed[0])
        prices = [f"{line.cents(price)} cents {price.currency}" for price in line.accepted]
        return f"{line.quantity} x {line.item} costs {' or '.join(prices) or 'any amount'}"

    def mismatch(self) -> str:
        """Return what it costs, what was paid, and whether that is a price of the past."""
        asked = self._asked
        text = f"{self.costs()}; subtotal was {asked.cents} cents {asked.currency[:10]}"
        former = self.lines[0].listed.former_prices if len(self.lines) == 1 else ()
        ends = [price.accepted_until for price in former if self._is_paid(self.lines[0], price)]
        if ends:
            text += f", a former price that was accepted until {max(ends):%Y-%m-%d %H:%M:%S} UTC"
        return f"{text}."

    def _is_paid(self, line: _Line, price: FormerPrice) -> bool:
        return (line.cents(price), price.currency) == (self._asked.cents, self._asked.currency)


def _coupon(prices: PriceList, asked: Asked) -> Coupon | None:
    if asked.coupon is None:
        return None
    coupon, named = prices.coupons.get(asked.coupon), f"coupon {asked.coupon[:100]!r}"
    if coupon is None:
        raise CouponInvalid(f"The price list has no {named}.")
    if coupon.until and coupon.is_over(asked.at):
        raise CouponInvalid(f"The {named} was good until {coupon.until:%Y-%m-%d %H:%M:%S %Z}.")
    if not any(coupon.is_for(item) for item, _ in asked.lines):
        raise CouponInvalid(f"The {named} is for other items than {asked.lines[0][0][:100]}.")
    return coupon
