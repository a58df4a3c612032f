"""Pricing: asks the price list in force for a verdict where none stands."""

from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasks.coinflow.event_types import Meaning
from tasks.errors import (
    Discarded,
    ItemUnknown,
    Overpaid,
    PayloadInvalid,
    PermanentError,
    PriceListUnusable,
    PriceMismatch,
    QuantityInvalid,
)
from tasks.payments.decision import Decision
from tasks.payments.lines import listed_lines, ordered_lines, units_of
from tasks.payments.offers import ACCEPTABLE, Offer, Ruling
from tasks.payments.order import Order
from tasks.payments.payment import Payment
from tasks.payments.price_list import AcceptedPriceList
from tasks.payments.price_list_form import PriceList
from tasks.payments.quote import Asked, Lines, Quote, QuotedLine
from tasks.payments.resolution import resolve
from tasks.payments.verdict import Verdict, Verdicts

#: More than the largest line of bundles grants of an item, and far below what a column holds.
_MOST_UNITS = 10**15


@dataclass(frozen=True, slots=True)
class Terms:
    """By what an offer is priced that no list has priced yet."""

    #: The list in force, or None where none was ever accepted.
    prices: AcceptedPriceList | None
    #: The currency of an amount that names none.
    default_currency: str
    #: When it was paid where no event states that.
    now: datetime
    #: What has been quoted by them, for many payments ask for the same.
    quoted: dict[Hashable, dict[str, Any]] = field(default_factory=dict, compare=False, repr=False)


class Pricing:
    """Prices a payment's offers, each once: what is paid stays paid, whatever a later list says.

    A refusal is priced anew where somebody asks for that, and one of what could not be read once it can be,
    unless a person has accepted the price. What was paid by a discarded event is not priced any more. What is
    held without any verdict was priced by an earlier release, which stored none.
    """

    def __init__(self, payment: Payment, terms: Terms) -> None:
        """Start from the verdicts that stand."""
        accepts = resolve(payment.resolutions).accepts_price
        readable = () if accepts else {each.key for each in payment.events if each.facts.price}
        verdicts = [
            each
            for each in payment.verdicts
            if each.error != PayloadInvalid.__name__ or each.key not in readable
        ]
        if payment.asks_again:
            stand = {None, *(each.__name__ for each in (*ACCEPTABLE, Overpaid) if accepts)}
            verdicts = [each for each in verdicts if each.error in stand]
        self._verdicts = Verdicts(verdicts)
        #: The list by which something was priced now, or None.
        self.price_list_id: int | None = None
        self._payment = payment
        self._terms = terms

    @property
    def verdicts(self) -> Collection[Verdict]:
        """All verdicts that stand, those made now among them."""
        return self._verdicts.all

    @property
    def is_filtered(self) -> bool:
        """Tell whether the payment is of another shop or environment than the list is for.

        Any of its events may say that it is not. Where nobody has paid, one must say that it is.
        """
        only = self._terms.prices.prices.only if self._terms.prices else {}
        if not only or self._payment.held or any(each.error is None for each in self.verdicts):
            return False
        told = [event.facts.info for event in self._payment.events]
        if any(all(info.get(name) == value for name, value in only.items()) for info in told):
            return False
        is_paid = any(event.means(Meaning.PAID) for event in self._payment.events)
        return is_paid or any(info.keys() & only.keys() for info in told)

    def refuse(self, decision: Decision, refusal: PermanentError) -> None:
        """Let what a decision was about be refused."""
        paid = decision.paid.keys if decision.paid else frozenset()
        asked = decision.named.asked if decision.named else None
        self._verdicts = Verdicts(
            each.model_copy(update=_refused(refusal)) if each.key in paid and each.asked == asked else each
            for each in self.verdicts
        )

    def ruling_on(self, offer: Offer) -> Ruling:
        """Return whether the offer is paid. Raises PriceListUnusable if there is no list to price it by."""
        verdict = self._verdicts.on(offer)
        if offer.paid.is_among(self._payment.discarded) and (verdict is None or verdict.error):
            return Ruling(Discarded(), self._terms.default_currency)
        if verdict:
            return verdict.ruling()
        made = self._made(offer)
        self._verdicts.add(made)
        return made.ruling()

    def _made(self, offer: Offer) -> Verdict:
        price, accepted = offer.paid.facts.price, self._terms.prices
        currency = (price.currency if price else None) or self._terms.default_currency
        told: dict[str, Any] = {"key": offer.paid.key, "asked": offer.named.asked, "currency": currency}
        if lines := self._granted_before(offer):
            return Verdict(**told, lines=lines)
        if accepted is None:
            raise PriceListUnusable("No price list was ever accepted; run `coinflowctl catalog apply`.")
        self.price_list_id = accepted.id
        told |= {"price_list_id": accepted.id, "content_hash": accepted.content_hash}
        try:
            told |= self._quoted(offer, accepted, currency)
        except PermanentError as refusal:
            told |= _refused(refusal)
        return Verdict(**told)

    def _quoted(self, offer: Offer, accepted: AcceptedPriceList, currency: str) -> dict[str, Any]:
        """Return what a verdict tells of an offer. Raises a PermanentError where nothing is bought."""
        if offer.named.is_ordered and self._payment.order:
            return _by_order(offer, self._payment.order, accepted.prices, currency)
        facts, quoted = offer.paid.facts, self._terms.quoted
        at = None if accepted.prices.is_timeless else offer.paid.happened_at
        alike = (offer.named.asked, facts.price, facts.price_names_currency, facts.cycle, facts.fault, at)
        if alike not in quoted:
            quoted[alike] = self._listed(offer, accepted, currency)
        return quoted[alike]

    def _listed(self, offer: Offer, accepted: AcceptedPriceList, currency: str) -> dict[str, Any]:
        """Return what a verdict tells of an offer at the list's prices. Raises as `_quoted`."""
        facts, prices = offer.paid.facts, accepted.prices
        with accepted.named():
            lines = _lines(offer, prices)
        told: dict[str, Any] = {"is_gift": all(prices.items[item].recipient for item, _ in lines)}
        quoted: Quote | None = None
        try:
            quoted = accepted.quote(self._asked(offer, lines, currency))
        except Overpaid as refusal:
            quoted = refusal.quote
            # Where the amount names no currency, it may be one of a currency of little worth.
            told |= {} if facts.price_names_currency else _refused(refusal)
        except PermanentError as refusal:
            told |= _refused(refusal)
        with accepted.named():
            bought = _checked(quoted.lines if quoted else listed_lines(prices, lines, currency))
        return told | {"lines": bought, "over": quoted.over if quoted else 0}

    def _asked(self, offer: Offer, lines: Lines, currency: str) -> Asked:
        """Return what a quote is asked for. Raises PayloadInvalid where nobody can read what was paid."""
        facts = offer.paid.facts
        if facts.price is None:
            raise PayloadInvalid(facts.fault)
        return Asked(
            lines=lines,
            coupon=offer.named.coupon,
            plan=facts.cycle.plan if facts.cycle else None,
            is_subscribed=facts.cycle is not None,
            cents=facts.price.cents,
            currency=currency,
            at=offer.paid.happened_at or self._terms.now,
        )

    def _granted_before(self, offer: Offer) -> tuple[QuotedLine, ...]:
        """Return what an earlier release has granted for an offer; it knew no carts."""
        if self._payment.verdicts or not offer.named.item or offer.named.quantity is None:
            return ()
        item, quantity = offer.named.item, offer.named.quantity
        cents = offer.paid.facts.price.cents if offer.paid.facts.price else 0
        if all((each.item, each.quantity) != (item, quantity) for each in self._payment.held.values()):
            return ()
        return (QuotedLine(item=item, quantity=quantity, cents=cents, proportional=False, grants={item: 1}),)


def _by_order(offer: Offer, order: Order, prices: PriceList, currency: str) -> dict[str, Any]:
    """Return what a verdict tells of the merchant's own order, which names the price, too."""
    price = offer.paid.facts.price
    lines = [(line.item, line.quantity) for line in order.lines]
    told = {"lines": _checked(ordered_lines(prices, lines, order.cents, order.currency))}
    if price is None:
        return told | _refused(PayloadInvalid(offer.paid.facts.fault))
    if (price.cents, currency) == (order.cents, order.currency):
        return told
    message = (
        f"The order costs {order.cents} cents {order.currency}; subtotal was {price.cents} cents {currency}."
    )
    return told | _refused(PriceMismatch(message))


def _lines(offer: Offer, prices: PriceList) -> Lines:
    """Return what is asked for, by its names in the list. Raises ItemUnknown."""
    named = offer.named
    if named.plan:
        if named.plan not in prices.plans:
            raise ItemUnknown(f"The price list has no plan {named.plan[:100]!r}.")
        plan = prices.plans[named.plan]
        return [(plan.item, plan.quantity)]
    lines: dict[str, int] = {}
    for line in named.lines:
        prices.check_item(line.item or "")
        # One price for all of an item: a coupon is rounded for each line, in the buyer's favour.
        lines[line.item or ""] = lines.get(line.item or "", 0) + (line.quantity or 0)
    return list(lines.items())


def _checked(lines: tuple[QuotedLine, ...]) -> tuple[QuotedLine, ...]:
    """Return lines that the ledger's columns can hold. Raises QuantityInvalid."""
    if any(count > _MOST_UNITS for count in units_of((line, line.quantity) for line in lines).values()):
        raise QuantityInvalid(f"webhookInfo: expected at most {_MOST_UNITS} units of an item.")
    return lines


def _refused(refusal: PermanentError) -> dict[str, Any]:
    return {"error": type(refusal).__name__, "reason": str(refusal)}
