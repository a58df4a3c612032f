"""Each way to deploy runs the Procfile's lines, and each file of it says what the code needs."""

import re
import shlex

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
