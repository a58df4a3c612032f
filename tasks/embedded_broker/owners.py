"""Owners of messages on the embedded broker: numbers that die with their process."""

import fcntl
import os
import random
import threading
from pathlib import Path


class Owners:
    """A process's own owners, and whether those of others still live.

    The kernel drops a record lock with the process that holds it, SIGKILL or not, and a fork does not inherit
    it: orphaned children keep no owner alive. Each owner locks one byte far beyond the file's end.
    """

    def __init__(self, path: Path) -> None:
        # Stays open for good, for closing any descriptor of a file drops the process's locks.
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()
        self._own: set[int] = set()

    def new(self) -> int:
        """Return the number of an owner that lives until `retire`, or as long as this process."""
        owner = random.SystemRandom().randrange(1, 2**62)
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX, 1, owner)
            self._own.add(owner)
        return owner

    def retire(self, owner: int) -> None:
        """Let an owner die."""
        with self._lock:
            self._own.discard(owner)
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, owner)

    def has_died(self, owner: int) -> bool:
        """Tell whether an owner, of whatever process, is no more."""
        with self._lock:
            if owner in self._own:
                return False
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, owner)
            except OSError:
                return False
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, owner)
            return True
