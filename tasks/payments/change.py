"""Changes: what one decision moves of a payment, as the merchant's own world is told of it.

Their form is a contract with every merchant's server. It may get new names; none goes, and none changes its
meaning.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from tasks.payments.states import GrantStatus
from tasks.payments.wallet import wallet_key

#: The cause of what a person has decided.
OPERATOR = "operator"


def _in_milliseconds(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_Moment = Annotated[
    datetime,
    PlainSerializer(_in_milliseconds),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class GrantLine(BaseModel):
    """What a wallet holds of an item by one payment."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    wallet: Annotated[str, Field(description="The buyer's account, or the recipient's.")]
    item: Annotated[str, Field(description="The item's name in the price list.")]
    quantity: Annotated[int, Field(ge=1, description="How many are left of it, usable or not.")]
    status: Annotated[GrantStatus, Field(description="What the wallet may do with them.")]
    usable: Annotated[
        int, Field(ge=0, description="How many of them the wallet may use: 0 while suspended or revoked.")
    ]
    delta: Annotated[int, Field(description="`usable`, minus what the version before said.")]


class GrantChange(BaseModel):
    """A change of a payment, and all that the payment comes to with it."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    payment_id: Annotated[str, Field(description="Coinflow's id of the payment.")]
    version: Annotated[
        int, Field(ge=1, description="Counts the payment's changes, without a gap. The newest is the truth.")
    ]
    cause: Annotated[
        str, Field(description=f"Coinflow's type of the event that brought it about, or `{OPERATOR}`.")
    ]
    environment: Annotated[str, Field(description="Where the sender runs, such as production.")]
    items: Annotated[
        tuple[GrantLine, ...], Field(min_length=1, description="Every line that the payment ever held.")
    ]


class Notification(BaseModel):
    """What is sent: the body of the request, and what a function is given."""

    model_config = ConfigDict(defer_build=True, frozen=True)

    type: Annotated[Literal["grant.changed"], Field(description="What it tells of.")] = "grant.changed"
    timestamp: Annotated[_Moment, Field(description="When it was decided.")]
    data: GrantChange

    def body(self) -> bytes:
        """Return it as JSON: the same bytes each time."""
        return self.model_dump_json().encode()


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """An entry of the ledger, as a change is told from it."""

    version: int
    wallet: str
    item: str
    status: GrantStatus
    delta: int
    #: What was left after it, usable or not.
    units: int


def lines(entries: Sequence[LedgerEntry]) -> tuple[GrantLine, ...]:
    """Return what a payment comes to with its newest entry's version; `entries` are all up to it, in order.

    Spellings of one wallet are one line, under the first of them.
    """
    newest = max(entry.version for entry in entries)
    by_line: dict[tuple[str, str], list[LedgerEntry]] = {}
    for entry in entries:
        by_line.setdefault((wallet_key(entry.wallet), entry.item), []).append(entry)
    return tuple(_line(of_line, newest) for of_line in by_line.values())


def _line(entries: Sequence[LedgerEntry], newest: int) -> GrantLine:
    first, last = entries[0], entries[-1]
    usable = _sum(entries)
    return GrantLine(
        wallet=first.wallet,
        item=first.item,
        quantity=usable or last.units,
        status=last.status,
        usable=usable,
        delta=_sum(entry for entry in entries if entry.version == newest),
    )


def _sum(entries: Iterable[LedgerEntry]) -> int:
    return sum(entry.delta for entry in entries)


def notification_id(payment_id: str, version: int, endpoint: str) -> str:
    """Return what names a change towards an endpoint, on every try and after every restart."""
    named = "\n".join((endpoint, str(version), payment_id))
    return f"msg_{sha256(named.encode()).hexdigest()[:32]}"
