"""The price list: how its text is read, and the one that was accepted for selling.

`webhookInfo` and the amounts pass through the buyer's browser and can be edited there, so what a payment
must have cost is decided by the list and nowhere else.
"""

import re
import tomllib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tasks.errors import PermanentError
from tasks.payments.price_list_form import PriceList
from tasks.payments.quote import Asked, Quote, quote
from tasks.payments.toml_lines import line_of


class PriceListError(Exception):
    """The price list cannot be read; the message names the line, if there is one, and the reason."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.reason = reason
        self.line = line

    def told_of(self, path: Path) -> str:
        """Return the message with the file that the list came from."""
        return f"{path}, {self}" if self.line else f"{path}: {self}"


@dataclass(frozen=True, slots=True)
class AcceptedPriceList:
    """A list that was accepted for selling, and what it is known by."""

    id: int
    #: SHA-256 of its text, in hexadecimal digits.
    content_hash: str
    accepted_at: datetime
    accepted_by: str
    prices: PriceList

    def __str__(self) -> str:
        return f"price list {self.content_hash[:8]}, accepted {self.accepted_at:%Y-%m-%d %H:%M:%S} UTC"

    def quote(self, asked: Asked) -> Quote:
        """Do as `quote`; an error names this list."""
        with self.named():
            return quote(self.prices, asked)

    def named(self) -> AbstractContextManager[None]:
        """Let an error that leaves the block name this list."""
        return _Naming(self)


@dataclass(frozen=True, slots=True)
class _Naming:
    # No generator, for every purchase enters three.
    prices: AcceptedPriceList

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, PermanentError):
            error.args = (f"{error} Decided by {self.prices}.",)


def read_price_list(text: str) -> PriceList:
    """Return the price list that a TOML text holds. Raises PriceListError."""
    data: dict[str, Any] = {}
    try:
        data = tomllib.loads(text)
        return PriceList.model_validate(data)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.rstrip().count("\n") + 1
        raise PriceListError(str(error), line) from None
    except ValidationError as error:
        # A misspelt name is two faults, and the name says more than that another one is missing.
        fault = min(error.errors(), key=lambda fault: fault["type"] == "missing")
        place = _written(data, fault["loc"])
        reason = f"{'.'.join(map(str, place))}: {fault['msg'].removeprefix('Value error, ')}"
        raise PriceListError(reason, line_of(text, place)) from None
    except (ValueError, RecursionError) as error:
        # Numbers of thousands of digits, brackets in brackets without end.
        raise PriceListError(str(error)) from None


def _written(data: Any, place: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return a place as the text leads to it: one price that stands for an array has no number there."""
    written: tuple[int | str, ...] = ()
    for part in place:
        if isinstance(part, int) and isinstance(data, dict):
            continue
        written = (*written, part)
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            data = None
    return written
