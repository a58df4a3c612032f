"""How Coinflow may spell a value: one function for each kind of value, None where it is unreadable."""

import json
from dataclasses import dataclass
from typing import Any

#: More than any payment, and no more digits than a text of cents may have.
MOST_CENTS = 10**15
MOST_UNITS = 1_000_000_000
NAME_LENGTH = 200
SEPARATOR = "\u02ac"

#: The active codes of ISO 4217 that are somebody's money.
_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ
GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP
LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR
PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC
SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF
YER ZAR ZMW ZWG
"""
ISO_4217 = frozenset(_CODES.split())


@dataclass(frozen=True)
class Amount:
    cents: int
    #: As it is named with the cents; None: not named.
    currency: str | None


@dataclass(frozen=True)
class Name:
    """What `webhookInfo` names, rightly or not."""

    item: str | None
    quantity: int | None


def text(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    return value if isinstance(value, str) else None


def trimmed(value: Any) -> str | None:
    """Return the text without blanks around it, or None if nothing is left."""
    return (text(value) or "").strip() or None


def whole(value: Any, least: int, most: int) -> int | None:
    """Return the whole number that the value states, or None."""
    number: int | None = None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        number = value
    elif isinstance(value, float) and abs(value) < MOST_CENTS * 10 and abs(value - round(value)) <= 1e-6:
        number = round(value)
    elif isinstance(value, str):
        digits = value.strip()
        if digits.isascii() and digits.isdigit() and len(digits) <= 16:
            number = int(digits)
    return number if number is not None and least <= number <= most else None


def amount(value: Any) -> Amount | None:
    """Return cents of 0 or more and the currency beside them, or None if either is unreadable."""
    if not isinstance(value, dict):
        return None
    cents = whole(value.get("cents"), 0, MOST_CENTS)
    currency = value.get("currency")
    if cents is None or not (currency is None or isinstance(currency, str)):
        return None
    return Amount(cents, code(currency))


def code(currency: Any) -> str | None:
    return (currency.strip().upper() or None) if isinstance(currency, str) else None


def totals_currency(data: dict[str, Any], member: str, cents: int) -> str | None:
    """Return the currency under which Coinflow's totals state the very amount that was paid, or None."""
    for totals in (data.get("settlementTotals"), data.get("presentmentTotals")):
        if not isinstance(totals, dict):
            continue
        stated = totals.get(member)
        named = code(totals.get("currency"))
        if isinstance(stated, dict):
            named = code(stated.get("currency")) or named
            stated = stated.get("cents")
        if whole(stated, 0, MOST_CENTS) == cents and named in ISO_4217:
            return named
    return None


def customer(data: dict[str, Any]) -> str | None:
    for field in ("rawCustomerId", "customerId", "wallet"):
        stated = trimmed((text(data.get(field)) or "").rpartition(SEPARATOR)[2])
        if stated:
            return stated
    return None


def info(data: dict[str, Any]) -> dict[str, Any]:
    value = data.get("webhookInfo")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def name(data: dict[str, Any]) -> Name | None:
    stated = info(data)
    item = stated.get("item")
    if item is None or (text(item) is not None and trimmed(item) is None):
        return None
    return Name(
        trimmed(item), 1 if stated.get("quantity") is None else whole(stated["quantity"], 1, MOST_UNITS)
    )
