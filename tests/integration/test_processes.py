"""Processes that share a terminal end together, and say which of them was the first."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.stack import ROOT
from tests.waiting import PATIENCE

Start = Callable[..., subprocess.Popen[str]]
NOHUP = ("/bin/sh", "-c", """trap '' HUP; exec "$@" """, "sh")
#: A line tells that it runs and which process it is; then it waits.
WAITS = "echo waits $$; exec sleep 1000"


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as started:

        def start(*commands: str, prefix: Sequence[str] = ()) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "tests.programs.processes", *commands],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            )
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield start


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def waiting(process: subprocess.Popen[str]) -> int:
    """Return the process that says that it waits."""
    said = line(process)
    assert "waits" in said
    return int(said.split()[-1])


@pytest.mark.parametrize(("ends", "code"), [("exit 7", 7), ("kill -KILL $$", 137), ("exit 0", 0)])
def test_the_first_to_end_ends_the_others_and_gives_its_code(start: Start, ends: str, code: int) -> None:
    process = start(WAITS, f"sleep 0.2; {ends}")
    other = waiting(process)
    assert process.wait(timeout=PATIENCE) == code
    assert not Path(f"/proc/{other}").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(start: Start, number: signal.Signals) -> None:
    process = start(WAITS, WAITS)
    others = [waiting(process), waiting(process)]
    process.send_signal(number)
    assert process.wait(timeout=PATIENCE) == 0
    assert not any(Path(f"/proc/{each}").exists() for each in others)


def test_what_does_not_end_is_killed_and_named(start: Start) -> None:
    process = start(f"trap '' TERM; {WAITS}")
    stubborn = waiting(process)
    process.terminate()
    assert line(process) == "command-1 has not ended within 5 seconds: SIGKILL\n"
    assert process.wait(timeout=PATIENCE) == 0
    assert not Path(f"/proc/{stubborn}").exists()


def test_output_that_nobody_reads_any_more_ends_everything(start: Start) -> None:
    process = start(WAITS, "while echo again; do sleep 0.05; done")
    while "waits" not in (said := line(process)):
        pass
    assert process.stdout
    process.stdout.close()
    assert process.wait(timeout=PATIENCE) == 0
    assert not Path("/proc", said.split()[-1]).exists()


def test_what_is_to_outlive_its_terminal_does(start: Start, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    process = start(f"echo waits $$; read -r _ < {gate}; exit 5", prefix=NOHUP)
    waiting(process)
    process.send_signal(signal.SIGHUP)
    gate.write_text("\n")
    assert process.wait(timeout=PATIENCE) == 5


def test_each_line_names_its_process(start: Start) -> None:
    process = start("echo one; exec sleep 1000", "sleep 0.2; printf 'two\\nthree'")
    assert process.wait(timeout=PATIENCE) == 0
    assert process.stdout
    said = [each.split(" ", 1)[1] for each in process.stdout.read().splitlines()]
    assert said == ["command-1 | one", "command-2 | two", "command-2 | three"]
