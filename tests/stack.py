"""The product as a merchant runs it: the Procfile's processes, started one by one."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from click.testing import CliRunner

from tasks.cli import main
from tests.services import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parent.parent
KEY = "key-of-a-test"


def procfile() -> dict[str, str]:
    """Return the Procfile's commands by process name."""
    lines = (ROOT / "Procfile").read_text().splitlines()
    return {name: command.strip() for name, _, command in (line.partition(":") for line in lines if line)}


class Stack:
    """Runs processes of the Procfile with state of its own in `folder`."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.port = free_port()
        self.flower_port = free_port()
        self.environment = os.environ | {
            "COINFLOW_VALIDATION_KEY": KEY,
            "DATABASE_URL": f"sqlite:///{folder}/coinflow.sqlite3",
            "EMBEDDED_BROKER_PATH": f"{folder}/broker.sqlite3",
            "FLOWER_PORT": str(self.flower_port),
            "LOG_FORMAT": "console",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PORT": str(self.port),
            "PYTHONWARNINGS": "default",
            **environment,
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for name in list(self.processes):
            self.kill(name)

    @property
    def url(self) -> str:
        """Where Coinflow would deliver."""
        return f"http://127.0.0.1:{self.port}/webhooks/coinflow"

    def start(self, *names: str) -> None:
        """Start processes; return once `web`, if it is one of them, is ready."""
        for name in names:
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    ["/bin/sh", "-c", procfile()[name]],
                    cwd=ROOT,
                    env=self.environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        if "web" in names:
            wait_until(self._is_ready, seconds=30, what="/readyz answers 200", log=lambda: self.log("web"))

    def release(self) -> None:
        """Run the Procfile's release step."""
        subprocess.run(["/bin/sh", "-c", procfile()["release"]], cwd=ROOT, env=self.environment, check=True)

    def _is_ready(self) -> bool:
        return self.get("/readyz") == 200

    def get(self, path: str) -> int:
        """Return the status that a path of the receiver answers, 0 for none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def log(self, name: str) -> str:
        """Return what a process has written."""
        return (self.folder / f"{name}.log").read_text()

    def kill(self, name: str, signal_number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to everything of a process and wait for its end."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal_number)
        process.wait(timeout=30)

    def ctl(self, *arguments: str, exit_code: int = 0) -> str:
        """Run coinflowctl in this process, which is quick; return what it printed."""
        done = CliRunner(env=self.environment).invoke(main, arguments)
        assert done.exit_code == exit_code, done.output
        return done.stdout

    def read(self, *arguments: str) -> Any:
        """Run a reading command of coinflowctl; return the document it printed."""
        return json.loads(self.ctl(*arguments, "--json"))

    def trigger(self, *arguments: str, exit_code: int = 0) -> Any:
        """Send sample events; return the document that coinflowctl printed."""
        return json.loads(self.ctl("trigger", *arguments, "--json", exit_code=exit_code))

    def wallet(self, wallet: str) -> list[dict[str, Any]]:
        """Return what a wallet holds."""
        items: list[dict[str, Any]] = self.read("wallets", "show", wallet)["items"]
        return items
