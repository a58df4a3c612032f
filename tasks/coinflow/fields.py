"""The fields that several payloads share: amounts, `webhookInfo` and the customer.

Fields that Coinflow adds are kept. Reprs and errors end up in logs: a model's repr leaves out card digits,
e-mail addresses and unknown fields, and the text of a validation error what was sent.
"""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel
from pydantic_core import from_json

#: Stands between a merchant's id and the merchant's own user id in some identifiers of customers.
_SEPARATOR = "\u02ac"


#: Characters of a name that a column keeps.
NAME_LENGTH = 200
#: Far above any payment, and far below what a column holds.
_MOST_CENTS = 10**15


def _unwrap(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        parsed = from_json(value)
    except (TypeError, ValueError):  # TypeError: a string that UTF-8 cannot encode
        return value
    return parsed if isinstance(parsed, dict) else value


#: What a row is found by: no database indexes longer names, and PostgreSQL stores no NUL.
Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH, pattern=r"^[^\x00]*\z")]
Number = Annotated[float, Strict()]
Text = str | None
#: What identifies a person or a card.
Hidden = Annotated[str | None, Field(repr=False)]
#: The merchant's own object, as sent through the buyer's browser. Usually a dict; a string that holds a JSON
#: object becomes that dict; anything else is kept, so that the reader can say what is wrong with it.
WebhookInfo = Annotated[Any, BeforeValidator(_unwrap)]


class Model(BaseModel):
    """Frozen, read by Coinflow's camelCase names."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel, hide_input_in_errors=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Leave unknown fields out: nobody knows whom they identify."""
        unknown = self.__pydantic_extra__ or {}
        return [pair for pair in super().__repr_args__() if pair[0] not in unknown]


class SignedCents(Model):
    """An amount of either sign, in cents: fees and adjustments may turn out as credits."""

    cents: Annotated[int, Strict(), Field(ge=-_MOST_CENTS, le=_MOST_CENTS)]
    #: ISO 4217 code. Coinflow documents none on the amounts of purchases.
    currency: Name | None = None


class Cents(SignedCents):
    """An amount of 0 or more, in cents."""

    cents: Annotated[int, Strict(), Field(ge=0, le=_MOST_CENTS)]


class RefundTotals(Model):
    """What of a payment goes back."""

    subtotal: Cents
    processor_fees: SignedCents | None = None
    total: SignedCents | None = None
    resolution: SignedCents | None = None
    adjustment: SignedCents | None = None
    rate: Number | None = None


class Payload(Model):
    """Any event's `data`."""

    merchant_id: Text = None


class PurchaseFees(Payload):
    """The fees of a purchase: borne by the buyer, by the merchant at settlement, or billed to it later."""

    fees: SignedCents | None = None
    gas_fees: SignedCents | None = None
    chargeback_protection_fees: SignedCents | None = None
    fx_fees: SignedCents | None = None
    network_fees: SignedCents | None = None
    merchant_paid_fees: SignedCents | None = None
    merchant_paid_chargeback_protection_fees: SignedCents | None = None
    merchant_paid_gas_fees: SignedCents | None = None
    merchant_paid_fx_fees: SignedCents | None = None
    merchant_paid_network_fees: SignedCents | None = None
    invoiced_credit_card_fees: SignedCents | None = None
    invoiced_chargeback_protection_fees: SignedCents | None = None
    invoiced_gas_fees: SignedCents | None = None
    invoiced_fx_fees: SignedCents | None = None
    invoiced_network_fees: SignedCents | None = None


class CustomerPayload(Payload):
    """The `data` of an event about a customer: `wallet` in Version 2, `customerId` in Version 3."""

    wallet: Text = None
    customer: Annotated[str | None, Field(alias="customerId")] = None
    raw_customer_id: Text = None

    @property
    def customer_id(self) -> str | None:
        """The merchant's own id of the customer, or None.

        Coinflow has sent it both plain and as `<merchantId>\u02ac<id>`; both give the plain id.
        """
        for value in (self.raw_customer_id, self.customer, self.wallet):
            if value and (plain := value.rpartition(_SEPARATOR)[2]):
                return plain
        return None
