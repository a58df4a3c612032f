"""Notes: each a thing that a person should look at, with its reason."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class NoteReason(StrEnum):
    """Why a payment asks for a person."""

    #: Paid, and cannot be granted.
    REFUSED = "refused"
    #: Paid again after an operator has given up what was paid.
    DISCARDED = "discarded"
    #: Paid, and nothing names the item.
    UNMATCHED = "unmatched"
    #: An event cannot be read, and nothing else may say what it said.
    UNREADABLE = "unreadable"
    #: A dispute or a refund of what nobody has paid, as far as is known.
    UNPAID = "unpaid"
    #: Money was disbursed of what nobody has paid, as far as is known.
    DISBURSED = "disbursed"
    #: A dispute is open; who does not answer in time loses it.
    DISPUTE = "dispute"
    PARTLY_REFUNDED = "partly_refunded"
    #: Money went back in a currency that the payment does not name.
    REFUND_CURRENCY = "refund_currency"
    #: Something was told again at another time; twice, it would come to something else.
    RETOLD = "retold"
    OVERPAID = "overpaid"
    UNDERPAID = "underpaid"
    #: Several events say that it was paid, and not how much.
    AMOUNTS_DIFFER = "amounts_differ"
    #: An earlier payment is of the same order.
    ORDER_PAID_TWICE = "order_paid_twice"


class Note(BaseModel):
    """One thing that a person should look at."""

    model_config = ConfigDict(frozen=True)

    reason: NoteReason
    message: str
    #: When a dispute must be answered at the latest: an instant in UTC, or as Coinflow wrote it.
    respond_by_date: str | None = None
