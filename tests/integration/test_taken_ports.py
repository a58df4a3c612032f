"""`make run` names a port that is taken, and what holds it."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.cli.ports import holder, is_taken
from tests.services import free_port
from tests.stack import KEY, ROOT

#: A server with a child that shares its socket, as gunicorn's do; both wait for the end of their input.
SERVER = """
import os, socket, sys
with socket.create_server((sys.argv[1], 0), family=socket.AddressFamily(int(sys.argv[2]))) as server:
    if os.fork():
        print(server.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(("address", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_of_a_server_and_its_children_the_server_is_named(
    tmp_path: Path, address: str, family: socket.AddressFamily
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, address, str(int(family)), "--password=hidden"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout
        said = holder(int(server.stdout.readline()))
        assert said.startswith(f"process {server.pid} (python")
        assert said.endswith(f", in {tmp_path})")
        server.communicate("")


def test_a_free_port_has_no_holder() -> None:
    port = free_port()
    assert not is_taken(port)
    assert holder(port) == ""


def test_a_port_that_is_taken_stops_make_run_and_is_named_with_its_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("0.0.0.0", 0)) as other:
        ports = {"PORT": one.getsockname()[1], "FLOWER_PORT": other.getsockname()[1]}
        free = {"METRICS_PORT": str(free_port())}
        done = subprocess.run(
            [sys.executable, "-m", "tasks.cli.run"],
            cwd=ROOT,
            env=os.environ
            | {name: str(port) for name, port in ports.items()}
            | free
            | {
                "COINFLOW_VALIDATION_KEY": KEY,
                "DATABASE_URL": f"sqlite:///{tmp_path}/coinflow.sqlite3",
                "EMBEDDED_BROKER_PATH": f"{tmp_path}/broker.sqlite3",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stdout == ""
    for (name, port), said in zip(ports.items(), done.stderr.splitlines(), strict=True):
        assert re.fullmatch(
            rf"Port {port} is taken by process {os.getpid()} \(.+, in {Path.cwd()}\)\. "
            rf"End what listens there, or choose another port: {name}={port + 1} make run",
            said,
        ), said
    assert not any(tmp_path.iterdir())
