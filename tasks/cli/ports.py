"""Whether a port is taken, and by which process, where Linux tells."""

import errno
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LISTENS = "0A"


def is_taken(port: int) -> bool:
    """Tell whether nobody else can listen on a port of this machine."""
    with socket.socket() as probe:
        # As the servers do: connections that merely linger from an earlier run are no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def holder(port: int) -> str:
    """Return which process listens on a port, by its number, name and folder; empty where that is unknown.

    Its arguments are left out, because they may hold a secret.
    """
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    processes = {process for process in Path("/proc").glob("[0-9]*") if sockets & set(_open_in(process))}
    for process in sorted(processes, key=lambda each: int(each.name)):
        with suppress(OSError, StopIteration):
            lines = (process / "status").read_text().splitlines()
            parent = next(line.split()[1] for line in lines if line.startswith("PPid:"))
            # Of a server and the children that it has forked, the server.
            if Path("/proc", parent) not in processes:
                name = (process / "comm").read_text().strip()
                return f"process {process.name} ({name}, in {(process / 'cwd').readlink()})"
    return ""


def _listening(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                _, address, _, state, *_, inode = line.split()[:10]
                if state == _LISTENS and int(address.rpartition(":")[2], 16) == port:
                    yield inode


def _open_in(process: Path) -> Iterator[str]:
    # Another user's processes tell nothing, and any may end meanwhile.
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                yield str(descriptor.readlink())
