"""Wallets: when two spellings are of one account."""

import re
import unicodedata

_find_chain_address = re.compile(r"0x[0-9a-f]{40}", re.IGNORECASE).fullmatch


def wallet_key(name: str) -> str:
    """Return the form in which names of wallets are compared; a wallet is shown as it came.

    Unicode is compared in NFC, blanks around a name say nothing, and the capitals in a `0x` address are a
    checksum of it.
    """
    key = unicodedata.normalize("NFC", name.strip())
    return key.lower() if is_chain_address(key) else key


def is_chain_address(name: str) -> bool:
    """Tell whether a name without blanks around it is an address whose capitals say nothing."""
    return _find_chain_address(name) is not None
