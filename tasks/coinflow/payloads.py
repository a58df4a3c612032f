"""What Coinflow puts into `data`, Version 2 and Version 3 in one model per family.

Fields and names: Coinflow's OpenAPI, the `*WebhookData` and `*WebhookData3` schemas. A field is required only
if it names the payment or a rule needs it: a paid purchase is never refused for the lack of something that
fulfilment does not read, whatever the schema promises. Any other documented field may be missing or null, and
where a value has another type than the documented one, the field is None and its path is a misfit.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import Field

from tasks.coinflow.account_payloads import Kyb, Kyc, LimitThreshold, Subscription, Withdraw
from tasks.coinflow.event_types import Family
from tasks.coinflow.fields import (
    Amount,
    Cents,
    CustomerPayload,
    Fee,
    Hidden,
    Identifier,
    Name,
    Object,
    OptionalName,
    Payload,
    PurchaseFees,
    Reference,
    RefundTotals,
    Text,
    Truth,
    WebhookInfo,
)
from tasks.coinflow.misfits import misfits
from tasks.coinflow.spellings import text_of


class Unreadable(CustomerPayload):
    """What is read of `data` that does not fit its type: whose payment it is and what for. Anything fits."""

    webhook_info: WebhookInfo = None


class PurchasePayload(PurchaseFees, CustomerPayload):
    """`PaymentWebhookData`, `PaymentWebhookData3`: what every step of a payment carries."""

    id: Name
    webhook_info: WebhookInfo = None
    #: The price as the merchant set it.
    subtotal: Amount = None
    #: The subtotal and the fees that the buyer pays.
    total: Amount = None
    payment_method: Text = None
    subscription: Object = None
    card_token: Hidden = None
    last4: Hidden = None
    bin: Hidden = None
    reason_code: Identifier = None
    reason_message: Text = None


class _Checked(PurchasePayload):
    avs_response_code: Text = None
    cvv_response_code: Text = None
    three_ds_authentication_status: Text = None


class Declined(_Checked):
    """`PaymentDeclinedWebhookData`, `PaymentDeclinedWebhookData3`."""

    decline_code: Text = None
    decline_description: Text = None


class Paid(CustomerPayload):
    """What says that the merchant has the money."""

    #: Coinflow's name of the field that states the price.
    price_field: ClassVar[str]

    #: In no schema of Coinflow's, but third parties have seen both; anything may stand there.
    settlement_totals: Annotated[Any, Field(repr=False)] = None
    presentment_totals: Annotated[Any, Field(repr=False)] = None

    @property
    def price(self) -> Cents:
        """What was paid, without the buyer's fees."""
        raise NotImplementedError


class Settled(_Checked, Paid):
    """`SettledWebhookData`, `SettledWebhookData3`: the payment is complete."""

    price_field = "subtotal"

    subtotal: Cents
    #: The transaction on chain; no authentication code. Absent where settlement is not on chain.
    signature: Text = None
    velocity_hold: Truth = None
    reserve: Fee = None

    @property
    def price(self) -> Cents:
        """The subtotal; the total holds the buyer's fees, too."""
        return self.subtotal


class Chargeback(PurchasePayload):
    """`PaymentChargebackWebhookData`, `PaymentChargebackWebhookData3`."""

    # Whether `ACH Chargeback` carries these is undocumented.
    chargeback_id: Reference = None
    reason_description: Text = None
    #: ISO 8601. A missed date is a lost dispute.
    respond_by_date: Text = None


class Disbursed(Payload):
    """The `data` of `Disbursed Funds`; it names neither item nor customer."""

    id: Name
    signature: Text = None
    settlement_type: Text = None
    blockchain: Text = None
    amount: Amount = None
    disbursed_at: Text = None


class Refund(CustomerPayload):
    """The `data` of every `Refund …`; one payment can have several partial ones."""

    payment_id: Name
    totals: RefundTotals
    #: In no schema of Coinflow's, but third parties have seen it.
    refund_id: Identifier = None
    #: Documented: Pending, Invoiced, Settled, Failed. It tells whether money has left.
    status: str | None = None
    blockchain: Text = None
    webhook_info: WebhookInfo = None
    card_token: Hidden = None
    last4: Hidden = None
    bin: Hidden = None


class _CryptoTransfer(CustomerPayload):
    session_id: Text = None
    deposit_address: Text = None
    blockchain_chain_id: Text = None
    blockchain_name: Text = None
    token_symbol: Text = None
    transaction_hash: Text = None
    received_at: Text = None


class CryptoPayin(_CryptoTransfer, Paid):
    """The `data` of `Crypto Payin Funds Received`; it names no item."""

    price_field = "amount"

    payment_id: Name
    amount: Cents
    customer_email: Hidden = None

    @property
    def price(self) -> Cents:
        """The amount that has come."""
        return self.amount


class CryptoDeposit(_CryptoTransfer):
    """The `data` of `Crypto Deposit Funds Received`."""

    user: Text = None
    amount: Amount = None


class Reserve(Payload):
    """The `data` of `Reserve Released`."""

    payment_id: Name
    amount: Amount = None
    released: Text = None


class Rfi(CustomerPayload):
    """The `data` of `Iban RFI …`: the bank asks about a transfer, which may be of a payment."""

    rfi_id: Text = None
    merge_transaction_id: Text = None
    counterparty_name: Hidden = None
    amount: Amount = None
    payment_type: Text = None
    payment_date: Text = None
    due_date: Text = None
    payment_id: OptionalName = None
    withdraw_id: Text = None
    withdrawer_id: Text = None


#: The model of each family, and which field of `data` names the payment.
_FAMILIES: Mapping[Family, tuple[type[Payload], str | None]] = MappingProxyType(
    {
        Family.PURCHASE: (PurchasePayload, "id"),
        Family.DECLINED: (Declined, "id"),
        Family.SETTLED: (Settled, "id"),
        Family.CHARGEBACK: (Chargeback, "id"),
        Family.DISBURSED: (Disbursed, "id"),
        Family.REFUND: (Refund, "paymentId"),
        Family.CRYPTO_PAYIN: (CryptoPayin, "paymentId"),
        Family.CRYPTO_DEPOSIT: (CryptoDeposit, None),
        Family.RESERVE: (Reserve, "paymentId"),
        Family.RFI: (Rfi, "paymentId"),
        Family.LIMIT: (LimitThreshold, None),
        Family.SUBSCRIPTION: (Subscription, None),
        Family.KYC: (Kyc, None),
        Family.KYB: (Kyb, None),
        Family.WITHDRAW: (Withdraw, None),
        # Documented without their fields.
        Family.CONFIG: (Payload, None),
        Family.MARKETPLACE: (Payload, None),
    }
)


def build() -> None:
    """Build what reads payloads now, and not with the first payload: for a process that children share."""
    for each, _ in _FAMILIES.values():
        each.model_rebuild()


def model(family: Family) -> type[Payload]:
    """Return what the `data` of a family's events is read as."""
    return _FAMILIES[family][0]


def parse(family: Family, data: dict[str, Any]) -> tuple[Payload, tuple[str, ...]]:
    """Return `data` as the family's model, and its misfits. Raises pydantic's ValidationError."""
    left_out: list[str] = []
    payload = model(family).model_validate(data, context=left_out)
    # Looking for their paths takes time, and hardly an event has any.
    return payload, misfits(payload, data, left_out) if left_out else ()


def payment_id_of(family: Family, data: Mapping[str, Any]) -> str | None:
    """Return the id of the payment that `data` speaks of, whether or not the rest fits, or None."""
    _, field = _FAMILIES[family]
    return text_of(data.get(field)) if field else None
