"""Verdicts: what a price list said of an offer. It is kept with the payment, and stands."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict

from tasks.errors import ItemUnknown, PayloadInvalid, PermanentError, PriceMismatch
from tasks.payments.offers import Offer, Ruling

_REFUSALS: Mapping[str, type[PermanentError]] = MappingProxyType(
    {each.__name__: each for each in (ItemUnknown, PriceMismatch, PayloadInvalid)}
)


class Verdict(BaseModel):
    """What a price list said of an offer, once."""

    model_config = ConfigDict(frozen=True)

    #: The event that pays, by its key.
    key: str
    item: str
    quantity: int
    #: In which the amount counts.
    currency: str
    #: Whether what goes back in part takes whole units.
    proportional: bool = False
    #: The name of the error, and what it says; None: it is paid.
    error: str | None = None
    reason: str | None = None
    #: The list's row, and the SHA-256 of its text; None where an earlier release had granted it.
    price_list_id: int | None = None
    content_hash: str | None = None

    def ruling(self) -> Ruling:
        """Return it as the rules read it."""
        refusal = _REFUSALS[self.error](self.reason) if self.error else None
        return Ruling(refusal, self.currency, self.proportional)


def standing(verdicts: Iterable[Verdict], offer: Offer) -> Verdict | None:
    """Return the verdict on an offer, or None if there is none yet.

    Events that are one word now may have been two to an earlier release: one of them that is paid is enough.
    """
    on_it = [
        each
        for each in verdicts
        if each.key in offer.paid.keys and (each.item, each.quantity) == (offer.item, offer.quantity)
    ]
    return min(on_it, key=lambda each: each.error is not None, default=None)
