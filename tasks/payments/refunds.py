"""How much of a payment has gone back to the buyer, from every `Refund …` event of the payment.

Coinflow documents no id of a refund, and one refund speaks several times: as `Refund` with one status after
another, as `Refund Complete`, as `Refund Failure` or `Refund Returned`. The readings chosen here:

- Events that state the same amount (`totals.subtotal`), or the same `refundId` where there is one, may be of
  one refund. A refund says a thing once: a second `Refund Complete` of the same amount is a second refund.
- The order is that of `created`, never that of arrival.
- `Refund` with status `Settled` and `Refund Complete` both say that the money has left.
- `Refund Failure`, and `Refund` with status `Failed`, end a refund that has begun and not completed; only
  where there is none do they undo a completed one. `Refund Returned` undoes a completed one.
- What ends a refund and comes straight after its end, in other words, is about the same refund.
- An amount in another currency than the payment's says nothing about the payment's price and is not counted.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.coinflow.event_types import Meaning
from tasks.payments.facts import Refunded, Statement


class _Step(NamedTuple):
    event: Statement
    refund: Refunded

    @property
    def completes(self) -> bool:
        return self.event.type.name == "Refund Complete" or (
            self.event.type.name == "Refund" and self.refund.status == "Settled"
        )

    @property
    def ends(self) -> bool:
        return self.event.means(Meaning.UNDOES_REFUND) or (
            self.event.type.name == "Refund" and self.refund.status == "Failed"
        )


@dataclass(slots=True, eq=False)
class _Refund:
    """One refund, as far as its events have told."""

    said: set[tuple[str, str | None]] = field(default_factory=set)
    completed: bool = False
    ended: bool = False


def refunded_cents(events: Collection[Statement], currency: str | None) -> int:
    """Return the cents of all refunds that have completed and were not undone.

    `currency` is the payment's, or None where Coinflow names none.
    """
    groups: dict[tuple[str | None, int], list[_Step]] = {}
    for step in _steps(sorted(events, key=lambda event: event.position)):
        amount = step.refund.amount
        if None in {currency, amount.currency} or amount.currency == currency:
            groups.setdefault((step.refund.refund_id, amount.cents), []).append(step)
    return sum(
        cents * (_completed(group) if refund_id is None else _is_completed(group))
        for (refund_id, cents), group in groups.items()
    )


def completing(events: Collection[Statement]) -> list[Statement]:
    """Return the events that say that money has left."""
    return [step.event for step in _steps(events) if step.completes]


def _steps(events: Collection[Statement]) -> list[_Step]:
    return [_Step(event, event.facts.refund) for event in events if event.facts.refund]


def _is_completed(steps: Sequence[_Step]) -> bool:
    """Tell what the events of one refund say last."""
    words = [step for step in steps if step.completes or step.ends]
    return bool(words) and words[-1].completes


def _completed(steps: Sequence[_Step]) -> int:
    """Return how many refunds of one amount have completed and were not undone."""
    refunds: list[_Refund] = []
    last: _Refund | None = None
    for step in steps:
        name = step.event.type.name
        words = (name, step.refund.status if name == "Refund" else None)
        running = [each for each in refunds if not each.ended]
        if step.ends:
            if last and last.ended and words not in last.said:
                refund = last
            else:
                returned = name == "Refund Returned"
                refund = min(running, key=lambda each: each.completed != returned, default=_Refund())
            refund.ended, refund.completed = True, False
        else:
            refund = next((each for each in running if words not in each.said), _Refund())
            refund.completed |= step.completes
        if refund not in refunds:
            refunds.append(refund)
        refund.said.add(words)
        last = refund
    return sum(each.completed for each in refunds)
