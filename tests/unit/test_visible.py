"""What a terminal is sent of any text."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tasks.cli.visible import visible, visible_lines

TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(st.text(st.characters(codec=None)))
def test_nothing_in_it_controls_the_terminal(text: str) -> None:
    shown = visible(text)
    assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(each) for each in shown} & TURNING
    assert "\n" not in shown
    assert visible(shown) == shown
    assert visible_lines(text).split("\n") == [visible(line) for line in text.split("\n")]


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_what_can_be_read_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_each_is_written_as_in_python() -> None:
    assert visible("\x00\x1b\x7f\x9b\n\u202e\ud800é") == r"\x00\x1b\x7f\x9b\n\u202e\ud800" + "é"
