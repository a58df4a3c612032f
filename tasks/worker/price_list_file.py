"""The price list's file, which `CATALOG_PATH` names."""

from pathlib import Path

from tasks.payments.price_list import PriceListError


def read_file(path: Path) -> str:
    """Return the text of a price list's file. Raises PriceListError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PriceListError(f"{error.strerror}. Set CATALOG_PATH to the price list.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise PriceListError(f"not in UTF-8: {error.reason}", line) from None
