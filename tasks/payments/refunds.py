"""How much of a payment has gone back to the buyer, from every `Refund …` event of the payment.

Coinflow documents no id of a refund, and one refund speaks several times: as `Refund` with one status after
another, as `Refund Complete`, as `Refund Failure` or `Refund Returned`. The readings chosen here:

- A refund is its `refundId`, which third parties have seen; without one, it is its amount. What states no id
  is of the refund with an id that states the same amount, where there is one.
- A word told at several times is one word, at its earliest: it is unknown whether Coinflow dates anew what it
  sends again. Where that matters, `retold_cents` says what it would come to otherwise.
- `Refund` with status `Settled` and `Refund Complete` both say that the money has left. `Refund` with status
  `Failed`, `Refund Failure` and `Refund Returned` say that the buyer has not got it. The last word decides.
- `totals.subtotal` counts where its currency is the payment's, otherwise `totals.resolution` if that is in
  it; `totals.rate` never does. What neither states is not counted, but told.
- What a person has restored is answered: a refund that had completed by then counts no more.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from tasks.coinflow.event_types import Meaning
from tasks.payments.facts import Money, Refunded
from tasks.payments.story import Statement

#: What a refund without an id is known by: cents of the payment's currency, or an amount of another one.
_Amount = int | Money


_Word = tuple[str, str | None]
_COMPLETING: frozenset[_Word] = frozenset({("Refund Complete", None), ("Refund", "settled")})


class _Telling(NamedTuple):
    event: Statement
    refund_id: str | None
    word: _Word
    amount: _Amount
    #: A person has restored what it took.
    is_answered: bool
    completes: bool
    ends: bool

    @property
    def copy(self) -> object:
        """What is alike in those that say the same of a refund."""
        return (self.word, self.amount, self.event.told_at)


class Refunds(NamedTuple):
    """What the refunds of a payment come to."""

    #: Of those that have completed, in the payment's currency.
    cents: int
    #: The same, if what was told again had happened again.
    retold_cents: int
    #: One has completed whose amount cannot be compared with the payment's.
    has_incomparable: bool
    #: The events that say that money has left or that it has come back.
    moved: Sequence[Statement]


_NONE = Refunds(0, 0, has_incomparable=False, moved=())


def refunds(story: Sequence[Statement], currency: str, answered: Collection[str] = ()) -> Refunds:
    """Return what the refunds come to; `story` is in order, `currency` is the payment's.

    `answered` are the keys of events that a person has restored.
    """
    tellings = _tellings(story, currency, answered)
    if not tellings:
        return _NONE
    cents = retold_cents = 0
    has_incomparable = False
    for own, joined in _grouped(tellings):
        together = sorted([*own, *joined], key=lambda telling: telling.event.position) if joined else own
        completed = _completed(together)
        has_incomparable |= isinstance(completed, Money)
        cents += 0 if _is_answered(together) else _cents(completed)
        retold_cents += _apart(joined) if joined else 0
        if own[0].refund_id is None:
            retold_cents += _apart(own)
        elif not _is_answered(own):
            retold_cents += _cents(_last_said(own))
    moved = [each.event for each in tellings if each.completes or each.ends]
    return Refunds(cents, retold_cents, has_incomparable, moved)


def _tellings(story: Sequence[Statement], currency: str, answered: Collection[str]) -> Sequence[_Telling]:
    """Return what is said of refunds, in order; what differs in nothing about the refund is said once."""
    said: dict[object, _Telling] = {}
    for event in story:
        if refund := event.facts.refund:
            telling = _telling(event, refund, currency, is_answered=event.is_among(answered))
            first = said.setdefault((refund.refund_id, telling.copy), telling)
            if telling.is_answered and not first.is_answered:
                said[refund.refund_id, telling.copy] = first._replace(is_answered=True)
    return list(said.values())


def _telling(event: Statement, refund: Refunded, currency: str, *, is_answered: bool) -> _Telling:
    name = event.type.name
    word = (name, refund.status if name == "Refund" else None)
    return _Telling(
        event,
        refund.refund_id,
        word,
        _amount(refund, currency),
        is_answered,
        completes=word in _COMPLETING,
        ends=event.means(Meaning.UNDOES_REFUND) or word == ("Refund", "failed"),
    )


def _amount(refund: Refunded, currency: str) -> _Amount:
    stated, resolution = refund.amount, refund.resolution
    if stated.currency == currency:
        return stated.cents
    if resolution and resolution.currency == currency:
        return resolution.cents
    return stated.cents if stated.currency is None else stated


def _grouped(tellings: Sequence[_Telling]) -> Iterable[tuple[list[_Telling], list[_Telling]]]:
    """Yield what each refund says, and what joins it that states no id."""
    named: dict[str, list[_Telling]] = {}
    others: list[_Telling] = []
    for each in tellings:
        if each.refund_id is None:
            others.append(each)
        else:
            named.setdefault(each.refund_id, []).append(each)
    copies = {each.copy for own in named.values() for each in own} if others else set()
    nameless: dict[_Amount, list[_Telling]] = {}
    for each in others:
        if each.copy not in copies:
            nameless.setdefault(each.amount, []).append(each)
    for own in named.values():
        amounts = dict.fromkeys(each.amount for each in own) if nameless else ()
        yield own, [each for amount in amounts for each in nameless.pop(amount, [])]
    for own in nameless.values():
        yield own, []


def _completed(tellings: Sequence[_Telling]) -> _Amount | None:
    """Return the amount of a refund that has completed, or None; each of its words counts once."""
    words: dict[_Word, _Telling] = {}
    for telling in tellings:
        words.setdefault(telling.word, telling)
    return _last_said(words.values())


def _last_said(tellings: Iterable[_Telling]) -> _Amount | None:
    """Return the amount of a refund whose last word completes it, or None."""
    amount = None
    for telling in tellings:
        if telling.completes or telling.ends:
            amount = telling.amount if telling.completes else None
    return amount


def _is_answered(tellings: Sequence[_Telling]) -> bool:
    """Tell whether the refund had completed when a person restored what it took."""
    answered = [each for each in tellings if each.is_answered]
    return bool(answered) and _completed(answered) is not None


def _cents(amount: _Amount | None) -> int:
    return amount if isinstance(amount, int) else 0


def _apart(tellings: Sequence[_Telling]) -> int:
    """Return the cents of refunds without an id, of one amount, if each telling is a refund of its own."""
    answered = [each for each in tellings if each.is_answered]
    return max(0, _each(tellings) - (_each(answered) if answered else 0))


def _each(tellings: Sequence[_Telling]) -> int:
    times = Counter([each.word for each in tellings])
    if len(times) == len(tellings):
        return _cents(_completed(tellings))
    completions = max((times[each.word] for each in tellings if each.completes), default=0)
    endings = max((times[each.word] for each in tellings if each.ends), default=0)
    return _cents(tellings[0].amount) * max(0, completions - endings)
