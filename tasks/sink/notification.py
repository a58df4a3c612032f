"""What a notification says, as far as a merchant's server reads it."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

#: The one type of notification that tells of a payment; a server passes others over.
GRANT_CHANGED = "grant.changed"

#: What SQLite can hold.
_INTEGER_LIMIT = 2**63


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Line(_Part):
    """What a wallet may use of an item by one payment, and by how much the change moved it."""

    wallet: str
    item: str
    usable: Annotated[int, Field(ge=0, lt=_INTEGER_LIMIT)]
    delta: int


class Change(_Part):
    """One change of a payment, with every line that the payment ever held."""

    payment_id: str
    version: Annotated[int, Field(ge=1, lt=_INTEGER_LIMIT)]
    cause: str
    items: tuple[Line, ...]


class Notification(_Part):
    """A notification's body; what it is about depends on its type."""

    type: str
    data: dict[str, Any]
