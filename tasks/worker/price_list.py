"""The price list in force: an edit of its file counts without a restart, a broken one changes nothing."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from tasks.payments.price_list import PriceList, PriceListError, read_price_list
from tasks.worker.price_list_file import read_file

_log = structlog.get_logger(__name__)

#: Seconds for which a file must have been left alone: one that is still being written may be good TOML too.
_SETTLED_AFTER = 1.0


class SharedPriceList:
    """The list in force for a process and those that it forks, at whatever time it forks them.

    Only the process that made it looks at the file, so that all have the same list and a fault is reported
    once. What it takes it appends to an unnamed file that the others inherit and read.
    """

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        """Read the list in `path`. Raises PriceListError."""
        self._path = path
        self._now = now
        self._missing_since: float | None = None
        self._judged = self._stamp()
        self._end = 0
        # A bare descriptor, because it stays open until the last process that reads it has ended.
        with tempfile.TemporaryFile() as shared:
            self._shared = os.dup(shared.fileno())
        self._in_force = (0, read_price_list(read_file(path)))
        self._share(self._in_force[1])

    def current(self) -> PriceList:
        """Return the list in force."""
        size = os.fstat(self._shared).st_size
        if size != self._in_force[0]:
            # What follows the last line end is a line that is still being written.
            line = os.pread(self._shared, size, 0).split(b"\n")[-2]
            # One assignment: a fork, or another thread, must not see half of it.
            self._in_force = (size, PriceList.model_validate_json(line))
        return self._in_force[1]

    def look(self) -> None:
        """Take an edit of the file, or log once why it is refused; call it every second or so."""
        stamp = self._stamp()
        if stamp == self._judged or 0 <= self._now() - stamp[0] < _SETTLED_AFTER:
            return
        try:
            edited: PriceList | PriceListError = read_price_list(read_file(self._path))
        except PriceListError as error:
            edited = error
        if stamp != self._stamp():
            return
        if isinstance(edited, PriceList):
            self._share(edited)
            _log.info("price_list.changed", file=str(self._path), items=len(edited.items))
        else:
            _log.error("price_list.refused", file=str(self._path), line=edited.line, reason=edited.reason)
        self._judged = stamp

    def _share(self, catalog: PriceList) -> None:
        line = catalog.model_dump_json().encode() + b"\n"
        self._end += os.pwrite(self._shared, line, self._end)

    def _stamp(self) -> tuple[float, int, int]:
        """Return what tells an edit, its time first; a file that is gone changed when that was seen."""
        try:
            found = self._path.stat()
        except OSError:
            self._missing_since = self._missing_since or self._now()
            return (self._missing_since, 0, 0)
        self._missing_since = None
        return (found.st_mtime, found.st_size, found.st_ino)
