"""What a wallet should hold of a payment, decided from all that is known of it.

The function folds a set: the order in which events came and the number of copies cannot matter. Coinflow's
pages leave questions open; these are the answers chosen, beside those in `tasks.payments.refunds`,
`tasks.payments.disputes` and `tasks.payments.reversal`:

- Only an event that says that the merchant has the money pays: `Settled`, `USDC Payment Received`,
  `Crypto Payin Funds Received`. An authorisation never does, and an event that closes an attempt (declined,
  voided, failed, expired) takes nothing back from a payment that settled all the same.
- Several paying events of one payment are one payment. One that pays its price is enough; of several, the
  earliest by `created` does.
- A person's word goes before all others.
- The item, and the customer, may be named by any event of the payment; the paying event's word goes first.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from tasks.errors import Discarded, PermanentError, WalletInvalid
from tasks.payments.attention import (
    Note,
    NoteReason,
    note_on_differing,
    note_on_refusal,
    notes_on_paid,
    notes_on_unpaid,
)
from tasks.payments.facts import Money
from tasks.payments.offers import Choice, Offer, Ruling, choose
from tasks.payments.purchase import Purchase, checked_wallet
from tasks.payments.resolution import Resolution, Resolved, resolve
from tasks.payments.reversal import Reversal, Sale, reversal
from tasks.payments.story import Statement, tell


class DecisionStatus(StrEnum):
    """What a payment comes to."""

    #: Nobody has paid.
    NOTHING = "nothing"
    #: Paid, and no event names the item yet.
    UNMATCHED = "unmatched"
    GRANTED = "granted"
    #: A dispute is open, or the amount is incomplete.
    SUSPENDED = "suspended"
    #: The money is gone, or a person says so.
    REVOKED = "revoked"
    #: Paid, and cannot be granted: a dead letter says why.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the wallet should hold of a payment, and why."""

    status: DecisionStatus = DecisionStatus.NOTHING
    #: The event that pays, or None.
    paid: Statement | None = None
    #: What it says was paid, in the currency in which that counts; or None.
    price: Money | None = None
    #: What was bought, or None while that is unknown or refused.
    purchase: Purchase | None = None
    #: How many of it are left; all, where it is revoked.
    left: int = 0
    #: Why what was paid cannot be granted, or None.
    refusal: PermanentError | None = None
    #: A dispute is open, or the amount is incomplete, whatever else keeps it from being granted.
    is_held_back: bool = False
    #: The customer that the events, or a person, name; or None.
    wallet: str | None = None
    #: The event that brought the status about.
    cause: Statement | None = None
    #: What refunds have brought back to the buyer.
    refunded_cents: int = 0
    #: What a person should look at.
    notes: tuple[Note, ...] = ()
    #: A person has looked at all of it.
    is_done: bool = False

    def given_up(self) -> Self:
        """Return it for what an operator has given up: nobody needs to look at the refusal any more."""
        notes = tuple(note for note in self.notes if note.reason is not NoteReason.REFUSED)
        return replace(self, refusal=Discarded("An operator has discarded what was paid for."), notes=notes)


def decide(
    events: Collection[Statement],
    ruling_on: Callable[[Offer], Ruling],
    resolutions: Sequence[Resolution] = (),
    default_currency: str = "USD",
) -> Decision:
    """Return what the payment's wallet should hold now.

    `ruling_on` tells whether an offer is paid; `resolutions` are persons' words, in order. An amount that
    names no currency is one of `default_currency`. What `ruling_on` raises is raised.
    """
    story, resolved = tell(events), resolve(resolutions)
    is_done = bool(events) and all(event.key in resolved.done for event in events)
    choice = choose(story, resolved.named, ruling_on, default_currency, accepts_price=resolved.accepts_price)
    if choice is None:
        return Decision(
            notes=tuple(notes_on_unpaid(story, default_currency, resolved.answered)), is_done=is_done
        )
    wallet = resolved.wallet or next(
        (event.facts.customer for event in [choice.paid, *story] if event.facts.customer), None
    )
    purchase, refusal = _purchase(choice, wallet)
    sale = _sale(choice)
    gone = reversal(story, sale, resolved.answered)
    status, refusal = _status(gone, resolved, purchase, refusal)
    decision = Decision(
        status=status,
        paid=choice.paid,
        price=Money(cents=sale.cents, currency=sale.currency) if sale.cents is not None else None,
        purchase=purchase,
        left=_left(status, gone, purchase),
        refusal=refusal,
        is_held_back=bool(gone.holding),
        wallet=wallet,
        cause=_cause(status, choice.paid, gone),
        refunded_cents=gone.refunds.cents,
        is_done=is_done,
    )
    return replace(decision, notes=tuple(_notes(story, sale, gone, decision, default_currency)))


def _sale(choice: Choice) -> Sale:
    price, ruling = choice.paid.facts.price, choice.ruling
    return Sale(
        cents=price.cents if price else None,
        currency=(price.currency if price else None) or ruling.currency,
        quantity=choice.offer.quantity if choice.offer else None,
        proportional=ruling.proportional,
    )


def _purchase(choice: Choice, wallet: str | None) -> tuple[Purchase | None, PermanentError | None]:
    if choice.ruling.refusal or choice.offer is None:
        return None, choice.ruling.refusal
    try:
        return Purchase(checked_wallet(wallet), choice.offer.item, choice.offer.quantity), None
    except WalletInvalid as refusal:
        return None, refusal


def _status(
    gone: Reversal, resolved: Resolved, purchase: Purchase | None, refusal: PermanentError | None
) -> tuple[DecisionStatus, PermanentError | None]:
    """Return the status, and the refusal unless the money is gone: then nothing is left to be granted."""
    if resolved.revokes or not gone.left:
        return DecisionStatus.REVOKED, None
    if refusal:
        return DecisionStatus.REFUSED, refusal
    if gone.holding:
        return DecisionStatus.SUSPENDED, None
    return DecisionStatus.GRANTED if purchase else DecisionStatus.UNMATCHED, None


def _left(status: DecisionStatus, gone: Reversal, purchase: Purchase | None) -> int:
    if purchase is None:
        return 0
    return purchase.quantity if status is DecisionStatus.REVOKED else gone.left


def _cause(status: DecisionStatus, paid: Statement, gone: Reversal) -> Statement:
    causes = gone.holding if status is DecisionStatus.SUSPENDED else [paid, *gone.moved]
    return max(causes, key=lambda event: event.position)


def _notes(
    story: Sequence[Statement], sale: Sale, gone: Reversal, decision: Decision, default_currency: str
) -> list[Note]:
    is_revoked = decision.status is DecisionStatus.REVOKED
    is_bought = decision.purchase is not None
    notes = notes_on_paid(story, sale, gone, is_bought=is_bought, is_revoked=is_revoked)
    if decision.refusal:
        return [note_on_refusal(decision.refusal, story, default_currency), *notes]
    if decision.status is DecisionStatus.UNMATCHED:
        return [Note(reason=NoteReason.UNMATCHED, message="Paid, and no event names the item."), *notes]
    differing = note_on_differing(story, default_currency) if is_bought and not is_revoked else []
    return [*differing, *notes]
