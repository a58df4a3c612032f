"""What a wallet should hold, decided from all events of a payment.

The function folds a set: the order in which events came and the number of copies cannot matter.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from pydantic import ValidationError

from tasks.errors import PayloadInvalid
from tasks.event import Event
from tasks.payloads import Settled
from tasks.purchase import Purchase, read_purchase


class DecisionStatus(StrEnum):
    """What a payment comes to."""

    NOTHING = "nothing"
    GRANTED = "granted"


@dataclass(frozen=True, slots=True)
class Decision:
    """Nothing, or one purchase granted because of one event."""

    status: DecisionStatus = DecisionStatus.NOTHING
    purchase: Purchase | None = None
    cause: Event | None = None


def decide(events: Collection[Event]) -> Decision:
    """Return what the payment's wallet should hold now. Raises a PermanentError that says why it cannot.

    Only `Settled` pays: it alone is defined as complete, with the money at the merchant
    (Coinflow's page on checkout webhooks). An authorisation never grants.
    """
    settled = sorted((event.created, event.key, event) for event in events if event.event_type == "Settled")
    if not settled:
        return Decision()
    # Copies that differ are not documented; the earliest decides, whichever came first.
    cause = settled[0][-1]
    return Decision(DecisionStatus.GRANTED, read_purchase(_payload(cause)), cause)


def _payload(event: Event) -> Settled:
    try:
        return Settled.model_validate(event.data)
    except ValidationError as error:
        fault = error.errors(include_input=False)[0]
        raise PayloadInvalid(f"data.{'.'.join(map(str, fault['loc']))}: {fault['msg']}.") from None
