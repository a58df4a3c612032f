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

from tasks.coinflow.event import Event, carries
from tasks.coinflow.event_types import Family, Meaning
from tasks.coinflow.fields import CustomerPayload, Payload
from tasks.coinflow.payloads import Chargeback, Paid, Refund
from tasks.payments.purchase import Match, Purchase, names_item, read_purchase
from tasks.payments.refunds import completes, refunded_cents


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
    paid: Event[Paid] | None = None
    #: The event or the operator's word that names the item, or None.
    named_by: Event[Payload] | Match | None = None
    #: The customer that the events name, or None.
    wallet: str | None = None
    #: The event that brought the status about.
    cause: Event[Payload] | None = None
    #: What has gone back to the buyer; less than the price leaves the grant.
    refunded_cents: int = 0

    @property
    def purchase(self) -> Purchase | None:
        """What was bought, or None while it is unknown. Raises a PermanentError that says what is wrong."""
        if self.paid is None or self.named_by is None:
            return None
        return read_purchase(self.paid, self.named_by, self.wallet)


def decide(events: Collection[Event[Payload]], match: Match | None = None) -> Decision:
    """Return what the payment's wallet should hold now; `match` is an operator's word on the item."""
    story = sorted(events, key=lambda event: event.position)
    paid = _paying(story)
    if paid is None:
        return Decision()
    named_by = match or next(filter(names_item, [paid, *story]), None)
    price = paid.payload.price
    refunds = [event for event in story if carries(event, Refund)]
    refunded = refunded_cents(refunds, price.currency)
    status, causes = _status(story, paid, refunds, is_refunded=0 < refunded >= price.cents)
    if status is DecisionStatus.GRANTED and named_by is None:
        status = DecisionStatus.UNMATCHED
    return Decision(
        status=status,
        paid=paid,
        named_by=named_by,
        wallet=_wallet([paid, *story]),
        cause=max(causes, key=lambda event: event.position),
        refunded_cents=refunded,
    )


def _paying(story: Sequence[Event[Payload]]) -> Event[Paid] | None:
    paying = [event for event in story if carries(event, Paid)]
    return min(paying, key=lambda event: event.type.name != "Settled", default=None)


def _wallet(story: Sequence[Event[Payload]]) -> str | None:
    named = (event.payload.customer_id for event in story if isinstance(event.payload, CustomerPayload))
    return next(filter(None, named), None)


def _status(
    story: Sequence[Event[Payload]],
    paid: Event[Payload],
    refunds: Sequence[Event[Refund]],
    *,
    is_refunded: bool,
) -> tuple[DecisionStatus, Sequence[Event[Payload]]]:
    """Return the status and the events that brought it about."""
    lost = [event for event in story if event.means(Meaning.REVOKES)]
    if lost:
        return DecisionStatus.REVOKED, lost
    if is_refunded:
        return DecisionStatus.REVOKED, list(filter(completes, refunds))
    won = [event for event in story if event.means(Meaning.RESTORES)]
    closed = {_dispute(event) for event in won}
    open_ = [
        event
        for event in story
        if event.means(Meaning.SUSPENDS)
        and (
            _dispute(event) not in closed
            if event.type.family is Family.CHARGEBACK
            else paid.type.name != "Settled"
        )
    ]
    if open_:
        return DecisionStatus.SUSPENDED, open_
    undone = [event for event in refunds if event.means(Meaning.UNDOES_REFUND)]
    return DecisionStatus.GRANTED, [paid, *won, *undone]


def _dispute(event: Event[Payload]) -> str | None:
    return event.payload.chargeback_id if isinstance(event.payload, Chargeback) else None
