"""What `make run` runs: the release, then everything that serves, in one terminal."""

import os
import threading
from pathlib import Path

from receiver.settings import Settings as ReceiverSettings
from tasks.cli.ports import holder, is_taken
from tasks.cli.processes import Processes
from tasks.cli.welcome import greet
from tasks.embedded_broker.private_file import close_to_others
from tasks.settings import FlowerSettings

_SERVING = ("web", "worker", "beat", "flower")


class _Stack(ReceiverSettings, FlowerSettings):
    """What all processes read, so that one message names every fault."""


def main() -> int:
    """Run until the end is asked for; return the exit code."""
    stack = _Stack.load()
    ports = {"PORT": stack.port, "FLOWER_PORT": stack.flower_port}
    if taken := [_complaint(name, port) for name, port in ports.items() if is_taken(port)]:
        raise SystemExit("\n".join(taken))
    commands = _procfile()
    for path in (Path(".env"), Path("var")):
        close_to_others(path)
    processes = Processes()
    code = processes.run({"release": commands["release"]})
    if code or processes.stopped:
        return code
    told = [stack.port, stack.webhook_path, stack.flower_port, processes.say]
    threading.Thread(target=greet, args=told, daemon=True).start()
    return processes.run({name: commands[name] for name in _SERVING})


def _complaint(name: str, port: int) -> str:
    by = holder(port)
    return (
        f"Port {port} is taken{by and f' by {by}'}. End what listens there, or choose another port: "
        f"{name}={port + 1} make run"
    )


def _procfile() -> dict[str, str]:
    lines = (line.partition(":") for line in Path("Procfile").read_text().splitlines() if line)
    return {name: command.strip() for name, _, command in lines}


if __name__ == "__main__":
    # What is made from here on, such as var/, is for nobody else to read.
    os.umask(0o077)
    raise SystemExit(main())
