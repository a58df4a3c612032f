"""What `make run` runs: the release, then everything that serves, in one terminal."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from receiver.settings import Settings as ReceiverSettings
from tasks.cli.audience import audience
from tasks.cli.ports import holder, is_taken
from tasks.cli.processes import Processes
from tasks.cli.welcome import greet
from tasks.embedded_broker.private_file import close_to_others
from tasks.serving_settings import FlowerSettings, MetricsSettings

_SERVING = ("web", "worker", "beat", "flower", "metrics")
#: What runs where somebody is told of changes.
_NOTIFYING = "notify"


class _Stack(ReceiverSettings, FlowerSettings, MetricsSettings):
    """What all processes read, so that one message names every fault."""


def main() -> int:
    """Run until the end is asked for; return the exit code."""
    stack = _Stack.load()
    ports = {"PORT": stack.port, "FLOWER_PORT": stack.flower_port, "METRICS_PORT": stack.metrics_port}
    if taken := [_complaint(name, port) for name, port in ports.items() if is_taken(port)]:
        raise SystemExit("\n".join(taken))
    commands = _procfile()
    for path in (Path(".env"), Path("var")):
        close_to_others(path)
    processes = Processes()
    with ThreadPoolExecutor() as meanwhile:
        asked = meanwhile.submit(audience, stack)
        code = processes.run({"release": commands["release"]})
    if code or processes.stopped:
        return code
    told = asked.result()
    watching = (stack.flower_port, stack.metrics_port)
    greeting = [stack.port, stack.webhook_path, watching, told, processes.say]
    threading.Thread(target=greet, args=greeting, daemon=True).start()
    serving = (*_SERVING, _NOTIFYING) if told else _SERVING
    return processes.run({name: commands[name] for name in serving})


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
