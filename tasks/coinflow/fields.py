"""The fields that several payloads share: amounts, `webhookInfo` and the customer.

A field that no rule reads never refuses an event: where its value has another type it is None, and the body
keeps what was sent. What a rule reads is refused if it cannot be read, so that nothing is granted on a guess.

Fields that Coinflow adds are kept. Reprs and errors end up in logs: a model's repr leaves out card digits,
e-mail addresses and unknown fields, and the text of a validation error what was sent.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    Strict,
    StringConstraints,
    ValidationInfo,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema, from_json

from tasks.coinflow.spellings import text_of, whole_number, without_merchant

#: Characters of a name that a column keeps.
NAME_LENGTH = 200
#: Far above any payment, and far below what a column holds.
MOST_CENTS = 10**15
#: PostgreSQL stores no NUL.
_STORABLE = r"^[^\x00]*\z"


def unwrap(value: object) -> object:
    """Return the object that a string of JSON holds, or the value as it is."""
    parsed = value
    for _ in range(2):  # an object that was encoded by hand and then again with what holds it
        if not isinstance(parsed, str):
            break
        try:
            parsed = from_json(parsed)
        except (TypeError, ValueError):  # TypeError: a string that UTF-8 cannot encode
            break
    return parsed if isinstance(parsed, dict) else value


def _spelled(value: object) -> object:
    """Return the text that a value spells, None for blanks, and what is no text for pydantic to refuse."""
    return text_of(value) if isinstance(value, str) else text_of(value) or value


def _unnamed(value: object) -> object:
    """Return None for blanks, and anything else for pydantic to refuse."""
    return None if isinstance(value, str) and not value.strip() else value


def _leave_out(_: object, info: ValidationInfo) -> None:
    if isinstance(info.context, list):
        info.context.append(info.field_name)


class _Lenient:
    """Makes None of a value that does not fit, and adds the field's name to the context if that is a list.

    What is tried first is pydantic's own: a value that fits costs no call into Python.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        left_out = core_schema.with_info_plain_validator_function(_leave_out)
        return core_schema.union_schema([handler(source), left_out], mode="left_to_right")


@dataclass(frozen=True, slots=True)
class _Otherwise:
    """Tries a value that does not fit once more, as `read` gives it; the error's text is `expected`."""

    read: Callable[[object], object]
    expected: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        fitting = handler(source)
        return core_schema.union_schema(
            [fitting, core_schema.no_info_before_validator_function(self.read, fitting)],
            mode="left_to_right",
            custom_error_type="unreadable",
            custom_error_message=f"Input should be {self.expected}",
        )


_LENIENT = _Lenient()

_Indexed = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH, pattern=_STORABLE)]

#: What a row is found by, as text or as a whole number: no database indexes longer names.
Name = Annotated[_Indexed, BeforeValidator(_spelled)]
OptionalName = Annotated[_Indexed | None, BeforeValidator(_spelled)]
#: Tells one thing from another, as text or as a whole number; another type is refused.
Reference = Annotated[str | None, BeforeValidator(_spelled)]
#: As `Reference`, but None where it cannot be read.
Identifier = Annotated[Reference, _LENIENT]
Text = Annotated[str | None, _LENIENT]
#: What identifies a person or a card.
Hidden = Annotated[Text, Field(repr=False)]
Number = Annotated[Annotated[float, Strict()] | None, _LENIENT]
Truth = Annotated[bool | None, _LENIENT]
Object = Annotated[dict[str, Any] | None, _LENIENT]
#: The merchant's own object, as sent through the buyer's browser. Usually a dict; a string that holds a JSON
#: object becomes that dict; anything else is kept, so that the reader can say what is wrong with it.
WebhookInfo = Annotated[Any, BeforeValidator(unwrap)]

_Currency = Annotated[
    Annotated[
        str,
        StringConstraints(
            strip_whitespace=True, to_upper=True, min_length=1, max_length=NAME_LENGTH, pattern=_STORABLE
        ),
    ]
    | None,
    _Otherwise(_unnamed, "the code of a currency or null"),
]


class Model(BaseModel):
    """Frozen, read by Coinflow's camelCase names."""

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="allow", alias_generator=to_camel, hide_input_in_errors=True
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Leave unknown fields out: nobody knows whom they identify."""
        unknown = self.__pydantic_extra__ or {}
        return [pair for pair in super().__repr_args__() if pair[0] not in unknown]


class SignedCents(Model):
    """An amount of either sign, in cents: fees and adjustments may turn out as credits."""

    cents: Annotated[
        int,
        Strict(),
        Field(ge=-MOST_CENTS, le=MOST_CENTS),
        _Otherwise(whole_number, f"a whole number of cents, at most {MOST_CENTS} either way"),
    ]
    #: ISO 4217 code, in capitals. Coinflow documents none on the amounts of purchases.
    currency: _Currency = None


class Cents(SignedCents):
    """An amount of 0 or more, in cents."""

    cents: Annotated[
        int,
        Strict(),
        Field(ge=0, le=MOST_CENTS),
        _Otherwise(whole_number, f"a whole number of cents, from 0 to {MOST_CENTS}"),
    ]


#: An amount that no payment hangs on; in an unreadable currency it is no amount.
Amount = Annotated[Cents | None, _LENIENT]
Fee = Annotated[SignedCents | None, _LENIENT]


class RefundTotals(Model):
    """What of a payment goes back."""

    subtotal: Cents
    processor_fees: Fee = None
    total: Fee = None
    resolution: Amount = None
    adjustment: Fee = None
    rate: Number = None


class Payload(Model):
    """Any event's `data`."""

    merchant_id: Identifier = None


class PurchaseFees(Payload):
    """The fees of a purchase: borne by the buyer, by the merchant at settlement, or billed to it later."""

    fees: Fee = None
    gas_fees: Fee = None
    chargeback_protection_fees: Fee = None
    fx_fees: Fee = None
    network_fees: Fee = None
    merchant_paid_fees: Fee = None
    merchant_paid_chargeback_protection_fees: Fee = None
    merchant_paid_gas_fees: Fee = None
    merchant_paid_fx_fees: Fee = None
    merchant_paid_network_fees: Fee = None
    invoiced_credit_card_fees: Fee = None
    invoiced_chargeback_protection_fees: Fee = None
    invoiced_gas_fees: Fee = None
    invoiced_fx_fees: Fee = None
    invoiced_network_fees: Fee = None


class CustomerPayload(Payload):
    """The `data` of an event about a customer: `wallet` in Version 2, `customerId` in Version 3."""

    wallet: Identifier = None
    customer: Annotated[Identifier, Field(alias="customerId")] = None
    raw_customer_id: Identifier = None

    @property
    def customer_id(self) -> str | None:
        """The merchant's own id of the customer, or None.

        Coinflow has sent it both plain and as `<merchantId>\u02ac<id>`; both give the plain id.
        """
        for value in (self.raw_customer_id, self.customer, self.wallet):
            if value and (plain := without_merchant(value)):
                return plain
        return None
