"""Where something was measured: the machine, how busy it was, and the versions."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

_PROGRAMS = {
    "wrk": ["wrk", "-v"],
    "node": ["node", "--version"],
    "redis": ["redis-server", "--version"],
    "pgbench": ["pgbench", "--version"],
    "rabbitmq": ["/usr/sbin/rabbitmqctl", "--quiet", "version"],
    "commit": ["git", "describe", "--always", "--dirty"],
}
_PACKAGES = ("celery", "falcon", "gunicorn", "kombu", "psycopg", "sqlalchemy")


def surroundings() -> dict[str, str]:
    """Return what a reader must know of a measurement, by name; `load before` is of the minute before."""
    model = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    kilobytes = int(re.findall(r"MemTotal: +(\d+)", Path("/proc/meminfo").read_text())[0])
    return {
        "processors": f"{os.cpu_count()} of {model[0] if model else platform.machine()}",
        "memory": f"{kilobytes / 1_000_000:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        **{name: _said(words) for name, words in _PROGRAMS.items()},
    }


def _said(words: list[str]) -> str:
    # wrk says it with an exit code of 1, and some on the other stream.
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "missing"
    return (done.stdout or done.stderr).strip().partition("\n")[0]
