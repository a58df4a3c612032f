"""`make run` in a copy of the repository, as in a terminal of its own."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.services import free_port
from tests.waiting import PATIENCE

#: The copy shares this environment, which its own make would take for outdated.
AS_IF_SET_UP = ("--old-file", ".venv/installed")
MAKE_RUN = ("make", *AS_IF_SET_UP, "run")


class Run:
    """`make run` in a folder, with ports of its own and a mark on every process that it starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = f"TEST_RUN={uuid.uuid4()}"
        self.ports = (free_port(), free_port(), free_port())
        names = ("PORT", "FLOWER_PORT", "METRICS_PORT", "TEST_RUN")
        values = (*map(str, self.ports), self.mark.partition("=")[2])
        self.environment = os.environ | dict(zip(names, values, strict=True))
        self.environment.pop("PYTHON_DOTENV_DISABLED", None)
        self.log = folder / "run.log"
        self.process: subprocess.Popen[bytes]

    def start(self, command: Sequence[str] = MAKE_RUN, **options: Any) -> None:
        """Start it, or another command, with further options of `Popen`, in a session of its own."""
        self.began = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                start_new_session=True,
                **{"stdout": log, "stderr": log, **options},
            )

    def stop(self) -> None:
        """Press Ctrl-C, unless it has ended."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
            self.process.wait(timeout=PATIENCE)

    def ready(self) -> bool:
        """Tell whether it has said that it is ready."""
        assert self.process.poll() is None, self.log.read_text()
        return "Ready." in self.log.read_text()

    def shell(self, line: str) -> tuple[int, str]:
        """Type a line in another terminal; return its exit code and what it printed."""
        done = subprocess.run(
            line,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def processes(self) -> dict[int, str]:
        """Return the commands that it has started and that run, by process."""
        running = {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if self.mark.encode() in (process / "environ").read_bytes():
                    command = (process / "cmdline").read_text().replace("\0", " ")
                    running[int(process.name)] = command
        return running

    def survivors(self) -> list[str]:
        """Return the commands that run."""
        return list(self.processes().values())
