"""The short form of `make chaos`: fewer payments, and the faults that cover most."""

import signal

import pytest

from tests.chaos import process_faults, server_faults
from tests.chaos.rows import Row, run
from tests.chaos.scene import Servers

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
