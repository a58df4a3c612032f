"""A terminal that closes, or Ctrl-C, ends everything that `make run` has started in it, whenever that is."""

import fcntl
import os
import pty
import re
import select
import signal
import sys
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.checkout import copy_checkout
from tests.make_run import AS_IF_SET_UP, MAKE_RUN, Run
from tests.services import answers
from tests.stack import ROOT
from tests.waiting import wait_until

pytestmark = pytest.mark.long


class Window:
    """A window with `make run` in it, which sends SIGHUP to its foreground when it is closed."""

    def __init__(self, run: Run, command: Sequence[str]) -> None:
        self.run = run
        self.shown = b""
        self._master, slave = pty.openpty()
        run.start(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    def shows(self, text: str) -> bool:
        """Tell whether it has shown a text by now."""
        while select.select([self._master], [], [], 0)[0]:
            try:
                self.shown += os.read(self._master, 65_536)
            except OSError:
                # Nobody has the other end any more.
                break
        return text.encode() in self.shown

    def runs(self, command: str) -> bool:
        """Tell whether a command of the run is running, and show what there is to show."""
        self.shows("")
        return any(command in process for process in self.run.survivors())

    def close(self) -> None:
        """Close it."""
        os.close(self._master)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    copy_checkout(tmp_path)
    run = Run(tmp_path)
    yield run
    for process in run.processes():
        os.kill(process, signal.SIGKILL)


#: A terminal that closes tells the first process of its session, and what stands in its foreground once that
#: process has ended. It is a shell that ends, or make itself, where a terminal was opened for it alone.
OPENED_FOR = {
    "a shell": ("/bin/sh", "-c", '"$@"; exit', "sh", *MAKE_RUN),
    "make": MAKE_RUN,
}


def close_when(run: Run, moment: str, command: Sequence[str]) -> None:
    """Close the window when it shows a text or runs a command; check that nothing is left."""
    window = Window(run, command)
    wait_until(
        lambda: window.shows(moment) or window.runs(moment),
        what=moment,
        log=lambda: window.shown.decode(errors="replace"),
    )
    window.close()
    wait_until(
        lambda: run.process.poll() is not None and not run.survivors(),
        what="everything ends",
        log=lambda: "\n".join(run.survivors()),
    )
    assert not any(map(answers, run.ports))


@pytest.mark.parametrize(
    ("moment", "opened_for"),
    [
        ("tasks.cli.run", "a shell"),
        ("alembic upgrade head", "a shell"),
        ("catalog apply", "make"),
        ("gunicorn", "a shell"),
        ("gunicorn", "make"),
        ("celery -q -A tasks worker", "a shell"),
        ("celery -A tasks flower", "make"),
        ("Ready.", "a shell"),
        ("Ready.", "make"),
    ],
)
def test_a_terminal_that_closes_ends_everything(run: Run, moment: str, opened_for: str) -> None:
    (run.folder / ".venv").symlink_to(ROOT / ".venv")
    close_when(run, moment, OPENED_FOR[opened_for])


@pytest.mark.parametrize("moment", ["-m venv", "-m pip install"])
def test_a_terminal_that_closes_ends_the_set_up(run: Run, moment: str) -> None:
    set_up = [each for each in OPENED_FOR["a shell"] if each not in AS_IF_SET_UP]
    close_when(run, moment, [*set_up, f"PYTHON={sys.executable}"])
    assert not (run.folder / ".venv" / "installed").exists()


def test_ctrl_c_ends_what_is_still_imported_without_a_traceback(run: Run) -> None:
    (run.folder / ".venv").symlink_to(ROOT / ".venv")
    package = run.folder / "tasks" / "cli" / "__init__.py"
    package.write_text("import signal\nprint('imports', flush=True)\nsignal.pause()\n")
    run.start()
    wait_until(lambda: "imports" in run.log.read_text(), what="it imports", log=run.log.read_text)
    run.stop()
    # make dies of it, or tells of the program that did, whichever it hears of first.
    assert run.process.returncode in {-signal.SIGINT, 2}
    said = run.log.read_text().partition("imports\n")[2]
    assert [line for line in said.splitlines() if not re.match(r"make(\[\d\])?: ", line)] == []
    wait_until(lambda: not run.survivors(), what="nothing is left")
