"""A platform's way: the production requirements alone, then the Procfile's lines, on real servers."""

import json
import os
import subprocess
import sys
import venv
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.conftest import serve
from tests.services import answers
from tests.stack import ROOT, Stack, procfile
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder with the commands of what requirements.txt installs, and of nothing else."""
    place = tmp_path_factory.mktemp("production") / "venv"
    venv.create(place)
    install = ["install", "--quiet", "--require-hashes", "-r", "requirements.txt"]
    subprocess.run([sys.executable, "-m", "pip", "--python", place, *install], cwd=ROOT, check=True)
    return str(place / "bin")


@pytest.mark.parametrize("servers", ["RabbitMQ and PostgreSQL", "Redis and PostgreSQL"])
def test_the_procfile_runs_on_the_production_requirements_alone(
    tmp_path: Path, commands: str, servers: str
) -> None:
    with ExitStack() as exits:
        environment = serve(servers, tmp_path, exits)
        alone = {"PATH": os.pathsep.join([commands, "/usr/bin", "/bin"]), "PYTHONPATH": ""}
        stack = exits.enter_context(Stack(tmp_path, environment | alone))
        lines = procfile()
        assert lines.pop("release") == "alembic upgrade head"
        stack.release()
        stack.start(*lines)

        stack.shell("bin/coinflowctl trigger Settled --item sword --wallet alice")
        wait_until(
            lambda: json.loads(stack.shell("bin/coinflowctl wallets show alice --json"))["items"],
            seconds=30,
            what="the purchase is granted",
            log=lambda: stack.log("worker"),
        )
        wait_until(lambda: answers(stack.flower_port), seconds=30, what="Flower listens")
        wait_until(lambda: "beat: Starting" in stack.log("beat"), seconds=30, what="beat runs")
        assert stack.shell(". ./.profile; coinflowctl dead-letters list --json").strip() == "[]"
        assert {name: process.poll() for name, process in stack.processes.items()} == dict.fromkeys(lines)
