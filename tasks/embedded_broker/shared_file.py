"""A SQLite file that processes share, until one of them finds a torn page in it.

Then all of them refuse to use it, loudly, until an operator has recovered it: messages would still be put and
never be taken otherwise.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from tasks.embedded_broker.checkpoint import CHECKPOINT
from tasks.embedded_broker.private_file import make_private
from tasks.embedded_broker.sqlite_damage import is_damage, recovery
from tasks.embedded_broker.write_lock import begin


class FileDamaged(sqlite3.OperationalError):
    """A page of the file is torn, so no process uses it until an operator has recovered it."""


class SharedFile:
    """A process's access to the file. Its methods raise sqlite3.OperationalError.

    Who meets a torn page leaves a mark beside the file, which everybody looks for.
    """

    def __init__(self, path: Path, schema: str) -> None:
        make_private(path)
        self._path = path
        self._schema = schema
        self._mark = path.with_name(f"{path.name}.damaged")
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Write in one transaction; a durable one is on the disk when it ends.

        What is not durable may be lost with the machine's power, never with a process: then a message that
        was taken or acknowledged is there again.
        """
        with self._connected() as connection:
            connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            try:
                begin(connection)
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def read(self, query: str, *values: object) -> list[Any]:
        """Return a query's rows."""
        with self._connected() as connection:
            return connection.execute(query, values).fetchall()

    def version(self) -> int:
        """Return a number that another one follows once another process has written."""
        return int(self.read("PRAGMA data_version")[0][0])

    def check(self) -> None:
        """Return if the file can be used. Raises FileDamaged, too."""
        with self._connected():
            pass

    def condemn(self, reason: str) -> NoReturn:
        """Keep every process from using the file. Raises FileDamaged."""
        message = (
            f"{self._path} is damaged: {reason}. Until it is recovered nothing is taken in or fulfilled. "
        )
        message += f"Copy it, then run: {recovery(self._path, self._mark)}"
        if not self._mark.exists():
            # Where no mark can be made, whoever meets the page fails all the same.
            with suppress(OSError):
                self._mark.write_text(f"{message}\n")
            import structlog  # noqa: PLC0415  # it takes as long as many a command, and few files are damaged

            structlog.get_logger(__name__).error("shared_file.damaged", next_step=message)
        raise FileDamaged(message)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._mark.exists():
                    raise FileDamaged(self._marked())
                if self._connection is None:
                    self._connection = self._open()
                elif self._identity != _identity(self._path):
                    # As after a recovery. Whoever connects anew declares its queues anew.
                    raise sqlite3.OperationalError(f"{self._path} was replaced by another file")
                yield self._connection
            except sqlite3.DatabaseError as error:
                if is_damage(error) or isinstance(error, sqlite3.OperationalError):
                    # SQLite opens a file that cannot be written for reading, and never asks again.
                    self._close()
                if is_damage(error):
                    self.condemn(str(error))
                raise

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=3, isolation_level=None, check_same_thread=False)
        try:
            # What a torn page left of a text is for `embedded_broker` to judge.
            connection.text_factory = partial(str, encoding="utf-8", errors="replace")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT}")
            connection.executescript(self._schema)
            self._identity = _identity(self._path)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _marked(self) -> str:
        try:
            return self._mark.read_text().strip()
        except OSError:
            return f"{self._path} is damaged, says {self._mark}."

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one of its name, or None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
