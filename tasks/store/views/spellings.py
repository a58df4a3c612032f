"""Names of wallets in columns that keep them as they came."""

import unicodedata
from typing import Any

from sqlalchemy import ColumnElement, func, or_

from tasks.payments.wallet import is_chain_address, wallet_key


def is_wallet(column: Any, name: str) -> ColumnElement[bool]:
    """Return the condition that a column names this wallet, however either is spelled."""
    key = wallet_key(name)
    is_same: ColumnElement[bool] = column.in_(
        [name, *(unicodedata.normalize(form, key) for form in ("NFC", "NFD"))]
    )
    return or_(is_same, func.lower(column) == key) if is_chain_address(key) else is_same
