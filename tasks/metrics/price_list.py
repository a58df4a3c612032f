"""Whether the price list's file could be sold by."""

from functools import lru_cache
from pathlib import Path

from tasks.payments.price_list import PriceListError, read_price_list
from tasks.worker.price_list_file import read_file


def is_refused(path: Path) -> bool:
    """Tell whether a worker of this version would refuse the file."""
    try:
        text = read_file(path)
    except PriceListError:
        return True
    return _is_faulty(text)


@lru_cache(maxsize=1)
def _is_faulty(text: str) -> bool:
    try:
        read_price_list(text)
    except PriceListError:
        return True
    return False
