"""A real terminal's other end: what arrives there is what a person's terminal would be sent."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from tests.stack import ROOT


def shown(commands: Sequence[Sequence[str]], environment: Mapping[str, str], typed: str = "") -> bytes:
    """Return what a terminal is sent while `coinflowctl` runs these commands, which may fail by a message.

    What is typed is there before it is asked for.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.programs.typed", json.dumps(commands)],
        cwd=ROOT,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    parts = []
    # Linux says by an error that the other end is closed.
    with suppress(OSError):
        while part := os.read(ours, 65_536):
            parts.append(part)
    os.close(ours)
    assert process.wait() == 0, b"".join(parts).decode(errors="replace")
    return b"".join(parts)
