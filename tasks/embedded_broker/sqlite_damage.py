"""A SQLite file with a torn page: how it shows, and what to do about it.

It differs from a file that is locked, full or cannot be written just now: it does not pass by itself.
"""

import sqlite3
from pathlib import Path

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_damage(error: BaseException) -> bool:
    """Tell whether SQLite says that what it read is not what it wrote."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    # The higher bits are details.
    return code is not None and code & 0xFF in _DAMAGED


def recovery(path: Path, *marks: Path) -> str:
    """Return the command that saves what can be, keeps the torn file under another name and removes marks.

    `.recover` finds rows in whatever pages are whole. A `sqlite3` that was built without it (Debian's is) has
    `.dump`, which reaches fewer; where that finds none, as without the first page, nothing is changed.
    """
    gone = " ".join(map(str, (f"{path}-wal", f"{path}-shm", *marks)))
    return (
        f"rm -f {path}.recovered; sqlite3 {path} .recover > {path}.sql"
        f" || {{ echo 'This sqlite3 has no .recover; one that has it may find more in {path}.torn.';"
        f" sqlite3 {path} .dump | sed 's/^ROLLBACK; -- due to errors$/COMMIT;/' > {path}.sql; }};"
        f" grep -q ^INSERT {path}.sql && sqlite3 {path}.recovered < {path}.sql"
        f" && mv {path} {path}.torn && mv {path}.recovered {path} && rm -f {gone}"
    )
