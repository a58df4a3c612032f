"""What came from outside, as a terminal may show it: it moves no cursor and turns no line round."""

import re

#: Controls (C0, DEL, C1), the ends of lines and paragraphs, what turns the direction of writing, and halves
#: of characters, which no terminal can be sent.
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""Return one line in which such characters are written as in Python: ESC is `\x1b`, a new line `\n`."""
    return _UNSHOWN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def visible_lines(text: str) -> str:
    """Return the same of each line."""
    return "\n".join(map(visible, text.split("\n")))
