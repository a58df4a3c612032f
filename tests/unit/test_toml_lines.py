import time
import tomllib
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.payments.toml_lines import line_of

LOOKALIKES = (Path(__file__).parent / "lookalikes.toml").read_text()
SWORD = ("items", "sword")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("items",), 1),
        (("items", "a.b", "note"), 5),
        (("items", "a.b", "more"), 8),
        (("items", "a.b", "nested", 0, 2, "x", 0), 10),
        (SWORD, 12),
        ((*SWORD, "absent"), 12),
        ((*SWORD, "price"), 13),
        ((*SWORD, "price", "cents"), 13),
        ((*SWORD, "price", "currency"), 14),
        ((*SWORD, "former"), 15),
        ((*SWORD, "former", 0, "ended"), 16),
        ((*SWORD, "former", 1, "cents", "deep"), 19),
        ((*SWORD, "former", 1, "ended"), 19),
        ((*SWORD, "former", 1, "ended", 0), 20),
        ((*SWORD, "former", 1, "absent"), 20),
        ((*SWORD, "former", 2), 15),
        ((*SWORD, "later", 1), 24),
        ((*SWORD, "later", 1, "more", "cents"), 26),
        ((*SWORD, "later", 2, "cents"), 28),
        (("absent",), 1),
    ],
)
def test_a_place_is_found_amid_strings_and_remarks_that_look_like_it(
    path: tuple[int | str, ...], line: int, end: str
) -> None:
    assert line_of(LOOKALIKES.replace("\n", end), path) == line


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=5)
QUOTES = str.maketrans({"\\": "\\\\", '"': '\\"'})


@given(names=st.lists(NAMES, min_size=3, max_size=6, unique=True))
def test_names_of_any_characters_are_told_apart(names: list[str]) -> None:
    quoted = [f'"{name.translate(QUOTES)}"' for name in names]
    text = "".join(f"[{first}.{second}]\n{first} = 1\n" for first, second in product(quoted, quoted))
    tomllib.loads(text)
    for line, (first, second) in enumerate(product(names, names)):
        assert line_of(text, (first, second, first)) == 2 * line + 2


FORMER = "former_prices = [{ cents = 4, ended = 2026-11-01T00:00:00Z, grace_days = 7 }]"


@pytest.mark.parametrize(
    ("item", "lines"),
    [
        (f"[items.{{0}}]\nprice = {{{{ cents = 5 }}}}\n{FORMER.replace('{', '{{').replace('}', '}}')}\n", 3),
        ("items.{0} = {{ price = {{ cents = 5 }} }}\n", 1),
        ('["items"."{0}"]\nprice.cents = 5\n[["items"."{0}".former_prices]]\ncents = 4\n', 4),
    ],
    ids=["tables", "inline tables", "arrays of tables"],
)
def test_the_last_of_5000_items_is_found_at_once(item: str, lines: int) -> None:
    """It takes 20 to 50 ms of processor time; the bound has room for a slow machine."""
    text = "".join(item.format(f"item-{number}") for number in range(5_000))

    def measured() -> float:
        begun = time.process_time()
        assert line_of(text, ("items", "item-4999", "former_prices", 1)) > lines * 4_999
        return time.process_time() - begun

    assert min(measured() for _ in range(3)) < 0.5
