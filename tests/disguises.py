"""Copies of events that differ in nothing that the rules read, or only in when they were told."""

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

from tests.lives import Packet

BEGIN = datetime(2026, 9, 1, 10, tzinfo=UTC)
#: Fields that no rule reads, as Coinflow might send them one day.
_UNREAD: list[dict[str, Any]] = [
    {"reserve": 25},
    {"networkFees": 0},
    {"gasFees": {"cents": "none"}},
    {"threeDsAuthenticationStatus": {"status": "Frictionless"}},
    {"last4": 4242},
    {"fraudScore": 0.17},
    {"reasonDescription": ["fraud"]},
]


def disguised(random: Random, packet: Packet) -> Packet:
    """Return a copy that says the same in another way."""
    copy = _changed(random, packet)
    if random.randrange(2):
        # At the same moment, a refund's word without its id is that word all the same.
        copy["data"].pop("refundId", None)
    return copy


def restamped(random: Random, packet: Packet, milliseconds: int) -> Packet:
    """Return a disguised copy that was told so much later, or so much and a day.

    Of an event at no readable time it is a mere copy: told at a time, it would stand before all others.
    """
    copy = _changed(random, packet)
    moment = _milliseconds(copy)
    if moment is not None:
        copy["created"] = moment_text(random, moment + random.choice([0, 86_400_000]) + milliseconds)
    return copy


def moment_text(random: Random, milliseconds: int) -> str:
    """Return a moment as Coinflow writes it, or in one of the other forms of ISO 8601."""
    moment = BEGIN + timedelta(milliseconds=milliseconds)
    text = moment.isoformat(timespec="milliseconds")
    elsewhere = moment.astimezone(timezone(timedelta(hours=random.randint(-11, 13)))).isoformat()
    forms = [*[text.replace("+00:00", "Z")] * 7, text, elsewhere, text.removesuffix("+00:00")]
    return random.choice(forms)


def _changed(random: Random, packet: Packet) -> Packet:
    copy = deepcopy(packet)
    for change in random.sample([_field, _customer, _info, _cents, _created], random.randint(1, 2)):
        change(random, copy)
    return copy


def _field(random: Random, packet: Packet) -> None:
    packet["data"].update(random.choice(_UNREAD))
    if random.randrange(2):
        packet["attempt"] = random.randint(2, 9)


def _customer(random: Random, packet: Packet) -> None:
    data = packet["data"]
    stated = [
        field for field in ("rawCustomerId", "customerId", "wallet") if isinstance(data.get(field), str)
    ]
    if not stated:
        return
    plain = data[stated[0]].rpartition("\u02ac")[2]
    for field in stated:
        del data[field]
    data[random.choice(["rawCustomerId", "customerId", "wallet"])] = random.choice(
        [plain, f" {plain} ", f"acme\u02ac{plain}"]
    )


def _info(random: Random, packet: Packet) -> None:
    info = packet["data"].get("webhookInfo")
    if isinstance(info, dict):
        packet["data"]["webhookInfo"] = json.dumps(info, indent=random.choice([None, 2]))


def _cents(random: Random, packet: Packet) -> None:
    data = packet["data"]
    for amount in (data.get("subtotal"), data.get("amount"), (data.get("totals") or {}).get("subtotal")):
        if isinstance(amount, dict) and type(amount.get("cents")) is int:
            cents = amount["cents"]
            amount["cents"] = random.choice(
                [str(cents), f" {cents} ", f"0{cents}", float(cents), cents - 1e-7]
            )
        if isinstance(amount, dict) and isinstance(amount.get("currency"), str):
            amount["currency"] = f" {amount['currency'].lower()}"


def _created(random: Random, packet: Packet) -> None:
    moment = _milliseconds(packet)
    if moment is not None:
        packet["created"] = moment_text(random, moment)


def _milliseconds(packet: Packet) -> int | None:
    """Return the moment of an event since the first one's, or None if it states none."""
    try:
        moment = datetime.fromisoformat(packet["created"])
    except ValueError:
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - BEGIN) // timedelta(milliseconds=1)
