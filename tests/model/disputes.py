"""Disputes: which are open, and what was lost by the others."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from tests.model.reading import DISPUTES, LOST, OPENED, WON, Word
from tests.model.values import Amount


@dataclass(frozen=True)
class Dispute:
    is_open: bool
    #: What each word that stands says was lost; None: it names no readable amount.
    lost: Sequence[Amount | None]
    is_retold: bool


def disputes(story: Sequence[Word], currency: str, answered: Collection[Word]) -> list[Dispute]:
    """Return the disputes of a payment; `answered`: the words that were known when a person restored it."""
    said = [_in(word, currency) for word in story if word.type in DISPUTES and not word.fault]
    answered = {_in(word, currency) for word in answered}
    ids = {word.chargeback_id for word in said}
    return [_dispute([word for word in said if word.chargeback_id == each], answered) for each in ids]


def _dispute(said: Sequence[Word], answered: Collection[Word]) -> Dispute:
    first = next((_kind(word) for word in said if word.type in OPENED), None)
    # What was answered is answered, whenever it is told again.
    known = [word for word in said if word in answered]
    left = [word for word in said if _kind(word) not in {_kind(each) for each in known}]
    again = any(
        word.told not in {each.told for each in known if _kind(each) == _kind(word)}
        for word in said
        if _kind(word) in {_kind(each) for each in known}
    )
    stands = _once(left)
    opened = [word for word in stands if word.type in OPENED]
    last = max(
        (word for word in stands if word.type in WON | LOST), key=lambda word: word.position, default=None
    )
    is_retold = again or _is_retold(left)
    if last and last.type in LOST:
        return Dispute(is_open=False, lost=[last.disputed], is_retold=is_retold)
    # A person's answer stands as a Won before all that is left.
    if last is None and not known:
        return Dispute(is_open=bool(opened), lost=[], is_retold=False)

    def is_after(word: Word, other: Word | None) -> bool:
        return other is None or word.position > other.position

    reopened = [word for word in opened if is_after(word, last) and _kind(word) != first]
    if reopened:
        closings = [word for word in left if word.type in WON | LOST and is_after(word, reopened[-1])]
        return Dispute(is_open=True, lost=[], is_retold=is_retold or bool(closings))
    openings = [word for word in left if word.type in OPENED and is_after(word, last)]
    return Dispute(
        is_open=False, lost=[], is_retold=is_retold or any(_times(said, word) > 1 for word in openings)
    )


def _is_retold(left: Sequence[Word]) -> bool:
    """Tell whether, of a Won and a Lost, the earlier one was told at different times."""
    stands = _once(left)
    return any(
        _times(left, min(won, lost, key=lambda word: word.position)) > 1
        for won in stands
        if won.type in WON
        for lost in stands
        if lost.type in LOST
    )


def _in(word: Word, currency: str) -> Word:
    """Return the word with the payment's currency where its amount names none."""
    named = word.disputed and Amount(word.disputed.cents, word.disputed.currency or currency)
    return replace(word, disputed=named)


def _once(words: Iterable[Word]) -> list[Word]:
    """Return each distinct word at its earliest time."""
    stands: dict[object, Word] = {}
    for word in words:
        stands.setdefault(_kind(word), word)
    return list(stands.values())


def _kind(word: Word) -> tuple[object, ...]:
    if word.type in OPENED:
        return ("opened", word.respond_by, word.reason)
    return ("won",) if word.type in WON else ("lost", word.disputed)


def _times(words: Iterable[Word], word: Word) -> int:
    return len({each.told for each in words if _kind(each) == _kind(word)})


def lost_cents(
    lost: Sequence[Amount | None],
    price: Amount | None,
    quantity: int | None,
    *,
    is_proportional: bool,
) -> tuple[int, bool]:
    """Return the cents that lost disputes took, and whether one of them took the whole."""
    cents, is_whole = 0, False
    for amount in lost:
        is_part = (
            amount is not None
            and price is not None
            and amount.currency == price.currency
            and 0 < amount.cents < price.cents
            and quantity != 1
            and (not is_proportional or quantity is None or amount.cents * quantity % price.cents == 0)
        )
        cents += amount.cents if amount and is_part else 0
        is_whole |= not is_part
    return cents, is_whole
