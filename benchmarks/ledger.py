"""A subject's ledger: one entry for each grant, numbered in order."""

import time
from collections.abc import Collection
from types import TracebackType
from typing import Self

from sqlalchemy import bindparam, create_engine, text

#: Seconds that a backlog may take.
_PATIENCE = 900
#: Seconds between two looks, each of which counts all grants of the run.
_PAUSE = 0.05

_GRANTED = text("SELECT payment_id FROM grants WHERE payment_id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)


def driver(url: str) -> str:
    """Return a database's address as SQLAlchemy takes it."""
    return url.replace("postgresql:", "postgresql+psycopg:", 1)


class Ledger:
    """Counts the entries since a mark."""

    def __init__(self, url: str) -> None:
        self._engine = create_engine(driver(url), isolation_level="AUTOCOMMIT")
        self._connection = self._engine.connect()
        self._mark = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._connection.close()
        self._engine.dispose()

    def mark(self) -> None:
        """Count from here on."""
        self._mark = self._connection.execute(text("SELECT max(id) FROM ledger_entries")).scalar() or 0

    def count(self) -> int:
        """Return how many grants are committed since the mark."""
        found = self._connection.execute(
            text("SELECT count(*) FROM ledger_entries WHERE id > :mark"), {"mark": self._mark}
        )
        return int(found.scalar_one())

    def wait_for(self, grants: int) -> None:
        """Return once so many are committed."""
        deadline = time.monotonic() + _PATIENCE
        while self.count() < grants:
            if time.monotonic() > deadline:
                raise SystemExit(f"{grants} grants are not committed within {_PATIENCE} s.")
            time.sleep(_PAUSE)

    def analyze(self) -> None:
        """Let the database count its rows, as a server does by itself within a minute."""
        self._connection.execute(text("ANALYZE"))

    def granted(self, payment_ids: Collection[str]) -> set[str]:
        """Return which of these payments are granted."""
        return set(self._connection.execute(_GRANTED, {"ids": list(payment_ids)}).scalars())
