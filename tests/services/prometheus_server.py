"""A Prometheus for tests."""

import json
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.services.server import Server, free_port, missing

_CONFIGURATION = """\
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: coinflow, static_configs: [{{targets: ["localhost:{port}"]}}]}}]
"""


class Prometheus(NamedTuple):
    """A server that asks `metrics` once a second, and what it has heard."""

    port: int

    def range(self, query: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return the series of a query between two times, a value each so many seconds."""
        asked = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": step})
        address = f"http://127.0.0.1:{self.port}/api/v1/query_range?{asked}"
        with urllib.request.urlopen(address, timeout=30) as answer:
            series: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return series


@contextmanager
def prometheus(folder: Path, metrics_port: int) -> Iterator[Prometheus]:
    """Run a Prometheus that asks the process `metrics` on a port."""
    command = shutil.which("prometheus") or missing("prometheus is not installed")
    port = free_port()
    configuration = folder / "prometheus.yml"
    configuration.write_text(_CONFIGURATION.format(port=metrics_port))
    options = [f"--config.file={configuration}", f"--storage.tsdb.path={folder}/prometheus"]
    options.append(f"--web.listen-address=127.0.0.1:{port}")
    server = Server([command, *options], port, folder / "prometheus.log", ready=_is_ready)
    server.start()
    try:
        yield Prometheus(port)
    finally:
        server.stop()


def _is_ready(port: int) -> bool:
    """Tell whether it has read what it has stored: it listens before."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5):
            return True
    except OSError:
        return False
