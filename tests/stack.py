"""The product as a merchant runs it: the Procfile's processes, started one by one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from click.testing import CliRunner

from tasks.cli import main
from tests.services import free_port
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parent.parent
KEY = "key-of-a-test"


def procfile(source: Path = ROOT) -> dict[str, str]:
    """Return the Procfile's commands by process name."""
    lines = (source / "Procfile").read_text().splitlines()
    return {name: command.strip() for name, _, command in (line.partition(":") for line in lines if line)}


def children(process: int) -> list[int]:
    """Return the ids of a process's children."""
    try:
        return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


class Stack:
    """Runs processes of a release's Procfile with state of its own in `folder`."""

    def __init__(self, folder: Path, environment: Mapping[str, str], source: Path = ROOT) -> None:
        self.folder = folder
        self._source = source
        self.port = free_port()
        self.flower_port = free_port()
        self.metrics_port = free_port()
        self.environment = os.environ | {
            "COINFLOW_VALIDATION_KEY": KEY,
            "DATABASE_URL": f"sqlite:///{folder}/coinflow.sqlite3",
            "EMBEDDED_BROKER_PATH": f"{folder}/broker.sqlite3",
            "FLOWER_PORT": str(self.flower_port),
            "LOG_FORMAT": "console",
            "METRICS_PORT": str(self.metrics_port),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PORT": str(self.port),
            "PYTHONWARNINGS": "default",
            **environment,
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._groups: set[int] = set()
        # A working folder whose `var` is the stack's own.
        self._app = folder / "app"
        self._app.mkdir()
        for entry in source.iterdir():
            if entry.name not in {".env", ".venv", "var"}:
                (self._app / entry.name).symlink_to(entry)

    def write_handlers(self, code: str) -> None:
        """Give the stack a merchant's own handlers: `code` stands in its copy of `tasks/handlers.py`."""
        (self._app / "tasks").unlink()
        shutil.copytree(self._source / "tasks", self._app / "tasks")
        (self._app / "tasks" / "handlers.py").write_text(code)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if "COVERAGE_PROCESS_CONFIG" in os.environ:
            self._end_in_order()
        # A killed process may have left children, whose group outlives it.
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        for process in self.processes.values():
            process.wait(timeout=PATIENCE)

    def _end_in_order(self) -> None:
        """Let the processes end by themselves: one that is killed does not say which lines it has run."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)

    @property
    def url(self) -> str:
        """Where Coinflow would deliver."""
        return f"http://127.0.0.1:{self.port}/webhooks/coinflow"

    def start(self, *names: str) -> None:
        """Start processes; return once `web`, if it is one of them, is ready."""
        for name in names:
            self.start_process(name)
        if "web" in names:
            wait_until(self._is_ready, what="/readyz answers 200", log=lambda: self.log("web"))

    def start_process(self, name: str, arguments: str = "", *, known_as: str | None = None) -> None:
        """Start a process, with further arguments, without waiting for it."""
        self.start_command(known_as or name, ["/bin/sh", "-c", f"{procfile(self._source)[name]} {arguments}"])

    def start_command(self, known_as: str, command: list[str], environment: Mapping[str, str] = {}) -> None:
        """Start any command as one of the stack's processes, without waiting for it."""
        with (self.folder / f"{known_as}.log").open("ab") as log:
            self.processes[known_as] = subprocess.Popen(
                command,
                cwd=self._app,
                env=self.environment | dict(environment),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._groups.add(self.processes[known_as].pid)

    def release(self) -> None:
        """Run the Procfile's release step."""
        self.shell(procfile(self._source)["release"])

    def shell(self, command: str) -> str:
        """Run a command as `heroku run` would; return what it printed."""
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self._app,
            env=self.environment | {"HOME": str(self._app)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

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
        process.wait(timeout=PATIENCE)

    def children(self, name: str) -> list[int]:
        """Return the ids of what a process has started, such as gunicorn's workers."""
        return children(self.processes[name].pid)

    def restart_ended(self) -> None:
        """Start again what has ended, as an init would."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                self.start_process(name)

    def ctl(self, *arguments: str, exit_code: int | None = 0) -> str:
        """Run coinflowctl in this process, which is quick; return what it printed. None is any exit code."""
        done = CliRunner(env=self.environment).invoke(main, arguments)
        assert exit_code is None or done.exit_code == exit_code, done.output
        return done.stdout

    def read(self, *arguments: str) -> Any:
        """Run a reading command of coinflowctl; return the document it printed."""
        return json.loads(self.ctl(*arguments, "--json"))

    def trigger(self, *arguments: str, exit_code: int | None = 0) -> Any:
        """Send sample events; return the document that coinflowctl printed."""
        return json.loads(self.ctl("trigger", *arguments, "--json", exit_code=exit_code))

    def wallet(self, wallet: str) -> list[dict[str, Any]]:
        """Return what a wallet holds."""
        items: list[dict[str, Any]] = self.read("wallets", "show", wallet)["items"]
        return items
