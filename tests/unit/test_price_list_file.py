import os
from pathlib import Path

import pytest

from tasks.payments.price_list import PriceListError
from tasks.worker.price_list_file import WatchedFile, read_file

#: The time at which the tests' files are written.
WRITTEN = 1_000_000_000.0


def test_a_missing_file_says_which_variable_names_it(tmp_path: Path) -> None:
    with pytest.raises(PriceListError, match="CATALOG_PATH") as error:
        read_file(tmp_path)
    assert error.value.told_of(tmp_path).startswith(f"{tmp_path}: Is a directory")


def test_a_file_in_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_bytes(b"# one\n# caf\xe9\n[items]\n")
    with pytest.raises(PriceListError, match="line 2: not in UTF-8"):
        read_file(path)


class Desk:
    """A file under watch, whose edits bear times of the test's choice."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "catalog.toml"
        self.time = WRITTEN + 60
        self.write("one", at=WRITTEN)
        self.file = WatchedFile(self.path, now=lambda: self.time)

    def write(self, text: str, *, at: float) -> None:
        self.path.write_text(text)
        os.utime(self.path, (at, at))

    def look(self) -> str | None:
        """Return the content of an edit, or None if none is noticed."""
        return str(self.file.content) if self.file.is_edited() else None


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_an_edit_counts_once_the_file_has_been_left_alone_for_a_second(desk: Desk) -> None:
    assert desk.look() is None
    desk.write("two", at=desk.time)
    assert desk.look() is None
    desk.time += 0.9
    assert (desk.look(), desk.file.content) == (None, "one")
    desk.time += 0.1
    assert (desk.look(), desk.look()) == ("two", None)


@pytest.mark.parametrize("at", [WRITTEN - 1_000, WRITTEN + 1_000])
def test_an_edit_with_an_odd_time_counts_at_once(desk: Desk, at: float) -> None:
    desk.write("two", at=at)
    assert desk.look() == "two"


def test_a_file_moved_into_place_counts_though_size_and_time_are_the_same(desk: Desk) -> None:
    before = desk.path.rename(desk.path.with_suffix(".old"))
    desk.write("two", at=before.stat().st_mtime)
    assert desk.look() == "two"


def test_a_file_written_anew_with_the_same_content_is_no_edit(desk: Desk) -> None:
    desk.write("one", at=WRITTEN + 10)
    assert desk.look() is None
    desk.write("two", at=WRITTEN + 20)
    assert desk.look() == "two"


def test_a_file_that_is_gone_for_a_moment_is_no_edit(desk: Desk) -> None:
    away = desk.path.rename(desk.path.with_suffix(".old"))
    assert desk.look() is None
    away.rename(desk.path)
    desk.time += 5
    assert desk.look() is None


def test_a_file_that_stays_away_is_an_edit_and_so_is_its_return(desk: Desk) -> None:
    desk.path.unlink()
    assert desk.look() is None
    desk.time += 1
    assert "CATALOG_PATH" in (desk.look() or "")
    desk.time += 1
    assert desk.look() is None
    desk.write("one", at=desk.time - 1)
    assert desk.look() == "one"
