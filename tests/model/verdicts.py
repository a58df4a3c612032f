"""Verdicts: which paying word buys what, and why the others do not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.model.reading import PAYING, Word
from tests.model.values import Amount, Name

#: The cents of one unit, their currency, and whether units go back with their share of the money.
Offer = tuple[int, str, bool]
Prices = Mapping[str, Offer]


@dataclass(frozen=True)
class Candidate:
    word: Word
    name: Name
    #: Why it does not pay, or None: it does.
    why: str | None


@dataclass(frozen=True)
class Choice:
    """What a payment is taken for."""

    #: The candidate that is granted or, if none is, stands for the refusal; None: nothing is named.
    candidate: Candidate | None
    pays: bool
    price: Amount | None


def price_of(word: Word, default_currency: str) -> Amount | None:
    return Amount(word.paid.cents, word.paid.currency or default_currency) if word.paid else None


def choose(
    story: Sequence[Word], prices: Prices, item: Name | None, *, accepts_price: bool, default_currency: str
) -> Choice:
    """Return what a payment that somebody paid is taken for; `item` is a person's word."""
    paying = [word for word in story if word.type in PAYING]
    persons = [(word, item) for word in paying] if item else []
    own = [(word, name) for word in paying for name in _names(word, story)]
    every = []
    # What a person says and cannot be granted takes nothing.
    for pairs in (persons, own):
        candidates = [
            Candidate(word, name, _why(word, name, prices, default_currency)) for word, name in pairs
        ]
        every += candidates
        good = [each for each in candidates if each.why is None]
        if not good and accepts_price:
            # The first of those with the largest amount; an amount that nobody can read is the smallest.
            acceptable = [each for each in candidates if _is_acceptable(each, prices)]
            good = sorted(acceptable, key=lambda each: -(each.word.paid.cents if each.word.paid else -1))
        if good:
            return Choice(good[0], pays=True, price=price_of(good[0].word, default_currency))
    if every:
        return Choice(every[0], pays=False, price=price_of(every[0].word, default_currency))
    readable = [word for word in paying if not word.fault]
    if readable:
        return Choice(None, pays=False, price=price_of(readable[0], default_currency))
    nameless = Candidate(paying[0], Name(None, None), "PayloadInvalid")
    return Choice(nameless, pays=False, price=None)


def _names(word: Word, story: Sequence[Word]) -> list[Name]:
    if word.name:
        return [word.name]
    return list(dict.fromkeys(each.name for each in story if each.name))


def _why(word: Word, name: Name, prices: Prices, default_currency: str) -> str | None:
    paid = price_of(word, default_currency)
    if paid is None:
        return "PayloadInvalid"
    if name.item is None:
        return "ItemMissing"
    if name.quantity is None:
        return "QuantityInvalid"
    if name.item not in prices:
        return "ItemUnknown"
    cents, currency, _ = prices[name.item]
    return None if paid == Amount(cents * name.quantity, currency) else "PriceMismatch"


def _is_acceptable(candidate: Candidate, prices: Prices) -> bool:
    name = candidate.name
    return (
        candidate.why in {"PriceMismatch", "PayloadInvalid"} and name.item in prices and bool(name.quantity)
    )
