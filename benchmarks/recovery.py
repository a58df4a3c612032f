"""How long a sweep takes to find what is overdue among many finished runs.

    python -m benchmarks.recovery [finished]

It fills a database of its own, in a SQLite file and on the PostgreSQL server that TEST_DATABASE_URL names,
first with a thousandth of the finished runs and then with all of them, and prints milliseconds.
"""

import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from tasks.settings import Settings
from tasks.store.database import connect
from tasks.store.runs import overdue
from tests.services import postgres_database
from tests.stack import ROOT

_EVENTS = """
INSERT INTO events (id, key, event_type, payment_id, created, received_at, body)
SELECT n, 'key-' || n, 'Settled', 'pay-' || n, '', '2026-01-01 00:00:00', '{}' FROM (%s) AS numbers
"""
_RUNS = """
INSERT INTO handler_runs (event_id, handler, state, sent_at, due_at)
SELECT n, 'fulfilment', %s, '2026-01-01 00:00:00', '2026-01-01 00:00:00' FROM (%s) AS numbers
"""
_NUMBERS = {
    "postgresql": "SELECT n FROM generate_series({0}, {1}) AS n",
    "sqlite": "WITH RECURSIVE c(n) AS (SELECT {0} UNION ALL SELECT n+1 FROM c WHERE n < {1}) SELECT n FROM c",
}
_OVERDUE = 500


def main(finished: int) -> None:
    """Measure and print."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for url in (f"sqlite:///{folder}/coinflow.sqlite3", stack.enter_context(postgres_database())):
            os.environ["DATABASE_URL"] = url
            command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
            engine = connect(Settings.load().database_url.get_secret_value())
            _fill(engine, 1, _OVERDUE, "'pending'")
            begin = _OVERDUE + 1
            for count in (finished // 1000, finished):
                _fill(engine, begin, count + _OVERDUE, "'done'")
                begin = count + _OVERDUE + 1
                milliseconds = sorted(_sweep(engine) for _ in range(101))
                print(  # noqa: T201  # what a benchmark is for
                    f"{engine.dialect.name}, {count:,} finished: {_OVERDUE} overdue found in median "
                    f"{statistics.median(milliseconds):.2f} ms, worst {milliseconds[-1]:.2f} ms"
                )
            engine.dispose()


def _fill(engine: Engine, first: int, last: int, state: str) -> None:
    numbers = _NUMBERS[engine.dialect.name].format(first, last)
    with engine.begin() as connection:
        connection.exec_driver_sql(_EVENTS % numbers)
        connection.exec_driver_sql(_RUNS % (state, numbers))
    with engine.connect() as connection:
        connection.execute(text("ANALYZE"))


def _sweep(engine: Engine) -> float:
    with engine.connect() as connection:
        began = time.perf_counter()
        connection.execute(overdue(datetime.now(UTC), _OVERDUE)).all()
        return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000)
