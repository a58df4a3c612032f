"""A Redis server for tests."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.certificates import OTHER_ADDRESS, Certificates
from tests.services.server import Server, free_port, missing


@contextmanager
def redis(folder: Path, identity: Certificates | None = None) -> Iterator[Server]:
    """Run a Redis server that keeps nothing; one with an identity speaks TLS alone."""
    command = shutil.which("redis-server") or missing("redis-server is not installed")
    port = free_port()
    options = ["--bind", "127.0.0.1", OTHER_ADDRESS, "--save", "", "--dir", str(folder)]
    options += ["--port", str(port)] if identity is None else ["--port", "0", "--tls-port", str(port)]
    if identity:
        options += ["--tls-cert-file", str(identity.certificate), "--tls-key-file", str(identity.key)]
        options += ["--tls-ca-cert-file", str(identity.authority), "--tls-auth-clients", "no"]
    server = Server([command, *options], port, folder / "redis.log")
    server.start()
    try:
        yield server
    finally:
        server.stop()
