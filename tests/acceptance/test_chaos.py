"""The short form of `make chaos`: fewer payments, and the faults that cover most."""

import signal

import pytest

from tests.chaos import process_faults, server_faults
from tests.chaos.rows import Row, run
from tests.chaos.scene import Servers
from tests.chaos.shop_faults import FailingShop
from tests.chaos.told_sales import told_sales

pytestmark = pytest.mark.long

ROWS = [
    Row("processes killed", Servers.EMBEDDED, process_faults.kill_processes, seconds=8),
    Row("everything stopped", Servers.EMBEDDED, process_faults.stop_everything, seconds=4),
    Row(
        "broker and database killed",
        Servers.RABBITMQ,
        server_faults.Outage(("broker", "database"), signal.SIGKILL, seconds=2),
        seconds=4,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_nothing_is_lost_and_nothing_is_granted_twice(row: Row) -> None:
    result = run(row, payments=150, seed=1)
    assert result.injected
    assert result.granted == 150
    assert result.holds, result.summary


SHOP_ROWS = [
    Row("shop failing", servers, FailingShop(tellers=1), seconds=8, traffic=told_sales)
    for servers in (Servers.EMBEDDED, Servers.RABBITMQ)
]


@pytest.mark.parametrize("row", SHOP_ROWS, ids=str)
def test_a_shop_that_fails_ends_with_what_the_ledger_says_told_in_order(row: Row) -> None:
    result = run(row, payments=100, seed=2)
    assert result.injected
    # Some are never paid, and a cart is several.
    assert result.granted > 80
    assert result.holds, result.summary
