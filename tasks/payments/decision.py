"""What a wallet should hold, decided from all events of a payment.

The function folds a set: the order in which events came and the number of copies cannot matter. Coinflow's
pages leave questions open; these are the answers chosen, beside those in `tasks.payments.refunds`:

- Only an event that says that the merchant has the money pays: `Settled`, `USDC Payment Received`,
  `Crypto Payin Funds Received`. An authorisation never does, and an event that closes an attempt (declined,
  voided, failed, expired) takes nothing back from a payment that settled all the same.
- Several paying events of one payment are one payment. `Settled` goes before the others, and of copies that
  differ the earliest by `created` decides.
- A dispute is its `chargebackId`; events without one (undocumented for `ACH Chargeback`) are one dispute.
  Won closes its own dispute alone, in whatever order the two came. A loss is final, even beside a won of the
  same dispute: the money is gone.
- `ACH Returned` takes the whole payment back, as a lost dispute does.
- `Crypto Underpayment` holds the grant back until `Settled`, which alone says that a payment is complete.
- The item may be named by any event of the payment: crypto pay-ins carry no `webhookInfo`, but an event
  before or after them may. The paying event's own word goes first, then the earliest by `created`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tasks.coinflow.event_types import Family, Meaning
from tasks.payments.facts import Money, Statement
from tasks.payments.purchase import Match, Purchase, read_purchase
from tasks.payments.refunds import completing, refunded_cents


class DecisionStatus(StrEnum):
    """What a payment comes to."""

    #: Nobody has paid.
    NOTHING = "nothing"
    #: Paid, and no event names the item yet.
    UNMATCHED = "unmatched"
    GRANTED = "granted"
    #: A dispute is open, or the amount is incomplete.
    SUSPENDED = "suspended"
    #: The money is gone.
    REVOKED = "revoked"
    #: Paid, and cannot be granted: a dead letter says why. The price list decides that, not `decide`.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the wallet should hold of a payment, and why."""

    status: DecisionStatus = DecisionStatus.NOTHING
    #: The event that pays, or None.
    paid: Statement | None = None
    #: What it says was paid, or None.
    price: Money | None = None
    #: The event or the operator's word that names the item, or None.
    named_by: Statement | Match | None = None
    #: The customer that the events name, or None.
    wallet: str | None = None
    #: The event that brought the status about.
    cause: Statement | None = None
    #: What has gone back to the buyer; less than the price leaves the grant.
    refunded_cents: int = 0

    @property
    def purchase(self) -> Purchase | None:
        """What was bought, or None while it is unknown. Raises a PermanentError that says what is wrong."""
        if self.paid is None or self.price is None or self.named_by is None:
            return None
        return read_purchase(self.price, self.paid.happened_at, self.named_by, self.wallet)


def decide(events: Collection[Statement], match: Match | None = None) -> Decision:
    """Return what the payment's wallet should hold now; `match` is an operator's word on the item."""
    story = sorted(events, key=lambda event: event.position)
    paying = [(event, event.facts.price) for event in story if event.facts.price]
    if not paying:
        return Decision()
    paid, price = min(paying, key=lambda each: each[0].type.name != "Settled")
    named_by = match or next((event for event in [paid, *story] if event.facts.named), None)
    refunded = refunded_cents(story, price.currency)
    status, causes = _status(story, paid, is_refunded=0 < refunded >= price.cents)
    if status is DecisionStatus.GRANTED and named_by is None:
        status = DecisionStatus.UNMATCHED
    return Decision(
        status=status,
        paid=paid,
        price=price,
        named_by=named_by,
        wallet=next((event.facts.customer for event in [paid, *story] if event.facts.customer), None),
        cause=max(causes, key=lambda event: event.position),
        refunded_cents=refunded,
    )


def _status(
    story: Sequence[Statement], paid: Statement, *, is_refunded: bool
) -> tuple[DecisionStatus, Sequence[Statement]]:
    """Return the status and the events that brought it about."""
    lost = [event for event in story if event.means(Meaning.REVOKES)]
    if lost:
        return DecisionStatus.REVOKED, lost
    if is_refunded:
        return DecisionStatus.REVOKED, completing(story)
    won = [event for event in story if event.means(Meaning.RESTORES)]
    closed = {event.facts.chargeback_id for event in won}
    open_ = [
        event
        for event in story
        if event.means(Meaning.SUSPENDS)
        and (
            event.facts.chargeback_id not in closed
            if event.type.family is Family.CHARGEBACK
            else paid.type.name != "Settled"
        )
    ]
    if open_:
        return DecisionStatus.SUSPENDED, open_
    undone = [event for event in story if event.means(Meaning.UNDOES_REFUND)]
    return DecisionStatus.GRANTED, [paid, *won, *undone]
