"""Databases of ours with granted payments, as if they had come by over the years."""

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import create_engine, text

from benchmarks.ledger import driver
from benchmarks.servers import Servers
from tests.stack import KEY, ROOT

_NUMBERS = {
    "postgresql": "SELECT n FROM generate_series(1, :count) AS n",
    "sqlite": (
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :count) SELECT n FROM c"
    ),
}
#: About as long as the body of a purchase.
_BODY = 900 * "x"
#: `{few}` and `{all}` stand for numbers.
_STATEMENTS = """
INSERT INTO wallets (key, name, created_at)
SELECT 'old-' || n, 'old-' || n, '2026-01-01 00:00:00' FROM ({few}) AS numbers;

INSERT INTO events (key, event_type, payment_id, created, received_at, body)
SELECT 'old-' || n, 'Settled', 'old-' || n, '', '2026-01-01 00:00:00', :body FROM ({all}) AS numbers;

INSERT INTO payments (id, decision, updated_at, version)
SELECT 'old-' || n, 'granted', '2026-01-01 00:00:00', 1 FROM ({all}) AS numbers;

INSERT INTO handler_runs (event_id, handler, state, sent_at, finished_at)
SELECT id, 'fulfilment', 'done', '2026-01-01 00:00:00', '2026-01-01 00:00:00' FROM events;

INSERT INTO grants (payment_id, item, wallet, wallet_id, quantity, status, granted_at)
SELECT id, 'sword', '', (SELECT min(id) FROM wallets), 1, 'granted', '2026-01-01 00:00:00' FROM payments;

INSERT INTO ledger_entries
  (payment_id, item, wallet, wallet_id, delta, quantity, units, status, version, event_id, created_at)
SELECT
  payment_id, 'sword', '', (SELECT min(id) FROM wallets), 1, 1, 1, 'granted', 1, id, '2026-01-01 00:00:00'
FROM events
"""


def filled_database(servers: Servers, payments: int) -> str:
    """Return the name of a database on PostgreSQL with so many granted payments, made once."""
    name = f"filled_{payments}"
    if name not in servers.filled:
        servers.filled.add(name)
        _fill(servers.kept_database(name), payments)
    return name


def filled_file(servers: Servers, payments: int) -> Path:
    """Return a file of SQLite's with so many granted payments, made once."""
    path = servers.folder / f"filled-{payments}.sqlite3"
    if path.name not in servers.filled:
        servers.filled.add(path.name)
        _fill(f"sqlite:///{path}", payments)
    return path


def _fill(database_url: str, payments: int) -> None:
    """Store so many payments, each with its one event, in an empty database."""
    environment = os.environ | {"COINFLOW_VALIDATION_KEY": KEY, "DATABASE_URL": database_url}
    words = [sys.executable, "-m", "alembic", "upgrade", "head"]
    subprocess.run(words, cwd=ROOT, env=environment, check=True)
    engine = create_engine(driver(database_url))
    numbers = _NUMBERS[engine.dialect.name]
    sources = {"all": numbers, "few": numbers.replace(":count", ":few")}
    with engine.begin() as connection:
        for statement in _STATEMENTS.format(**sources).split(";"):
            values = {"body": _BODY, "count": payments, "few": max(1, payments // 10)}
            connection.execute(text(statement), values)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # What a server does by itself in the meantime.
        connection.execute(text("VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "ANALYZE"))
        if engine.dialect.name == "sqlite":
            # What is copied is the file alone.
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    engine.dispose()
