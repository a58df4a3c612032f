"""README's commands, typed one after the other as a newcomer would, on a copy of the repository."""

import json
import os
import re
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import answers, free_port
from tests.stack import ROOT
from tests.waiting import wait_until

BLOCKS = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
COMMANDS = [line for language, block in BLOCKS if language == "sh" for line in block.splitlines()]
#: Runs this test, or does what it runs beside.
ELSEWHERE = {"make run", "make test", "make lint"}


class Run:
    """`make run` in a folder, with ports of its own and a mark on every process that it starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = f"TEST_RUN={uuid.uuid4()}"
        self.ports = (free_port(), free_port())
        names = ("PORT", "FLOWER_PORT", "TEST_RUN")
        values = (*map(str, self.ports), self.mark.partition("=")[2])
        self.environment = os.environ | dict(zip(names, values, strict=True))
        self.environment.pop("PYTHON_DOTENV_DISABLED")
        self.log = folder / "run.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                # The copy shares this environment, which its own make would take for outdated.
                ["make", "--old-file", ".venv/installed", "run"],
                cwd=folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ready(self) -> bool:
        """Tell whether it has said that it is ready."""
        assert self.process.poll() is None, self.log.read_text()
        return "Ready." in self.log.read_text()

    def type(self, command: str) -> str:
        """Run a command in another terminal, again until it succeeds: the tasks need a moment."""
        return wait_until(lambda: self._try(command), seconds=20, what=f"{command} succeeds")

    def _try(self, command: str) -> str:
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout if done.returncode == 0 else ""

    def survivors(self) -> list[str]:
        """Return the processes that `make run` has left behind."""
        left = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (process / "environ").read_bytes():
                    left.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return left


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("checkout")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(
        listed, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines():
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    run = Run(folder)
    try:
        wait_until(run.ready, seconds=60, what="make run is ready")
        yield run
    finally:
        if run.process.poll() is None:
            os.killpg(run.process.pid, signal.SIGINT)
            run.process.wait(timeout=20)


def test_make_run_names_the_urls_and_the_next_command(run: Run) -> None:
    said = run.log.read_text()
    for expected in (
        f"http://localhost:{run.ports[0]}/webhooks/coinflow",
        f"http://localhost:{run.ports[1]}",
        ".venv/bin/coinflowctl trigger Settled --item sword --wallet alice",
    ):
        assert expected in said


def test_every_command_works_and_shows_what_is_promised(run: Run) -> None:
    assert len(COMMANDS) > 10
    for command in COMMANDS:
        if command in ELSEWHERE:
            assert f"make {command.split()[1]}" in run.type("make help")
        else:
            assert run.type(command), command

    promised = [json.loads(block.replace("…", "")) for language, block in BLOCKS if language == "json"]
    for document in promised:

        def shown(document: object = document) -> bool:
            items = json.loads(run.type(".venv/bin/coinflowctl wallets show alice --json"))
            return {**items, "items": [{**item, "payment_id": ""} for item in items["items"]]} == document

        wait_until(shown, seconds=10, what="the wallet that README shows")


def test_ctrl_c_stops_everything_within_ten_seconds(run: Run) -> None:
    os.killpg(run.process.pid, signal.SIGINT)
    run.process.wait(timeout=10)
    wait_until(lambda: not run.survivors(), seconds=2, what=f"no process is left: {run.survivors()}")
    assert not any(map(answers, run.ports))
    said = run.log.read_text()
    assert "Traceback" not in said
    assert "SIGKILL" not in said
