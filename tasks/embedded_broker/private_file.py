"""Files that hold personal data: for their owner alone."""

import os
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE

_OTHERS, _ALL_BUT_OWNER = 0o007, 0o077
_OTHERS_WRITE, _GROUP_WRITES = 0o002, 0o020


def make_private(file: Path) -> None:
    """Keep others from reading a SQLite file, and what SQLite writes beside it with the same permissions.

    The file and its folder are made for their owner alone, if they are not there. A file that cannot be made
    is left for SQLite to complain about. Raises OSError if the folder cannot be made.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(OSError):
        # Never one that is there: to close it would drop the locks that SQLite has on it in this process.
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    for suffix in ("", "-wal", "-shm"):
        close_to_others(file.with_name(file.name + suffix))


def close_to_others(path: Path) -> None:
    """Leave what everybody can read or write to its owner, and to its group if that alone may write beside.

    Such a group was chosen by somebody: processes of several users share the file. What is not ours, or not
    open to everybody, stays as it is.
    """
    with suppress(OSError):
        mode = S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            is_shared = mode & (_GROUP_WRITES | _OTHERS_WRITE) == _GROUP_WRITES
            path.chmod(mode & ~(_OTHERS if is_shared else _ALL_BUT_OWNER))
