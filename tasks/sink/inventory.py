"""What the wallets may use, as the notifications told it: in SQLite, as in a game server of a merchant's."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.sink.notification import Change

_TABLE = """
CREATE TABLE IF NOT EXISTS inventory (
    payment_id TEXT NOT NULL,
    wallet TEXT NOT NULL,
    item TEXT NOT NULL,
    version INTEGER NOT NULL,
    usable INTEGER NOT NULL,
    PRIMARY KEY (payment_id, wallet, item)
) WITHOUT ROWID
"""
_STORE = """
INSERT INTO inventory (payment_id, wallet, item, version, usable) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (payment_id, wallet, item)
DO UPDATE SET version = excluded.version, usable = excluded.usable
WHERE inventory.version < excluded.version
"""
_LINES = "SELECT payment_id, wallet, item, version, usable FROM inventory ORDER BY payment_id, wallet, item"
_HELD = """
SELECT wallet, item, sum(usable) FROM inventory GROUP BY wallet, item HAVING sum(usable) > 0
ORDER BY wallet, item
"""


@dataclass(frozen=True, slots=True)
class StoredLine:
    """What the newest version of a payment said of a wallet's item."""

    payment_id: str
    wallet: str
    item: str
    version: int
    usable: int


@dataclass(frozen=True, slots=True)
class Held:
    """What a wallet may use of an item, by all payments together."""

    wallet: str
    item: str
    usable: int


class Inventory:
    """Keeps `usable` of the newest version of each payment, whatever order and copies it comes in.

    With a file it outlives the process, also one that is killed; without one it ends with it.

    Raises:
        sqlite3.Error: The file cannot be used.

    """

    def __init__(self, file: Path | None = None) -> None:
        self._database = sqlite3.connect(file or ":memory:")
        # What is committed survives a process that is killed, which is enough where nothing is for sale.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(_TABLE)

    def store(self, change: Change) -> int | None:
        """Store a change, all of it or nothing; return the newest version known before, None at the first."""
        with self._database:
            newest: int | None
            (newest,) = self._database.execute(
                "SELECT max(version) FROM inventory WHERE payment_id = ?", (change.payment_id,)
            ).fetchone()
            self._database.executemany(
                _STORE,
                (
                    (change.payment_id, line.wallet, line.item, change.version, line.usable)
                    for line in change.items
                ),
            )
        return newest

    def lines(self) -> Iterator[StoredLine]:
        """Yield what is kept, payment by payment."""
        return (StoredLine(*row) for row in self._database.execute(_LINES))

    def held(self) -> Iterator[Held]:
        """Yield what each wallet may use now, of each item that it may use at all."""
        return (Held(*row) for row in self._database.execute(_HELD))

    def close(self) -> None:
        """Close the file."""
        self._database.close()
