"""What came from outside, as one line of a reason."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tasks.notifications.plain_text import LIMIT, one_line

QUOTED = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#: Any character, halves of one and what Unicode has not given out among them.
ANYTHING = st.text(st.characters() | st.characters(categories=["Cs", "Cc", "Cf", "Zs", "Zl", "Zp"]))


@given(ANYTHING)
def test_a_line_is_short_and_holds_nothing_unseen(text: str) -> None:
    line = one_line(text)
    assert len(line.encode()) <= LIMIT
    assert line == " ".join(line.split(" ")).strip()
    assert all(sign == " " or unicodedata.category(sign)[0] not in "CZ" for sign in line)
    assert one_line(line) == line


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126)))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert one_line(text) == text


def test_white_space_is_folded_and_what_nobody_sees_left_out() -> None:
    assert one_line("  a\t\r\n b\u2028c\u00a0d ") == "a b c d"
    assert one_line("\x1b[31mred\x07\x00") == "[31mred"
    # What turns the direction, joins, fills and selects; a mark of its own right stays.
    assert one_line("a\u202eb\u200bc\ufeffd\u3164e\u2800f\ufe0fg\u034fh") == "abcdefgh"
    assert one_line("e\u0301 \u00e9 日本 😀") == "e\u0301 \u00e9 日本 😀"


@given(st.integers(0, 5))
def test_a_long_text_is_cut_between_characters_and_shows_that(before: int) -> None:
    line = one_line("a" * before + "😀" * 2000)
    assert line.endswith("😀…")
    assert LIMIT - 4 < len(line.encode()) <= LIMIT


@given(ANYTHING, ANYTHING, st.integers(0, 3000))
def test_no_secret_is_left_and_no_half_of_one(before: str, after: str, filled: int) -> None:
    line = one_line(f"{before}{'x' * filled}{QUOTED}{after}", [QUOTED])
    assert QUOTED[:6] not in line


def test_a_secret_that_unseen_characters_part_is_found() -> None:
    assert one_line("\u200b".join(QUOTED), [QUOTED]) == "***"
