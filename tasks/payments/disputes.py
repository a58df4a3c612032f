"""What the disputes of a payment have come to, from every event with a `chargebackId` or a place for one.

The readings chosen, where Coinflow's pages leave questions open:

- A dispute is its `chargebackId`; events without one (undocumented for `ACH Chargeback`) are one dispute.
- Words of a dispute that differ in `created` alone are one word, at its earliest time: it is unknown whether
  Coinflow dates anew what it sends again.
- The last of `Won` and `Lost` decides, for an arbitration may turn a loss. A single `Opened` outlives
  neither; a second one with another `respondByDate` or reason, later than the `Won`, opens the dispute again.
- The `subtotal` of a `Lost` below the payment's is what was lost. Coinflow's pages do not say whether it
  states the disputed amount or the payment's.
- What a person has restored is answered: those words count no more, and the first `Opened` with them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.coinflow.event_types import Family, Meaning
from tasks.payments.facts import Disputed
from tasks.payments.story import Statement


class Dispute(NamedTuple):
    """What one dispute has come to."""

    #: What keeps it open, or None.
    opened: Statement | None = None
    #: What lost it, or None.
    lost: Statement | None = None
    #: What won it, or None.
    won: Statement | None = None
    #: It would have come to something else if what was told again had happened again.
    is_retold: bool = False


@dataclass(slots=True)
class _Word:
    """One word of a dispute, with all times at which it was told."""

    tellings: list[Statement] = field(default_factory=list)

    @property
    def first(self) -> Statement:
        return self.tellings[0]

    @property
    def is_retold(self) -> bool:
        return len({telling.told_at for telling in self.tellings}) > 1

    def is_among(self, keys: Collection[str]) -> bool:
        return any(telling.is_among(keys) for telling in self.tellings)

    def is_told_beside(self, keys: Collection[str]) -> bool:
        """Tell whether it is among these, and told at another time, too."""
        known = {telling.told_at for telling in self.tellings if telling.is_among(keys)}
        return bool(known) and any(telling.told_at not in known for telling in self.tellings)


def disputes(story: Sequence[Statement], currency: str, answered: Collection[str] = ()) -> list[Dispute]:
    """Return the payment's disputes; `currency` is that of amounts that name none.

    `answered` are the keys of events that a person has restored.
    """
    by_id: dict[str | None, dict[object, _Word]] = {}
    for event in story:
        dispute = event.facts.dispute
        if dispute and event.type.family is Family.CHARGEBACK:
            words = by_id.setdefault(dispute.chargeback_id, {})
            words.setdefault(_said(event, dispute, currency), _Word()).tellings.append(event)
    return [_concluded(list(words.values()), answered) for words in by_id.values()]


def _said(event: Statement, dispute: Disputed, currency: str) -> object:
    if event.means(Meaning.SUSPENDS):
        return (Meaning.SUSPENDS, dispute.respond_by_date, dispute.reason)
    if event.means(Meaning.REVOKES):
        lost = dispute.amount
        return (Meaning.REVOKES, lost and lost.cents, lost and (lost.currency or currency))
    return event.type.meaning


def _concluded(words: Sequence[_Word], answered: Collection[str]) -> Dispute:
    counting = [word for word in words if not word.is_among(answered)]
    openings = [word for word in words if word.first.means(Meaning.SUSPENDS)]
    outcomes = [word for word in counting if not word.first.means(Meaning.SUSPENDS)]
    opened = [word for word in counting if word.first.means(Meaning.SUSPENDS)]
    retold = _is_turned(outcomes) or any(word.is_told_beside(answered) for word in words)
    if outcomes and outcomes[-1].first.means(Meaning.REVOKES):
        return Dispute(lost=outcomes[-1].first, is_retold=retold)
    if not outcomes and len(counting) == len(words):
        return Dispute(opened=opened[-1].first if opened else None)
    won = outcomes[-1].first if outcomes else None
    again = [word.first for word in opened if word is not openings[0] and _is_later(word.first, won)]
    if again:
        closed = any(_is_later(word.tellings[-1], again[-1]) for word in outcomes)
        return Dispute(opened=again[-1], is_retold=retold or closed)
    reopened = any(word.is_retold and _is_later(word.tellings[-1], won) for word in opened)
    return Dispute(won=won, is_retold=retold or reopened)


def _is_turned(outcomes: Sequence[_Word]) -> bool:
    """Tell whether an outcome was turned by another one and was told again: perhaps after that one."""
    later: set[Meaning] = set()
    for word in reversed(outcomes):
        meaning = word.first.type.meaning
        if word.is_retold and later - {meaning}:
            return True
        later.add(meaning)
    return False


def _is_later(event: Statement, won: Statement | None) -> bool:
    return won is None or event.position > won.position
