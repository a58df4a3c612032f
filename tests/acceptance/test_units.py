"""The unit files: what systemd thinks of them, and their processes from start to stop."""

import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.purchases import buy, granted
from tests.services import answers, missing
from tests.stack import Stack
from tests.units import FOLDER, SERVICES, settings
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def systemd_analyze() -> str:
    return shutil.which("systemd-analyze") or missing(
        "systemd-analyze is not installed (apt-get install systemd)"
    )


def test_systemd_has_nothing_to_say_against_the_units(systemd_analyze: str) -> None:
    units = [*SERVICES.values(), FOLDER / "coinflow.target"]
    done = subprocess.run(
        [systemd_analyze, "verify", *units],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    # What it does not know it only says.
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_exposed_to_little(systemd_analyze: str, name: str) -> None:
    said = subprocess.run([systemd_analyze, "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.split()[1].partition(".")[0]) < 250:
        pytest.skip("systemd-analyze before version 250 looks at running services alone")
    # Tenths: 100 is a service without any protection, and what is below 20 it calls OK.
    command = [systemd_analyze, "security", "--offline=true", "--threshold=20", str(SERVICES[name])]
    subprocess.run(command, check=True, capture_output=True)


def test_the_units_processes_fulfil_and_stop_as_the_units_say(tmp_path: Path) -> None:
    with Stack(tmp_path, {"ALLOW_EMBEDDED": "true", "ENVIRONMENT": "production"}) as stack:

        def start(name: str) -> None:
            variable, _, path = settings(name)["Environment"].partition("=")
            assert variable == "PATH"
            own = Path(stack.environment["PATH"].partition(":")[0])
            here = path.replace("/opt/coinflow/.venv/bin", str(own))
            assert here != path
            stack.start_command(name, shlex.split(settings(name)["ExecStart"]), {"PATH": here})

        start("release")
        assert stack.processes.pop("release").wait(timeout=60) == 0
        for name in set(SERVICES) - {"release"}:
            start(name)
        wait_until(lambda: stack.get("/readyz") == 200, what="web is ready", log=lambda: stack.log("web"))
        buy(stack, "alice")
        assert [each["item"] for each in granted(stack, "alice")] == ["sword"]
        wait_until(lambda: "beat: Starting" in stack.log("beat"), what="beat runs")
        wait_until(lambda: answers(stack.flower_port), what="Flower listens")

        for name, process in stack.processes.items():
            # The first process alone, and what it has started ends with it.
            assert settings(name)["KillMode"] == "mixed"
            children = stack.children(name)
            process.send_signal(signal.Signals[settings(name)["KillSignal"]])
            assert process.wait(timeout=int(settings(name)["TimeoutStopSec"])) == 0, stack.log(name)
            assert not [child for child in children if Path(f"/proc/{child}").exists()]
