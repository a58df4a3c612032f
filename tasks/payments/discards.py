"""Discards: what an operator has given up of a payment, and what pays for it later all the same."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.coinflow.event_types import Meaning
from tasks.payments.decision import Decision
from tasks.payments.note import Note, NoteReason
from tasks.payments.resolution import Resolution
from tasks.payments.states import DecisionStatus, ResolutionKind
from tasks.payments.story import Statement, tell

#: What a person says who wants a payment granted, and what makes one grantable that named nobody.
_GRANTING = (ResolutionKind.ITEM, ResolutionKind.ACCEPT_PRICE)
_HELPING = (*_GRANTING, ResolutionKind.WALLET)


@dataclass(frozen=True, slots=True)
class Discard:
    """An operator has given up an event that paid; what is None is not known of it."""

    who: str | None = None
    at: datetime | None = None
    why: str | None = None
    #: The keys of the payment's events with which fulfilment was through by then.
    known: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Tell who did it, when and why."""
        when = f" on {self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if self.at else ""
        why = f" ({self.why})" if self.why else ""
        return f"{self.who or 'somebody'}{when}{why}"


def heed_discards(
    decision: Decision,
    events: Collection[Statement],
    discards: Mapping[str, Discard],
    resolutions: Sequence[Resolution] = (),
) -> Decision:
    """Return what a payment comes to of which operators have given up events; `discards` are by event.

    What paid and was given up asks for nobody any more. What pays and was not there yet is another matter,
    whatever was given up: a person must say whether it is granted.
    """
    if not discards or decision.paid is None or decision.status is DecisionStatus.REVOKED:
        return decision
    is_given_up = decision.paid.is_among(discards)
    # A word that the price list refuses has answered nothing.
    heard = () if is_given_up and decision.refusal else resolutions
    if note := _note_on_later(tell(events), discards, heard):
        return decision.held_up(note)
    if is_given_up and decision.refusal:
        return decision.given_up()
    is_usable = decision.status in {DecisionStatus.GRANTED, DecisionStatus.SUSPENDED}
    if not is_given_up or not is_usable or any(each.kind in _HELPING for each in heard):
        return decision
    told = f"Given up: {_told(decision.paid, discards)}. Since then nothing keeps it from being granted."
    return decision.held_up(Note(reason=NoteReason.DISCARDED, message=told))


def _note_on_later(
    story: Sequence[Statement], discards: Mapping[str, Discard], resolutions: Sequence[Resolution]
) -> Note | None:
    """Return the note on what pays since something that paid was given up, until a person speaks of it."""
    paying = [event for event in story if event.means(Meaning.PAID)]
    given_up = [event for event in paying if event.is_among(discards)]
    if not given_up:
        return None
    known = [_known(event, discards) for event in given_up]
    later = [
        event for event in paying if event not in given_up and not all(event.is_among(each) for each in known)
    ]
    said = [each.known for each in resolutions if each.kind in _GRANTING]
    if not later or any(event.is_among(known) for known in said for event in later):
        return None
    told = "; ".join(_told(event, discards) for event in given_up)
    message = f"Given up: {told}. Since then it was paid: {', and '.join(map(_in_words, later))}."
    return Note(reason=NoteReason.DISCARDED, message=message)


def _known(event: Statement, discards: Mapping[str, Discard]) -> frozenset[str]:
    """Return what fulfilment was through with when the event was given up."""
    return frozenset[str]().union(*(discards[key].known for key in event.keys if key in discards))


def _told(event: Statement, discards: Mapping[str, Discard]) -> str:
    last = max(
        (discards[key] for key in event.keys if key in discards),
        key=lambda each: each.at or datetime.min.replace(tzinfo=UTC),
    )
    return f"{_in_words(event)}, by {last}"


def _in_words(event: Statement) -> str:
    price = event.facts.price
    amount = f"{price.cents} cents {price.currency or ''}".rstrip() if price else "an unknown amount"
    return f"{event.type.name} of {event.created} over {amount}"
