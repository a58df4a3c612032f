"""Pricing: asks the price list in force for a verdict where none stands."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.errors import (
    Discarded,
    ItemUnknown,
    PayloadInvalid,
    PermanentError,
    PriceListUnusable,
    PriceMismatch,
)
from tasks.payments.offers import ACCEPTABLE, Offer, Ruling
from tasks.payments.payment import Payment
from tasks.payments.price_list import AcceptedPriceList
from tasks.payments.resolution import ResolutionKind
from tasks.payments.verdict import Verdict, standing


@dataclass(frozen=True, slots=True)
class Terms:
    """By what an offer is priced that no list has priced yet."""

    #: The list in force, or None where none was ever accepted.
    prices: AcceptedPriceList | None
    #: The currency of an amount that names none.
    default_currency: str
    #: When it was paid where no event states that.
    now: datetime


class Pricing:
    """Prices a payment's offers, each once: what is paid stays paid, whatever a later list says.

    A refusal is priced anew where somebody asks for that, unless a person has accepted the price. What was
    paid by a discarded event is not priced any more. What is held without any verdict was priced by an
    earlier release, which stored none.
    """

    def __init__(self, payment: Payment, terms: Terms) -> None:
        """Start from the verdicts that stand."""
        accepted = {each.__name__ for each in ACCEPTABLE} if _is_accepted(payment) else set()
        self.verdicts = [
            each
            for each in payment.verdicts
            if not payment.asks_again or each.error is None or each.error in accepted
        ]
        #: The list by which something was priced now, or None.
        self.price_list_id: int | None = None
        self._terms = terms
        self._discarded = payment.discarded
        self._held = () if payment.verdicts else payment.held.values()

    def ruling_on(self, offer: Offer) -> Ruling:
        """Return whether the offer is paid. Raises PriceListUnusable if there is no list to price it by."""
        verdict = standing(self.verdicts, offer)
        if offer.paid.is_among(self._discarded) and (verdict is None or verdict.error):
            discarded = Discarded("An operator has discarded what was paid for.")
            return Ruling(discarded, self._terms.default_currency)
        if verdict:
            return verdict.ruling()
        made = self._made(offer)
        self.verdicts.append(made)
        return made.ruling()

    def _made(self, offer: Offer) -> Verdict:
        price, prices = offer.paid.facts.price, self._terms.prices
        known: dict[str, Any] = {
            "key": offer.paid.key,
            "item": offer.item,
            "quantity": offer.quantity,
            "currency": (price.currency if price else None) or self._terms.default_currency,
        }
        if any((each.item, each.quantity) == (offer.item, offer.quantity) for each in self._held):
            return Verdict(**known)
        if prices is None:
            raise PriceListUnusable("No price list was ever accepted; run `coinflowctl catalog apply`.")
        self.price_list_id = prices.id
        refusal = self._refusal(offer, prices, known["currency"])
        if refusal:
            known |= {"error": type(refusal).__name__, "reason": str(refusal)}
        return Verdict(
            **known,
            proportional=prices.prices.is_proportional(offer.item),
            price_list_id=prices.id,
            content_hash=prices.content_hash,
        )

    def _refusal(self, offer: Offer, prices: AcceptedPriceList, currency: str) -> PermanentError | None:
        facts = offer.paid.facts
        try:
            if facts.price is None:
                prices.check_item(offer.item)
                return PayloadInvalid(facts.fault)
            at = offer.paid.happened_at or self._terms.now
            prices.check(offer.item, offer.quantity, facts.price.cents, currency, at)
        except (ItemUnknown, PriceMismatch) as refusal:
            return refusal
        return None


def _is_accepted(payment: Payment) -> bool:
    return any(each.kind is ResolutionKind.ACCEPT_PRICE for each in payment.resolutions)
