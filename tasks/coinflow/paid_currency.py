"""Which currency was paid where the price names none.

Coinflow documents neither the fields of `settlementTotals` and `presentmentTotals` nor in which of the two
currencies the price is, so one is believed only where it states the very same number of cents.
"""

from tasks.coinflow.currencies import CURRENCIES
from tasks.coinflow.payloads import Paid
from tasks.coinflow.spellings import text_of, whole_number


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
