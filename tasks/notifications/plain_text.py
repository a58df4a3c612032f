"""What came from outside, as one line in which nothing is unseen."""

import re
import unicodedata
from collections.abc import Sequence

#: Bytes of UTF-8.
LIMIT = 2048
_CUT = "…"
#: Controls, formats (such as what turns the direction of writing), halves of characters, what means nothing.
_UNSEEN = {"Cc", "Cf", "Cs", "Cn", "Co"}
#: What nobody sees either, though Unicode calls it letters and marks: joiners, fillers, selectors.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def one_line(text: str, hidden: Sequence[str] = ()) -> str:
    """Return the text without what cannot be seen, each white space as one blank, cut to 2 KiB of UTF-8.

    Each of the `hidden` texts is replaced, at each place by the first that occurs there.
    """
    # Before the cuts, which could leave half of it.
    text = _hide(text, hidden)[: 4 * LIMIT]
    line = " ".join(text.split())
    if not (line.isascii() and line.isprintable()):
        seen = (sign for sign in _BLANK.sub("", line) if unicodedata.category(sign) not in _UNSEEN)
        line = _hide(" ".join("".join(seen).split()), hidden)
    return _cut(line)


def _hide(text: str, hidden: Sequence[str]) -> str:
    return re.sub("|".join(map(re.escape, hidden)), "***", text) if hidden else text


def _cut(line: str) -> str:
    encoded = line.encode()
    if len(encoded) <= LIMIT:
        return line
    return encoded[: LIMIT - len(_CUT.encode())].decode(errors="ignore").rstrip() + _CUT
