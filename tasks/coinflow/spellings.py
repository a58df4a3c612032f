"""The unmistakable spellings of a number and of a name.

Coinflow's schemas name one type for each field, and what is sent may differ from them. A value that can mean
one thing only is read as that; any other is not guessed at.
"""

import math

#: More digits than any amount has, and few enough for a float to tell them all apart.
_MOST_DIGITS = 16
#: What a sum of floats may be off by, such as 0.1 + 0.2.
_ROUNDING = 1e-6
#: Stands between a merchant's id and the merchant's own user id in some identifiers of customers.
_SEPARATOR = "\u02ac"


def whole_number(value: object) -> int | None:
    """Return the whole number that an integer, a float or a text of digits states, or None.

    A text is one of at most 16 ASCII digits, with blanks around if need be: no sign, no point, no group.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return _whole(value)
    if isinstance(value, str):
        return _counted(value.strip())
    return None


def text_of(value: object) -> str | None:
    """Return a text without the blanks around it, or a whole number's digits; None for anything else.

    A text of blanks alone says nothing, so it is None, too.
    """
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return _digits(value)
    return None


def without_merchant(customer: str) -> str:
    """Return the merchant's own id of a customer, which may be plain or `<merchantId>\u02ac<id>`."""
    return customer.rpartition(_SEPARATOR)[2].strip()


def _whole(value: float) -> int | None:
    if not math.isfinite(value):
        return None
    nearest = round(value)
    return nearest if abs(value - nearest) <= _ROUNDING else None


def _counted(text: str) -> int | None:
    # isdigit alone is true of digits of every script, and of superscripts, which int refuses.
    return int(text) if len(text) <= _MOST_DIGITS and text.isascii() and text.isdigit() else None


def _digits(value: int) -> str | None:
    try:
        return str(value)
    except ValueError:  # Python writes out no number of several thousand digits, and nobody is named so
        return None
