"""Which processes hold connections to a server of this machine, as Linux knows it."""

from contextlib import suppress
from pathlib import Path

from tests.stack import children

_ESTABLISHED = "01"


def descendants(process: int) -> list[int]:
    """Return a process and all that it has started."""
    return [process, *(each for child in children(process) for each in descendants(child))]


def connections(process: int, port: int) -> int:
    """Return how many connections to a port a process and its children hold."""
    # A child inherits what its parent has opened; that is one connection all the same.
    held = {inode for each in descendants(process) for inode in _sockets(each)}
    return len(held & _to(port))


def _to(port: int) -> set[str]:
    """Return the inodes of the connections to a port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    return {row[9] for row in rows if row[3] == _ESTABLISHED and int(row[2].partition(":")[2], 16) == port}


def _sockets(process: int) -> set[str]:
    inodes = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                kind, _, rest = str(entry.readlink()).partition(":[")
                if kind == "socket":
                    inodes.add(rest.rstrip("]"))
    return inodes
