"""A worker's watch over its price list's file."""

import subprocess
import sys
import tempfile
import time
from typing import Any

import structlog
from celery import bootsteps
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from celeryconfig import WORKERS_QUEUES, prefixed
from tasks.errors import TransientError
from tasks.payments.price_list import PriceListError
from tasks.store.faults import told
from tasks.store.revision import difference, revision_of
from tasks.worker import price_list_acceptance
from tasks.worker.price_list_acceptance import EDIT, START, begin, refuse
from tasks.worker.price_list_file import WatchedFile

#: Seconds between two tries while the database is away.
RETRY_AFTER = 5.0

_log = structlog.get_logger("tasks.worker.price_list")


class PriceListWatch(bootsteps.StartStopStep):
    """Looks at the file before the pool is forked, and for edits while the worker runs.

    What an edit comes to is a program's work, which is run again until the database has taken it.
    """

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._path = worker.app.collaborators.settings.catalog_path
        self._file = WatchedFile(self._path)
        self._by = str(worker.hostname)
        #: What is still to be done, and not before when.
        self._occasion: str | None = None
        self._not_before = 0.0
        self._program: subprocess.Popen[bytes] | None = None

    def include_if(self, worker: Any) -> bool:
        """Leave a worker alone that reads none of the queues whose tasks ask for a price."""
        return not set(worker.app.amqp.queues.consume_from).isdisjoint(map(prefixed, WORKERS_QUEUES))

    def create(self, worker: Any) -> None:
        """Refuse to start where there is no list at all. Raises SystemExit."""
        engine = worker.app.collaborators.engine
        try:
            self._tell_revision(engine)
            begin(engine, self._file.content, self._path, self._by)
        except PriceListError as error:
            raise SystemExit(f"The price list needs attention. {error.told_of(self._path)}") from None
        except (SQLAlchemyError, TransientError) as error:
            _log.warning("price_list.waiting", file=str(self._path), reason=told(error))
            self._occasion = START
        finally:
            # No pool process may inherit a connection.
            engine.dispose()

    def start(self, worker: Any) -> None:
        """Look every second; the timer is the worker's, so it outlives a connection to the broker."""
        worker.timer.call_repeatedly(1.0, self.look)

    def stop(self, _worker: Any) -> None:
        """End what is under way; the next start sees to it."""
        self._end_program()

    def look(self) -> None:
        """See to an edit, and to what a look before could not finish; it waits for nothing."""
        if self._file.is_edited():
            self._end_program()
            self._occasion, self._not_before = EDIT, 0.0
        elif self._program and (code := self._program.poll()) is not None:
            self._program = None
            self._not_before = time.monotonic() + RETRY_AFTER
            if code == 0:
                self._occasion = None
        if self._occasion and not self._program and time.monotonic() >= self._not_before:
            self._act(self._occasion)

    def _tell_revision(self, engine: Engine) -> None:
        with engine.connect() as connection:
            if said := difference(revision_of(connection)):
                _log.warning("database.revision", reason=said)

    def _act(self, occasion: str) -> None:
        content = self._file.content
        if isinstance(content, PriceListError):
            refuse(content, self._path)
            self._occasion = None
            return
        # A file, because a pipe would hold no long list before the program has started to read.
        with tempfile.TemporaryFile() as text:
            text.write(content.encode())
            text.seek(0)
            arguments = [occasion, self._by, str(self._path)]
            self._program = subprocess.Popen(  # noqa: S603  # its name and arguments are our own
                [sys.executable, "-m", price_list_acceptance.__name__, *arguments], stdin=text
            )

    def _end_program(self) -> None:
        if self._program:
            self._program.kill()
            self._program.wait()
            self._program = None
