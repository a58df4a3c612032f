"""A Redis server for tests."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.server import Server, free_port, missing


@contextmanager
def redis(folder: Path) -> Iterator[Server]:
    """Run a Redis server that keeps nothing."""
    command = shutil.which("redis-server") or missing("redis-server is not installed")
    port = free_port()
    server = Server(
        [command, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        port,
        folder / "redis.log",
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()
