"""What a name that nothing has may have meant."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def likely(name: str, names: Iterable[str]) -> str:
    """Return a question that names those that look like it, or nothing."""
    by_letters = {each.casefold(): each for each in names}
    return or_question([by_letters[each] for each in get_close_matches(name.casefold(), by_letters)])


def or_question(names: Sequence[str]) -> str:
    """Return a question that names what may have been meant, or nothing."""
    return f" Did you mean {' or '.join(names)}?" if names else ""
