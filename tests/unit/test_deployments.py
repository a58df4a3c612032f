"""Each way to deploy runs the Procfile's lines, and each file of it says what the code needs."""

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.stack import ROOT, procfile
from tests.units import SERVICES, settings


def test_every_process_has_a_unit() -> None:
    assert set(SERVICES) == set(procfile())


@pytest.mark.parametrize("name", procfile())
def test_a_unit_runs_the_procfiles_line(name: str) -> None:
    assert shlex.split(settings(name)["ExecStart"]) == ["/bin/sh", "-c", procfile()[name]]


def test_web_may_open_as_many_files_as_it_takes_connections() -> None:
    configuration = ROOT / "receiver" / "gunicorn_conf.py"
    connections = re.search(r"^worker_connections = (\d+)$", configuration.read_text(), re.MULTILINE)
    assert connections
    assert int(settings("web")["LimitNOFILE"]) > int(connections[1])


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [(["web"], "receives at http://host"), (["worker"], "fulfils"), (["printf", "%s", "web"], "web")],
)
def test_a_container_runs_a_line_of_the_procfile_or_else_a_command(
    tmp_path: Path, arguments: list[str], printed: str
) -> None:
    lines = ["web: printf %s 'receives at http://host'", "worker: exec printf fulfils"]
    (tmp_path / "Procfile").write_text("\n".join(lines))
    command = [str(ROOT / "ops" / "container" / "start"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == printed


def test_the_image_has_a_python_that_the_project_takes() -> None:
    lowest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    default = re.search(
        r"^ARG BASE=python:3\.(\d+)-slim$", (ROOT / "Containerfile").read_text(), re.MULTILINE
    )
    assert default
    assert int(default[1]) >= int(lowest.removeprefix(">=3."))
