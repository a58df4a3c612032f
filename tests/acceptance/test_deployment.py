"""A platform's way: the production requirements alone, then the Procfile's lines, on real servers."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.acceptance.servers import Serve
from tests.services import answers, missing
from tests.stack import ROOT, Stack, procfile
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder with the commands of what requirements.txt installs, and of nothing else."""
    place = tmp_path_factory.mktemp("production") / "venv"
    venv.create(place, symlinks=True)
    # What the processes import they compile themselves.
    install = ["install", "--quiet", "--no-compile", "--require-hashes", "-r", "requirements.txt"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", place, *install],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        missing(f"requirements.txt cannot be installed: {done.stderr[-1000:]}")
    return str(place / "bin")


@pytest.mark.parametrize("servers", ["RabbitMQ and PostgreSQL", "Redis and PostgreSQL"])
def test_the_procfile_runs_on_the_production_requirements_alone(
    tmp_path: Path, serve: Serve, commands: str, servers: str
) -> None:
    production = {
        "ALLOW_LOSSY_BROKER": str(servers.startswith("Redis")),
        "ENVIRONMENT": "production",
        "PATH": os.pathsep.join([commands, "/usr/bin", "/bin"]),
        "PYTHONPATH": "",
    }
    with serve(servers, tmp_path) as environment, Stack(tmp_path, environment | production) as stack:
        lines = procfile()
        assert lines.pop("release").startswith("alembic upgrade head && ")
        stack.release()
        stack.start(*lines)

        stack.shell("bin/coinflowctl trigger Settled --item sword --wallet alice")
        wait_until(
            lambda: json.loads(stack.shell("bin/coinflowctl wallets show alice --json"))["items"],
            what="the purchase is granted",
            log=lambda: stack.log("worker"),
        )
        wait_until(lambda: answers(stack.flower_port), what="Flower listens")
        wait_until(lambda: "beat: Starting" in stack.log("beat"), what="beat runs")
        assert stack.shell(". ./.profile; coinflowctl dead-letters list --json").strip() == "[]"
        assert {name: process.poll() for name, process in stack.processes.items()} == dict.fromkeys(lines)


def test_no_process_starts_in_production_without_a_broker_or_a_database(tmp_path: Path) -> None:
    commands = procfile() | {"coinflowctl": "bin/coinflowctl dead-letters list"}
    with Stack(tmp_path, {"ENVIRONMENT": "production", "DATABASE_URL": ""}) as stack:
        started = {
            name: subprocess.Popen(
                ["/bin/sh", "-c", command],
                cwd=ROOT,
                env=stack.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for name, command in commands.items()
        }
        for name, process in started.items():
            said, _ = process.communicate(timeout=PATIENCE)
            assert process.returncode == 1, name
            named = ["BROKER_URL"] if name == "web" else ["BROKER_URL", "DATABASE_URL"]
            assert [line.split(":")[0].strip() for line in said.splitlines()[1:]] == named, said
