import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.coinflow.spellings import text_of, whole_number

BLANKS = st.text(alphabet=" \t\r\n", max_size=3)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@given(number=st.integers(0, 10**16 - 1), before=BLANKS, after=BLANKS, zeros=st.integers(0, 4))
def test_a_number_and_its_digits_are_the_same(number: int, before: str, after: str, zeros: int) -> None:
    digits = ("0" * zeros + str(number))[-16:]
    assert whole_number(number) == number
    assert whole_number(-number) == -number
    assert whole_number(before + digits + after) == int(digits)


@given(number=st.integers(-(10**9), 10**9), off=st.floats(-9e-7, 9e-7))
def test_a_float_may_be_off_by_what_a_sum_of_floats_is(number: int, off: float) -> None:
    read = whole_number(number + off)
    assert (type(read), read) == (int, number)


@given(number=st.integers(-(10**9), 10**9), off=st.floats(2e-6, 1 - 2e-6))
def test_a_fraction_is_no_whole_number(number: int, off: float) -> None:
    assert whole_number(number + off) is None


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, [], [5], {}, {"cents": 5}, math.nan, math.inf, -math.inf),
        *(
            "",
            " ",
            "five",
            "5.00",
            "5.0",
            "+5",
            "-5",
            "1,000",
            "1 000",
            "1_000",
            "0x5",
            "5e2",
            "\u0665",
            "\u00b2",
        ),
        "1" * 17,
    ],
)
def test_what_states_no_whole_number(value: Any) -> None:
    assert whole_number(value) is None


@given(st.text(), BLANKS, BLANKS)
def test_blanks_around_a_text_do_not_count(text: str, before: str, after: str) -> None:
    assert text_of(before + text + after) == text_of(text) == (text.strip() or None)


@given(st.integers())
def test_a_whole_number_names_by_its_digits(number: int) -> None:
    assert text_of(number) == text_of(str(number)) == str(number)


@pytest.mark.parametrize("value", [None, "", " \n", True, False, 5.0, [], ["a"], {}, {"a": 1}])
def test_what_names_nothing(value: Any) -> None:
    assert text_of(value) is None


def test_a_number_of_thousands_of_digits_names_nothing() -> None:
    assert text_of(10**5000) is None


@given(ANYTHING)
def test_anything_has_a_reading_or_none(value: Any) -> None:
    assert type(whole_number(value)) in {int, type(None)}
    assert text_of(value) is None or text_of(text_of(value)) == text_of(value)
