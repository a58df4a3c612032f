"""Every event type that Coinflow documents, as data: its payload's family and what it means for a payment.

The 75 spellings are the 66 of `WebhookEventType` in Coinflow's OpenAPI (July 2026) and the 9 that only its
documentation pages name: two `Config …`, three `Sub-merchant Application …`, two `Sub-merchant RFI …`,
`Withdraw Unclaimed` and `Withdraw On Hold`. Left out are `CryptoDepositFundsReceived`, which one copy of
the withdraw page writes for `Crypto Deposit Funds Received`, and `Unknown Wire Payment Received`, which only
third parties mention: neither names a payment, so both fare as every unknown type does, stored and answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Family(StrEnum):
    """Event types whose `data` has the same fields."""

    PURCHASE = "purchase"
    DECLINED = "declined"
    SETTLED = "settled"
    CHARGEBACK = "chargeback"
    DISBURSED = "disbursed"
    REFUND = "refund"
    CRYPTO_PAYIN = "crypto_payin"
    CRYPTO_DEPOSIT = "crypto_deposit"
    RESERVE = "reserve"
    RFI = "rfi"
    LIMIT = "limit"
    CONFIG = "config"
    SUBSCRIPTION = "subscription"
    KYC = "kyc"
    KYB = "kyb"
    MARKETPLACE = "marketplace"
    WITHDRAW = "withdraw"


class Meaning(StrEnum):
    """What an event says about its payment; inferred from its name where Coinflow does not say."""

    #: The merchant has the money; authorisations never say so.
    PAID = "paid"
    #: The money is disputed or incomplete.
    SUSPENDS = "suspends"
    #: A dispute ended in the merchant's favour.
    RESTORES = "restores"
    #: The money is gone for good.
    REVOKES = "revokes"
    #: Money goes back; how much and whether it has left is in the payload (`Refund` also reports `Pending`).
    REFUNDS = "refunds"
    #: A refund did not reach the buyer.
    UNDOES_REFUND = "undoes_refund"
    #: The attempt failed; the buyer may try again under another payment id.
    CLOSES = "closes"
    #: Nothing to decide.
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class EventType:
    """One event type; `category` is what samples send. Coinflow's own is unreliable: dispatch by `name`."""

    name: str
    family: Family
    meaning: Meaning
    category: str


# The Config, RFI, reserve and limit events' category is undocumented; `Purchase` is a guess.
_CATEGORIES = {
    Family.SUBSCRIPTION: "Subscription",
    Family.KYC: "KYC",
    Family.KYB: "KYC",
    Family.MARKETPLACE: "Marketplace",
    Family.CRYPTO_DEPOSIT: "Withdraw",
    Family.WITHDRAW: "Withdraw",
}

_TABLE: tuple[tuple[Family, Meaning, tuple[str, ...]], ...] = (
    # Cards, and Apple Pay and Google Pay with them
    (Family.PURCHASE, Meaning.NOTED, ("Card Payment Authorized", "Payment Pending Review")),
    (Family.PURCHASE, Meaning.CLOSES, ("Card Payment Voided", "Card Payment Suspected Fraud")),
    (Family.DECLINED, Meaning.CLOSES, ("Card Payment Declined",)),
    (Family.CHARGEBACK, Meaning.SUSPENDS, ("Card Payment Chargeback Opened",)),
    (Family.CHARGEBACK, Meaning.RESTORES, ("Card Payment Chargeback Won",)),
    (Family.CHARGEBACK, Meaning.REVOKES, ("Card Payment Chargeback Lost",)),
    # All methods. What pays must state its price, so `USDC Payment Received` is read as `Settled` is.
    (Family.SETTLED, Meaning.PAID, ("Settled", "USDC Payment Received")),
    (Family.DISBURSED, Meaning.NOTED, ("Disbursed Funds",)),
    (Family.PURCHASE, Meaning.NOTED, ("Payment Authorized", "Credits Minted")),
    (Family.PURCHASE, Meaning.CLOSES, ("Payment Expiration",)),
    (Family.REFUND, Meaning.REFUNDS, ("Refund", "Refund Complete")),
    (Family.REFUND, Meaning.UNDOES_REFUND, ("Refund Failure", "Refund Returned")),
    (Family.RESERVE, Meaning.NOTED, ("Reserve Released",)),
    (Family.LIMIT, Meaning.NOTED, ("Customer Override Limit Threshold",)),
    # ACH
    (Family.PURCHASE, Meaning.NOTED, ("ACH Initiated", "ACH Batched", "ACH Success")),
    (Family.PURCHASE, Meaning.CLOSES, ("ACH Failed",)),
    (Family.PURCHASE, Meaning.REVOKES, ("ACH Returned",)),
    (Family.CHARGEBACK, Meaning.SUSPENDS, ("ACH Chargeback",)),
    # PIX, SEPA and UK Faster Payments (Iban), wire, Interac, Cash App
    (Family.PURCHASE, Meaning.NOTED, ("Wire Initiated",)),
    (Family.PURCHASE, Meaning.CLOSES, ("PIX Failed", "PIX Expiration", "Iban Failure", "Wire Failure")),
    (Family.PURCHASE, Meaning.CLOSES, ("Interac Failure", "CashApp Failure")),
    (Family.RFI, Meaning.NOTED, ("Iban RFI Created", "Iban RFI Submitted")),
    # PayPal and Venmo
    (Family.PURCHASE, Meaning.NOTED, ("PayPal Payment Authorized", "Venmo Payment Authorized")),
    (Family.PURCHASE, Meaning.CLOSES, ("PayPal Payment Voided", "Venmo Payment Voided")),
    (Family.PURCHASE, Meaning.CLOSES, ("PayPal Failure", "Venmo Failure")),
    (
        Family.CHARGEBACK,
        Meaning.SUSPENDS,
        ("PayPal Payment Chargeback Opened", "Venmo Payment Chargeback Opened"),
    ),
    (Family.CHARGEBACK, Meaning.RESTORES, ("PayPal Payment Chargeback Won", "Venmo Payment Chargeback Won")),
    (Family.CHARGEBACK, Meaning.REVOKES, ("PayPal Payment Chargeback Lost", "Venmo Payment Chargeback Lost")),
    # Crypto
    (Family.CRYPTO_PAYIN, Meaning.PAID, ("Crypto Payin Funds Received",)),
    (Family.CRYPTO_DEPOSIT, Meaning.NOTED, ("Crypto Deposit Funds Received",)),
    (Family.PURCHASE, Meaning.NOTED, ("Crypto Overpayment",)),
    (Family.PURCHASE, Meaning.SUSPENDS, ("Crypto Underpayment",)),
    # Not about one payment
    (Family.SUBSCRIPTION, Meaning.NOTED, ("Subscription Created", "Subscription Canceled")),
    (Family.SUBSCRIPTION, Meaning.NOTED, ("Subscription Expired", "Subscription Failure")),
    (Family.SUBSCRIPTION, Meaning.NOTED, ("Subscription Concluded",)),
    (Family.KYC, Meaning.NOTED, ("KYC Created", "KYC Success", "KYC Failure")),
    (Family.KYB, Meaning.NOTED, ("Sub-merchant KYB Created", "Sub-merchant KYB Success")),
    (Family.KYB, Meaning.NOTED, ("Sub-merchant KYB Failure",)),
    (Family.KYB, Meaning.NOTED, ("Sub-merchant Application Submitted", "Sub-merchant Application Approved")),
    (Family.KYB, Meaning.NOTED, ("Sub-merchant Application Declined",)),
    (Family.KYB, Meaning.NOTED, ("Sub-merchant RFI Sent", "Sub-merchant RFI Submitted")),
    (Family.MARKETPLACE, Meaning.NOTED, ("Seller Blocked",)),
    (Family.WITHDRAW, Meaning.NOTED, ("Withdraw Pending", "Withdraw Success", "Withdraw Failure")),
    (Family.WITHDRAW, Meaning.NOTED, ("Withdraw Unclaimed", "Withdraw On Hold")),
    (Family.CONFIG, Meaning.NOTED, ("Config Method Status Changed", "Config Fee Changed")),
)

#: By exact spelling. Coinflow keeps adding types: `EVENT_TYPES.get(name)` is None for one it added since.
EVENT_TYPES: Mapping[str, EventType] = MappingProxyType(
    {
        name: EventType(name, family, meaning, _CATEGORIES.get(family, "Purchase"))
        for family, meaning, names in _TABLE
        for name in names
    }
)
