"""Which currency was paid where the price names none.

Coinflow documents neither the fields of `settlementTotals` and `presentmentTotals` nor in which of the two
currencies the price is, so one is believed only where it states the very same number of cents.
"""

from tasks.coinflow.payloads import Paid
from tasks.coinflow.spellings import text_of, whole_number

_CODES = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
    CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ
    GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP
    LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR
    PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC
    SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF
    XPF YER ZAR ZMW ZWG
"""

#: The codes that ISO 4217 lists as active (January 2026) and that people pay with: no funds, metals, units of
#: account or test codes.
CURRENCIES: frozenset[str] = frozenset(_CODES.split())


def named_currency(paid: Paid) -> str | None:
    """Return the currency of what was paid, in capitals: the price's own, else that of equal totals.

    None where neither names one.
    """
    price = paid.price
    if price.currency:
        return price.currency
    for totals in (paid.settlement_totals, paid.presentment_totals):
        if currency := _currency(totals, paid.price_field, price.cents):
            return currency
    return None


def _currency(totals: object, field: str, cents: int) -> str | None:
    if not isinstance(totals, dict):
        return None
    stated = totals.get(field)
    amount = stated if isinstance(stated, dict) else {"cents": stated}
    if whole_number(amount.get("cents")) != cents:
        return None
    code = (text_of(amount.get("currency")) or text_of(totals.get("currency")) or "").upper()
    # It may be a token's name, which is no currency of a price list.
    return code if code in CURRENCIES else None
