"""Verdicts: what a price list said of an offer. It is kept with the payment, and stands."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

from tasks.errors import (
    CouponInvalid,
    ItemUnknown,
    LimitReached,
    Overpaid,
    PayloadInvalid,
    PermanentError,
    PriceMismatch,
    QuantityInvalid,
)
from tasks.payments.offers import Offer, Ruling
from tasks.payments.quote import QuotedLine

_REFUSALS: Mapping[str, type[PermanentError]] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            CouponInvalid,
            ItemUnknown,
            LimitReached,
            Overpaid,
            PayloadInvalid,
            PriceMismatch,
            QuantityInvalid,
        )
    }
)


class Verdict(BaseModel):
    """What a price list said of an offer, once."""

    model_config = ConfigDict(frozen=True)

    #: The event that pays, by its key, and what it is offered for, as `Named.asked` says it.
    key: str
    asked: str
    #: In which the amount counts.
    currency: str
    #: What is bought, at the price that was asked for it.
    lines: tuple[QuotedLine, ...] = ()
    #: Cents above that price.
    over: int = 0
    #: A recipient gets it instead of who pays.
    is_gift: bool = False
    #: The name of the error, and what it says; None: it is paid.
    error: str | None = None
    reason: str | None = None
    #: The list's row, and the SHA-256 of its text; None where an earlier release had granted it.
    price_list_id: int | None = None
    content_hash: str | None = None

    def ruling(self) -> Ruling:
        """Return it as the rules read it."""
        refusal = _REFUSALS[self.error](self.reason) if self.error else None
        return Ruling(refusal, self.currency, self.lines, self.over, self.is_gift)


def standing(verdicts: Iterable[Verdict], offer: Offer) -> Verdict | None:
    """Return the verdict on an offer, or None if there is none yet.

    Events that are one word now may have been two to an earlier release: one of them that is paid is enough.
    """
    on_it = [each for each in verdicts if each.key in offer.paid.keys and each.asked == offer.named.asked]
    return min(on_it, key=lambda each: each.error is not None, default=None)
