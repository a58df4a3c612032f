"""How much of a purchase has gone back to the buyer, or may yet: by refunds, lost disputes and bank returns.

The readings chosen, beside those in `tasks.payments.refunds` and `tasks.payments.disputes`:

- `ACH Returned` takes the whole payment back.
- A dispute suspends the whole while it is open, whatever its amount.
- `Crypto Underpayment` holds the grant back until `Settled`, which alone says that a payment is complete.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from tasks.coinflow.event_types import Family, Meaning
from tasks.payments.disputes import Dispute, disputes
from tasks.payments.refunds import Refunds, refunds
from tasks.payments.sale import Sale, Units
from tasks.payments.story import Statement


class Reversal(NamedTuple):
    """What has gone back of a sale, or may yet."""

    #: How many units are left of each line, and whether nothing is.
    left: Units
    is_whole: bool
    #: Cents that have gone back, without those of a loss of the whole.
    gone: int
    refunds: Refunds
    disputes: Sequence[Dispute]
    #: The events that say that money has gone back, or come back to the merchant.
    moved: Sequence[Statement]
    #: The events that hold the item back for now.
    holding: Sequence[Statement]
    #: How many units would be left if each refund that was told again had happened again.
    left_otherwise: Units


def reversal(story: Sequence[Statement], sale: Sale, answered: Collection[str]) -> Reversal:
    """Return what has gone back; `answered` are the keys of events that a person has restored."""
    paid_back = refunds(story, sale.currency, answered)
    disputed = disputes(story, sale.currency, answered)
    lost = [each.lost for each in disputed if each.lost]
    parts = [_part(event, sale) for event in lost]
    returned = _unanswered(story, answered, Meaning.REVOKES)
    is_whole = bool(returned) or None in parts
    lost_cents = sum(part or 0 for part in parts)
    gone = paid_back.cents + lost_cents
    left = sale.none if is_whole else sale.left(gone)
    otherwise = sale.none if is_whole else sale.left(paid_back.retold_cents + lost_cents)
    is_paid_up = any(event.type.name == "Settled" and not event.facts.fault for event in story)
    missing = [] if is_paid_up else _unanswered(story, answered, Meaning.SUSPENDS)
    return Reversal(
        left=left,
        is_whole=is_whole or sale.reaches(gone),
        gone=gone,
        refunds=paid_back,
        disputes=disputed,
        moved=[*lost, *returned, *paid_back.moved, *(each.won for each in disputed if each.won)],
        holding=[*(each.opened for each in disputed if each.opened), *missing],
        left_otherwise=otherwise,
    )


def _part(lost: Statement, sale: Sale) -> int | None:
    """Return the cents that a dispute has lost, or None for the whole."""
    amount = lost.facts.dispute.amount if lost.facts.dispute else None
    if amount is None or amount.currency not in {None, sale.currency} or not sale.is_share(amount.cents):
        return None
    return amount.cents


def _unanswered(
    story: Sequence[Statement], answered: Collection[str], meaning: Meaning
) -> Sequence[Statement]:
    """Return what is said of the whole payment, outside disputes; however often, it is one thing."""
    said = [event for event in story if event.means(meaning) and event.type.family is not Family.CHARGEBACK]
    return [] if any(event.is_among(answered) for event in said) else said
