"""Refunds: what of a payment has gone back, and what would have if words told twice were two refunds."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from tests.model.reading import REFUNDS, Word
from tests.model.values import Amount

Key = tuple[str, int]


@dataclass
class Refund:
    id: str | None
    own: list[Word] = field(default_factory=list)
    #: Words without an id that are about this refund by their amount alone.
    joined: list[Word] = field(default_factory=list)


@dataclass(frozen=True)
class GoneBack:
    cents: int
    #: The sum by the other reading of what was told at several times.
    alternative: int
    #: Something has gone back that cannot be compared with the price.
    is_other_currency: bool


def gone_back(story: Sequence[Word], currency: str, answered: Collection[Word]) -> GoneBack:
    """Return what has gone back; `answered`: the words known when a person restored."""
    total, alternative, other = 0, 0, False
    for refund in _refunds(story, currency):
        every = [*refund.own, *refund.joined]
        end = _completed(every)
        if end and _in(end, currency) is None:
            other = True
        is_answered = _completed(each for each in every if each in answered) is not None
        if not is_answered:
            total += _cents(end, currency)
        alternative += _other_reading(refund, currency, answered)
    return GoneBack(total, alternative, other)


def _refunds(story: Sequence[Word], currency: str) -> list[Refund]:
    said = [word for word in story if word.type in REFUNDS and not word.fault]
    with_id: dict[str, Refund] = {}
    for word in said:
        if word.refund_id is not None:
            with_id.setdefault(word.refund_id, Refund(word.refund_id)).own.append(word)
    without: dict[Key, Refund] = {}
    for word in said:
        if word.refund_id is not None:
            continue
        key = _key(word, currency)
        alike = [each for each in with_id.values() if any(_key(own, currency) == key for own in each.own)]
        if any(_is_same(word, own, currency) for each in alike for own in each.own):
            continue
        if alike:
            min(alike, key=lambda each: each.own[0].position).joined.append(word)
        else:
            without.setdefault(key, Refund(None)).own.append(word)
    return [*with_id.values(), *without.values()]


def _other_reading(refund: Refund, currency: str, answered: Collection[Word]) -> int:
    apart = _apart(refund.joined, currency, answered)
    if refund.id is None:
        return apart + _apart(refund.own, currency, answered)
    if _completed(each for each in refund.own if each in answered):
        return apart
    if _is_retold(refund.own):
        latest = max(
            (each for each in refund.own if _ends(each) or _completes(each)), key=_position, default=None
        )
        return apart + (_cents(latest, currency) if latest and _completes(latest) else 0)
    return apart + _cents(_completed(refund.own), currency)


def _apart(words: Sequence[Word], currency: str, answered: Collection[Word]) -> int:
    """Return the cents of words without an id as refunds of their own, less what is answered."""
    return max(0, _many(words, currency, words) - _many(words, currency, answered))


def _many(words: Sequence[Word], currency: str, known: Collection[Word]) -> int:
    told = [word for word in words if word in known]
    if not _is_retold(told):
        return _cents(_completed(told), currency)
    times = _times(told)
    completing = max((len(times[_kind(each)]) for each in told if _completes(each)), default=0)
    ending = max((len(times[_kind(each)]) for each in told if _ends(each)), default=0)
    return _cents(told[0], currency) * max(0, completing - ending)


def _completed(words: Iterable[Word]) -> Word | None:
    """Return the word that completes a refund for good, or None."""
    stands: dict[tuple[str, str | None], Word] = {}
    for word in sorted(words, key=_position):
        stands.setdefault(_kind(word), word)
    last = [word for word in stands.values() if _completes(word) or _ends(word)][-1:]
    return last[0] if last and _completes(last[0]) else None


def _is_retold(words: Iterable[Word]) -> bool:
    return any(len(times) > 1 for times in _times(words).values())


def _times(words: Iterable[Word]) -> dict[tuple[str, str | None], set[object]]:
    times: dict[tuple[str, str | None], set[object]] = {}
    for word in words:
        times.setdefault(_kind(word), set()).add(word.told)
    return times


def _kind(word: Word) -> tuple[str, str | None]:
    return (word.type, word.status if word.type == "Refund" else None)


def _completes(word: Word) -> bool:
    return _kind(word) in {("Refund", "settled"), ("Refund Complete", None)}


def _ends(word: Word) -> bool:
    return _kind(word) in {("Refund", "failed"), ("Refund Failure", None), ("Refund Returned", None)}


def _is_same(one: Word, other: Word, currency: str) -> bool:
    return (_kind(one), _key(one, currency), one.told) == (_kind(other), _key(other, currency), other.told)


def _key(word: Word, currency: str) -> Key:
    cents = _in(word, currency)
    if cents is not None:
        return ("comparable", cents)
    stated = _stated(word)
    return (stated.currency or "", stated.cents)


def _cents(word: Word | None, currency: str) -> int:
    return (_in(word, currency) or 0) if word else 0


def _in(word: Word, currency: str) -> int | None:
    """Return a refund's cents in the payment's currency, or None: they cannot be compared."""
    stated, resolution = _stated(word), word.resolution
    if stated.currency == currency:
        return stated.cents
    if resolution and resolution.currency == currency:
        return resolution.cents
    return stated.cents if stated.currency is None else None


def _stated(word: Word) -> Amount:
    assert word.refunded is not None
    return word.refunded


def _position(word: Word) -> tuple[object, ...]:
    return word.position
