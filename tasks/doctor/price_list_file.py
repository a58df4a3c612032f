"""The price list's file, which needs no database to be read."""

from collections.abc import Iterator
from pathlib import Path

from tasks.doctor.finding import Finding, Level
from tasks.payments.price_list import PriceListError, read_price_list
from tasks.worker.price_list_file import read_file


def examine(path: Path) -> Iterator[Finding]:
    """Tell whether the file could be put in force."""
    try:
        read_price_list(read_file(path))
    except PriceListError as error:
        yield Finding(
            check="price list file",
            level=Level.FAULT,
            seen=error.told_of(path).rstrip("."),
            next_step="Mend the file; until then the list in force stays, and the next release fails.",
        )
    else:
        yield Finding(check="price list file", seen=f"{path} can be read")
