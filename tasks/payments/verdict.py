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


class Verdicts:
    """Verdicts on the offers of a payment, found by what was offered."""

    def __init__(self, said: Iterable[Verdict]) -> None:
        self.all: list[Verdict] = []
        #: The numbers of those that say that it is paid come before the others.
        self._numbers: dict[tuple[str, str], tuple[bool, int]] = {}
        for verdict in said:
            self.add(verdict)

    def add(self, verdict: Verdict) -> None:
        """Let a verdict stand beside the others."""
        offer, number = (verdict.key, verdict.asked), (verdict.error is not None, len(self.all))
        self._numbers[offer] = min(number, self._numbers.get(offer, number))
        self.all.append(verdict)

    def on(self, offer: Offer) -> Verdict | None:
        """Return the verdict that stands on an offer, or None if there is none yet.

        Events that are one word now may have been two to an earlier release: one that is paid is enough.
        """
        asked = offer.named.asked
        found = [self._numbers[key, asked] for key in offer.paid.keys if (key, asked) in self._numbers]
        return self.all[min(found)[1]] if found else None
