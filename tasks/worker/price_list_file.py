"""The price list's file, which `CATALOG_PATH` names, and when an edit of it is one."""

import time
from collections.abc import Callable
from pathlib import Path

from tasks.payments.price_list import PriceListError

#: Seconds for which a file must have been left alone: one that is still being written may be good TOML too.
_SETTLED_AFTER = 1.0


def read_file(path: Path) -> str:
    """Return the text of a price list's file. Raises PriceListError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PriceListError(f"{error.strerror}. Set CATALOG_PATH to the price list.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise PriceListError(f"not in UTF-8: {error.reason}", line) from None


class WatchedFile:
    """A price list's file, whose edits are noticed."""

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._missing_since: float | None = None
        self._seen = self._stamp()
        #: The text, or why it cannot be read.
        self.content = self._read()

    def is_edited(self) -> bool:
        """Look at the file; tell whether it has been left alone with another content than before."""
        stamp = self._stamp()
        if stamp == self._seen or 0 <= self._now() - stamp[0] < _SETTLED_AFTER:
            return False
        content = self._read()
        if stamp != self._stamp():
            return False
        self._seen = stamp
        # Two errors that say the same are the same content.
        before, self.content = self.content, content
        return (type(before), str(before)) != (type(content), str(content))

    def _read(self) -> str | PriceListError:
        try:
            return read_file(self._path)
        except PriceListError as error:
            return error

    def _stamp(self) -> tuple[float, int, int]:
        """Return what tells an edit, its time first; a file that is gone changed when that was seen."""
        try:
            found = self._path.stat()
        except OSError:
            self._missing_since = self._missing_since or self._now()
            return (self._missing_since, 0, 0)
        self._missing_since = None
        return (found.st_mtime, found.st_size, found.st_ino)
