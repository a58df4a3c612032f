"""Conclusions: what a payment comes to, in words for whoever must answer its buyer."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tasks.payments.note import NoteReason
from tasks.payments.states import DecisionStatus, GrantStatus
from tasks.store.runs import FULFILMENT
from tasks.store.states import RunState, SetAside
from tasks.store.views.payment_story import PaymentFailure, PaymentStory

#: Names that a sentence lists, at most.
_MOST = 5
_ASK_DOCTOR = "`coinflowctl doctor` says whether a worker answers."


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What the buyer holds, why or why not, and what to do next, if anything."""

    #: In capitals, such as REFUSED.
    word: str
    says: str
    next_step: str | None = None

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.word}: {self.says}" + (f" Next: {self.next_step}" if self.next_step else "")


def conclude(story: PaymentStory, merchant_ids: Collection[str] = ()) -> Conclusion:
    """Return what a payment comes to; `merchant_ids` are those that are accepted, or none for all."""
    failed = next((each for each in _dead(story) if each.handler == FULFILMENT), None)
    decided = None if _is_foreign(story) else _DECIDED.get(story.state or "")
    if failed and story.state not in {DecisionStatus.REFUSED, DecisionStatus.REVOKED}:
        says = f"Fulfilment has given up: {failed.error}: {failed.message} {_held(story)}"
        return Conclusion("FAILED", says, f"mend it, then run `coinflowctl dead-letters replay {failed.id}`.")
    if decided is None:
        return _undecided(story, merchant_ids)
    conclusion = decided(story)
    if waiting := _waiting(story):
        return Conclusion(
            conclusion.word, f"{conclusion.says} {waiting}, which may change that.", _ASK_DOCTOR
        )
    return conclusion


def _is_foreign(story: PaymentStory) -> bool:
    """Tell whether a payment comes to nothing because all of its events are another merchant's."""
    is_nothing = story.state == DecisionStatus.NOTHING
    return is_nothing and all(each.state == SetAside.FOREIGN for each in story.events)


def _undecided(story: PaymentStory, merchant_ids: Collection[str]) -> Conclusion:
    nothing = _held(story)
    if waiting := _waiting(story):
        return Conclusion("WAITING", f"{waiting}, so nothing is decided yet. {nothing}", _ASK_DOCTOR)
    if any(each.state == SetAside.FOREIGN for each in story.events):
        named = _listed(story.foreign_merchants) or "that cannot be read"
        accepted = _listed(merchant_ids) or "everybody by now"
        says = f"Its events name merchant {named}; COINFLOW_MERCHANT_IDS accepts {accepted}."
        return Conclusion(
            "FOREIGN",
            f"{says} {nothing} {_noted(story)}".rstrip(),
            "if it is yours, add it to COINFLOW_MERCHANT_IDS, restart, and run `coinflowctl events reread`"
            + (f"; if not, {_taken_back(story)}" if _is_held(story) else "."),
        )
    if dead := _dead(story):
        letter = dead[-1]
        return Conclusion(
            "UNREADABLE",
            f"{letter.error}: {letter.message} {nothing}",
            f"upgrade, or ask Coinflow, then run `coinflowctl dead-letters replay {letter.id}`.",
        )
    return Conclusion("NOT PAID", f"No event says that it was paid. {nothing}")


def _unpaid(story: PaymentStory) -> Conclusion:
    newest = story.events[-1].event_type
    says = f"The newest event is {newest}, and no event says that the merchant has the money."
    return Conclusion(
        "NOT PAID",
        f"{says} {_held(story)} {_noted(story)}".rstrip(),
        _taken_back(story)
        if _is_held(story)
        else "nothing, until `Settled` comes; Coinflow's dashboard says whether it will.",
    )


def _unmatched(story: PaymentStory) -> Conclusion:
    return Conclusion(
        "UNMATCHED",
        f"{_paid(story)}, and no event names the item. {_buyer(story)} has nothing of it.",
        f"`coinflowctl payments resolve {story.payment_id} --item ITEM --reason TEXT` says what was bought.",
    )


def _granted(story: PaymentStory) -> Conclusion:
    says = _held(story)
    if story.refunded_cents:
        says += f" {story.refunded_cents} of {story.cents} cents {story.currency} have gone back."
    untold = [each.endpoint for each in story.notifications if (each.told or 0) < each.newest]
    if untold:
        says += f" Not told yet: {_listed(untold)}."
        return Conclusion(
            "GRANTED", says, f"`coinflowctl notifications list --payment-id {story.payment_id}` says why."
        )
    if told := [each.endpoint for each in story.notifications]:
        says += f" Told: {_listed(told)}."
    return Conclusion("GRANTED", says)


def _suspended(story: PaymentStory) -> Conclusion:
    until = min((each.respond_by_date for each in story.notes if each.respond_by_date), default=None)
    return Conclusion(
        "SUSPENDED",
        f"{_noted(story) or 'A dispute is open, or the amount is incomplete.'} {_held(story)}",
        f"answer the dispute in Coinflow's dashboard by {until}."
        if until
        else "wait for Coinflow's next event.",
    )


def _revoked(story: PaymentStory) -> Conclusion:
    cause = story.ledger_entries[-1].cause if story.ledger_entries else story.events[-1].event_type
    return Conclusion("REVOKED", f"It was taken back by {cause}. {_held(story)} {_noted(story)}".rstrip())


def _refused(story: PaymentStory) -> Conclusion:
    return Conclusion(
        "REFUSED",
        f"{_noted(story)} {_buyer(story)} does not have it.",
        f"refund it in Coinflow's dashboard, or grant it: `coinflowctl payments resolve {story.payment_id}`.",
    )


def _filtered(story: PaymentStory) -> Conclusion:
    says = "It is of another shop or environment than the price list is for."
    return Conclusion("FILTERED", f"{says} {_held(story)}")


_DECIDED: Mapping[str, Callable[[PaymentStory], Conclusion]] = MappingProxyType(
    {
        DecisionStatus.NOTHING: _unpaid,
        DecisionStatus.UNMATCHED: _unmatched,
        DecisionStatus.GRANTED: _granted,
        DecisionStatus.SUSPENDED: _suspended,
        DecisionStatus.REVOKED: _revoked,
        DecisionStatus.REFUSED: _refused,
        DecisionStatus.FILTERED: _filtered,
    }
)


def _dead(story: PaymentStory) -> Sequence[PaymentFailure]:
    return [each for each in story.dead_letters if each.state == RunState.DEAD]


def _waiting(story: PaymentStory) -> str:
    count = story.waiting
    return f"{count} of its events {'waits' if count == 1 else 'wait'} for a worker" if count else ""


def _held(story: PaymentStory) -> str:
    """Say what wallets hold of it, and may use."""
    if not story.grants:
        return f"{_buyer(story)} has nothing of it."
    said = []
    for grant in story.grants[:_MOST]:
        what = f"{grant.quantity} {grant.item}"
        match GrantStatus(grant.status):
            case GrantStatus.GRANTED:
                said.append(f"{grant.wallet} has {what}")
            case GrantStatus.SUSPENDED:
                said.append(f"{grant.wallet} has {what} and cannot use it now")
            case GrantStatus.REVOKED:
                said.append(f"{grant.wallet} has {what} no more")
    more = len(story.grants) - _MOST
    return "; ".join(said) + (f"; and {more} more" if more > 0 else "") + "."


def _is_held(story: PaymentStory) -> bool:
    return any(each.status != GrantStatus.REVOKED for each in story.grants)


def _taken_back(story: PaymentStory) -> str:
    """Say what to do about what is held that nobody has paid: no event is there to be the cause of a move."""
    return (
        "take it from the buyer where you deliver it, for nothing here does, and then run "
        f"`coinflowctl payments resolve {story.payment_id} --done --reason TEXT`."
    )


def _buyer(story: PaymentStory) -> str:
    return story.wallet or story.buyer or "The buyer, whom no event names,"


def _paid(story: PaymentStory) -> str:
    return "It is paid" if story.cents is None else f"{story.cents} cents {story.currency} are paid"


def _noted(story: PaymentStory) -> str:
    """Say what a person should look at; what keeps it from being granted comes first."""
    notes = sorted(story.notes, key=lambda each: each.reason != NoteReason.REFUSED)
    return " ".join(dict.fromkeys(each.message for each in notes[:_MOST]))


def _listed(names: Collection[str]) -> str:
    shown = sorted(names)[:_MOST]
    return ", ".join(shown) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
