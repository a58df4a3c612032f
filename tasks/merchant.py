"""A merchant's one import: all that its own code needs. Other modules may change with any release.

from tasks.merchant import Event, Settled, on

@on("Settled")
def thank(event: Event[Settled]) -> None: ...
"""

from tasks.coinflow.account_payloads import Kyb, Kyc, LimitThreshold, Subscription, Withdraw
from tasks.coinflow.event import Event
from tasks.coinflow.fields import Cents, CustomerPayload, Payload, RefundTotals, SignedCents
from tasks.coinflow.payloads import (
    Chargeback,
    CryptoDeposit,
    CryptoPayin,
    Declined,
    Disbursed,
    PurchasePayload,
    Refund,
    Reserve,
    Rfi,
    Settled,
)
from tasks.errors import PermanentError, TransientError
from tasks.payments.change import GrantChange, GrantLine
from tasks.payments.order import Order, OrderLine
from tasks.payments.states import GrantStatus
from tasks.pipeline.routing import on, on_grant_change, orders

__all__ = [
    "Cents",
    "Chargeback",
    "CryptoDeposit",
    "CryptoPayin",
    "CustomerPayload",
    "Declined",
    "Disbursed",
    "Event",
    "GrantChange",
    "GrantLine",
    "GrantStatus",
    "Kyb",
    "Kyc",
    "LimitThreshold",
    "Order",
    "OrderLine",
    "Payload",
    "PermanentError",
    "PurchasePayload",
    "Refund",
    "RefundTotals",
    "Reserve",
    "Rfi",
    "Settled",
    "SignedCents",
    "Subscription",
    "TransientError",
    "Withdraw",
    "on",
    "on_grant_change",
    "orders",
]
