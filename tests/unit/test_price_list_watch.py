import multiprocessing
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tasks.payments.price_list import PriceListError
from tasks.worker.price_list import SharedPriceList

#: The time at which the tests' files are written.
WRITTEN = 1_000_000_000.0


class Clock:
    def __init__(self) -> None:
        self.time = WRITTEN + 60

    def __call__(self) -> float:
        return self.time


class Shop:
    """A price list over a real file, whose edits bear times of the test's choice."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "catalog.toml"
        self.clock = Clock()
        self.write(5, at=WRITTEN)
        self.prices = SharedPriceList(self.path, now=self.clock)

    def write(self, cents: int | str, *, at: float) -> None:
        self.path.write_text(f"[items.sword]\nprice = {{ cents = {cents} }}\n")
        os.utime(self.path, (at, at))

    def price(self) -> int:
        return self.prices.current().items["sword"].price.cents

    def look(self) -> list[str]:
        """Look for an edit; return the events that were logged."""
        with capture_logs() as logs:
            self.prices.look()
        return [log["event"] for log in logs]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


class Fork:
    """A process forked now, idle until it is asked for the price that it sees."""

    def __init__(self, shop: Shop) -> None:
        forking = multiprocessing.get_context("fork")
        self._here, self._there = forking.Pipe()
        self._process = forking.Process(target=self._answer, args=(shop,))
        self._process.start()

    def _answer(self, shop: Shop) -> None:
        self._there.recv()
        self._there.send(shop.price())

    def price(self) -> int:
        self._here.send("What is the price?")
        assert self._here.poll(10)
        price: int = self._here.recv()
        self._process.join()
        return price


def test_without_a_good_list_there_is_no_start(tmp_path: Path) -> None:
    with pytest.raises(PriceListError, match="CATALOG_PATH"):
        SharedPriceList(tmp_path / "catalog.toml")
    (tmp_path / "catalog.toml").write_text("[items.sword]\n")
    with pytest.raises(PriceListError, match="line 1"):
        SharedPriceList(tmp_path / "catalog.toml")


def test_an_edit_counts_once_the_file_has_been_left_alone_for_a_second(shop: Shop) -> None:
    shop.write(6, at=shop.clock.time)
    assert (shop.look(), shop.price()) == ([], 5)
    shop.clock.time += 0.9
    assert (shop.look(), shop.price()) == ([], 5)
    shop.clock.time += 0.1
    assert (shop.look(), shop.price()) == (["price_list.changed"], 6)
    assert shop.look() == []


@pytest.mark.parametrize("at", [WRITTEN - 1_000, WRITTEN + 1_000])
def test_an_edit_with_an_odd_time_counts_at_once(shop: Shop, at: float) -> None:
    shop.write(6, at=at)
    assert (shop.look(), shop.price()) == (["price_list.changed"], 6)


def test_a_file_moved_into_place_counts_though_size_and_time_are_the_same(shop: Shop) -> None:
    before = shop.path.rename(shop.path.with_suffix(".old"))
    shop.write(6, at=before.stat().st_mtime)
    assert (shop.look(), shop.price()) == (["price_list.changed"], 6)


def test_a_broken_edit_changes_nothing_and_is_reported_once(shop: Shop) -> None:
    shop.write(-1, at=WRITTEN + 10)
    with capture_logs() as logs:
        for _ in range(3):
            shop.prices.look()
    (log,) = logs
    assert log == {
        "event": "price_list.refused",
        "log_level": "error",
        "file": str(shop.path),
        "line": 2,
        "reason": "items.sword.price.cents: Input should be greater than 0",
    }
    assert shop.price() == 5
    shop.write(0, at=WRITTEN + 20)
    assert (shop.look(), shop.price()) == (["price_list.refused"], 5)
    shop.write(7, at=WRITTEN + 30)
    assert (shop.look(), shop.price()) == (["price_list.changed"], 7)


def test_a_file_that_is_gone_for_a_moment_is_no_edit(shop: Shop) -> None:
    away = shop.path.rename(shop.path.with_suffix(".old"))
    assert shop.look() == []
    away.rename(shop.path)
    shop.clock.time += 5
    assert (shop.look(), shop.price()) == ([], 5)


def test_a_file_that_stays_away_is_a_broken_edit(shop: Shop) -> None:
    shop.path.unlink()
    assert shop.look() == []
    shop.clock.time += 1
    assert (shop.look(), shop.price()) == (["price_list.refused"], 5)
    shop.clock.time += 1
    assert shop.look() == []
    shop.write(6, at=shop.clock.time - 1)
    assert (shop.look(), shop.price()) == (["price_list.changed"], 6)


def test_forks_see_the_last_good_list_whenever_they_were_made_and_asked(shop: Shop) -> None:
    earlier = Fork(shop)
    shop.write(6, at=WRITTEN + 10)
    shop.look()
    shop.write("", at=WRITTEN + 20)
    assert shop.look() == ["price_list.refused"]
    assert (earlier.price(), Fork(shop).price(), shop.price()) == (6, 6, 6)
