"""The commands of README and the docs, typed as a newcomer would, on a copy of the repository.

The pages' commands reach the command line in a process that stays open, which is quick; what `make run` says
to type goes through a shell. What cannot be run here, such as Heroku's, `tests/unit/test_docs.py` checks.
"""

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import copy_checkout
from tests.documents import PAGES, Command, commands, name_of
from tests.make_run import Run
from tests.notifications import new_secret
from tests.services import answers, free_port
from tests.stack import ROOT
from tests.terminal import Terminal
from tests.waiting import wait_until

README = ROOT / "README.md"


def is_ours(command: Command) -> bool:
    """Tell whether the command is our own command line, in whichever folder it is.

    The sink serves until it is ended: `tests/acceptance/test_sink.py` runs it as the pages say.
    """
    return re.match(r"(\.venv/)?bin/coinflowctl (?!sink)", command.line) is not None


#: Pages with commands to run; README first, and then the tutorial, as they are read.
TYPED = sorted(
    (page for page in PAGES if any(map(is_ours, commands(page)))),
    key=lambda page: (page != README, "tutorial" not in page.parts, name_of(page)),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("checkout")
    copy_checkout(folder)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    run = Run(folder)
    # Whom the pages speak of; nobody is there.
    run.environment |= {"NOTIFY_URL": f"http://127.0.0.1:{free_port()}", "NOTIFY_SECRET": new_secret()}
    run.start()
    try:
        wait_until(run.ready, what="make run is ready")
        yield run
    finally:
        run.stop()


@pytest.fixture(scope="module")
def terminal(run: Run) -> Iterator[Terminal]:
    # Without the mark, since it is none of the processes that `make run` starts.
    with Terminal(run.folder, run.environment | {"TEST_RUN": ""}) as terminal:
        yield terminal


def test_make_run_is_ready_last_and_quiet_then(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    said = run.log.read_text()
    before, _, after = said.partition("Ready.")
    assert "ready." in before, "the worker takes what comes"
    code, told = run.shell(".venv/bin/coinflowctl trigger Settled --item sword --wallet first --wait")
    assert (code, "GRANTED: first has 1 sword." in told) == (0, True), told
    with capsys.disabled():
        sys.stderr.write(f"From `make run` to the first grant: {time.monotonic() - run.began:.1f} s\n")
    assert re.findall(r"^\d\d:\d\d:\d\d .*$", after, re.MULTILINE) == []


def test_make_run_names_the_urls(run: Run) -> None:
    said = run.log.read_text()
    for port, path in zip(run.ports, ("/webhooks/coinflow", "", "/metrics"), strict=True):
        assert f"http://localhost:{port}{path}" in said


def test_make_help_lists_what_the_pages_say(run: Run) -> None:
    code, said = run.shell("make help")
    assert code == 0
    for page in PAGES:
        for command in commands(page):
            if re.match(r"make \w", command.line):
                assert f"make {command.line.split()[1]} " in said


@pytest.mark.parametrize("page", TYPED, ids=name_of)
def test_the_commands_of_a_page_work_and_show_what_it_promises(terminal: Terminal, page: Path) -> None:
    for command in filter(is_ours, commands(page)):
        type_until_it_works(terminal, command)


def type_until_it_works(terminal: Terminal, command: Command) -> None:
    """Type a command, and again until it succeeds and shows what it should: the tasks need a moment."""
    _, *arguments = shlex.split(command.line)

    def works() -> bool:
        done = terminal.type(*arguments)
        return done.exit_code == 0 and (command.shown is None or command.shows(done.stdout))

    wait_until(works, what=f"{command.line} works", log=lambda: str(terminal.type(*arguments)))


def test_what_make_run_says_to_type_works_in_a_shell(run: Run) -> None:
    sell, show = re.findall(r"^ +(\.venv/bin/coinflowctl .+)$", run.log.read_text(), re.MULTILINE)
    assert run.shell(sell)[1].startswith("200 Settled ")
    wait_until(lambda: "granted" in run.shell(show)[1], what=show)


def test_ctrl_c_stops_everything_within_ten_seconds(run: Run) -> None:
    os.killpg(run.process.pid, signal.SIGINT)
    run.process.wait(timeout=10)
    wait_until(lambda: not run.survivors(), seconds=10, what=f"no process is left: {run.survivors()}")
    assert not any(map(answers, run.ports))
    said = run.log.read_text()
    # It has swept a few times by now.
    assert "resend" not in said
    assert "--- ***" not in said
    assert "Traceback" not in said
    assert "SIGKILL" not in said
