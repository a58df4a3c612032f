"""Words: what a payment's events say, each once, in their order."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.model.values import (
    NAME_LENGTH,
    Amount,
    Name,
    amount,
    customer,
    info,
    name,
    text,
    totals_currency,
    trimmed,
)

Packet = dict[str, Any]

PAYIN = "Crypto Payin Funds Received"
PAYING = {"Settled", "USDC Payment Received", PAYIN}
REFUNDS = {"Refund", "Refund Complete", "Refund Failure", "Refund Returned"}
_TRIPLES = {f"{method} Payment Chargeback" for method in ("Card", "PayPal", "Venmo")}
OPENED = {f"{triple} Opened" for triple in _TRIPLES} | {"ACH Chargeback"}
WON = {f"{triple} Won" for triple in _TRIPLES}
LOST = {f"{triple} Lost" for triple in _TRIPLES}
DISPUTES = OPENED | WON | LOST
#: Other types that name a payment: by `paymentId`, and by `id`.
_BY_PAYMENT_ID = {"Reserve Released", "Iban RFI Created", "Iban RFI Submitted"}
_BY_ID = set(
    """
    Card Payment Authorized|Card Payment Declined|Card Payment Voided|Card Payment Suspected Fraud|
    Payment Pending Review|Payment Authorized|Payment Expiration|Credits Minted|Disbursed Funds|
    ACH Initiated|ACH Batched|ACH Success|ACH Returned|ACH Failed|
    PIX Failed|PIX Expiration|Iban Failure|Wire Initiated|Wire Failure|Interac Failure|CashApp Failure|
    PayPal Payment Authorized|PayPal Payment Voided|PayPal Failure|
    Venmo Payment Authorized|Venmo Payment Voided|Venmo Failure|Crypto Overpayment|Crypto Underpayment
    """.replace("\n", "")
    .replace("    ", "")
    .split("|")
)
_NAMES_NO_ITEM = {PAYIN, "Disbursed Funds"} | _BY_PAYMENT_ID
_NAMES_NO_CUSTOMER = {"Disbursed Funds", "Reserve Released"}

_LATER = {"Refund Complete": 4, "Refund Failure": 5, "Refund Returned": 6}
_STATUSES = {"pending": 1, "invoiced": 2, "settled": 3, "failed": 5}


@dataclass(frozen=True)
class Word:
    """What one or more events say, if they say it at the same moment."""

    type: str
    moment: datetime | None
    #: Where `created` is no time: its text.
    created: str
    fault: bool
    customer: str | None
    name: Name | None
    order: str | None = None
    #: What was paid; the currency may be one that only the totals name.
    paid: Amount | None = None
    chargeback_id: str | None = None
    respond_by: str | None = None
    reason: str | None = None
    #: What a dispute is about.
    disputed: Amount | None = None
    refund_id: str | None = None
    refunded: Amount | None = None
    resolution: Amount | None = None
    status: str | None = None

    @property
    def position(self) -> tuple[Any, ...]:
        moment = self.moment or datetime.min.replace(tzinfo=UTC)
        return (self.moment is None, moment, self.stage, self.type, repr(self), self.created)

    @property
    def told(self) -> tuple[datetime | None, str]:
        """When it was told."""
        return (self.moment, self.created)

    @property
    def stage(self) -> int:
        if self.type in DISPUTES:
            return 1 if self.type in OPENED else 2 if self.type in WON else 3
        if self.type == "Refund":
            return _STATUSES.get(self.status or "", 0)
        return _LATER.get(self.type, 0)


def canonical(packet: Packet) -> str:
    """Return what is equal for all copies of one event."""
    return json.dumps(packet, sort_keys=True)


def words(packets: Iterable[Packet]) -> list[Word]:
    """Return the distinct words of a payment's events, in their order."""
    read = {word(packet) for packet in packets}
    return sorted((each for each in read if each), key=lambda each: each.position)


def word(packet: Packet) -> Word | None:
    """Return what an event says of its payment, or None if it speaks of none."""
    kind, data = packet["eventType"], packet["data"]
    if payment_of(packet) is None:
        return None
    moment = _moment(packet["created"])
    said = {
        "type": kind,
        "moment": moment,
        "created": "" if moment else packet["created"],
        "customer": None if kind in _NAMES_NO_CUSTOMER else customer(data),
        "name": None if kind in _NAMES_NO_ITEM else name(data),
        "order": None if kind in _NAMES_NO_ITEM else text(info(data).get("orderId")),
    }
    facts = _facts(kind, data)
    return Word(fault=True, **said) if facts is None else Word(fault=False, **said, **facts)


def payment_of(packet: Packet) -> str | None:
    """Return the payment that an event speaks of, or None."""
    kind = packet["eventType"]
    if kind in REFUNDS or kind == PAYIN or kind in _BY_PAYMENT_ID:
        stated = text(packet["data"].get("paymentId"))
    elif kind in PAYING or kind in DISPUTES or kind in _BY_ID:
        stated = text(packet["data"].get("id"))
    else:
        return None
    return stated if stated and len(stated) <= NAME_LENGTH and "\0" not in stated else None


def _facts(kind: str, data: dict[str, Any]) -> dict[str, Any] | None:
    """Return what the rules read of this type beside customer and name, or None: it is unreadable."""
    if kind in PAYING:
        member = "amount" if kind == PAYIN else "subtotal"
        paid = amount(data.get(member))
        if paid is None:
            return None
        return {"paid": Amount(paid.cents, paid.currency or totals_currency(data, member, paid.cents))}
    if kind in DISPUTES:
        dispute = data.get("chargebackId")
        if dispute is not None and text(dispute) is None:
            return None
        by = data.get("respondByDate")
        return {
            "chargeback_id": text(dispute) or None,
            "respond_by": by if isinstance(by, str) else None,
            "reason": text(data.get("reasonCode")),
            "disputed": amount(data.get("subtotal")),
        }
    if kind in REFUNDS:
        return _refund(data)
    return {}


def _refund(data: dict[str, Any]) -> dict[str, Any] | None:
    totals, status = data.get("totals"), data.get("status")
    refunded = amount(totals.get("subtotal")) if isinstance(totals, dict) else None
    if not isinstance(totals, dict) or refunded is None or not (status is None or isinstance(status, str)):
        return None
    return {
        "refund_id": trimmed(data.get("refundId")),
        "refunded": refunded,
        "resolution": amount(totals.get("resolution")),
        "status": status.casefold() if status is not None else None,
    }


def _moment(created: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
