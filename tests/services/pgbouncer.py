"""PgBouncer for tests: a pooler in transaction mode before a PostgreSQL server."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, make_url

from tests.services.certificates import Certificates
from tests.services.server import Server, free_port, missing

#: What lets it take a connection that asks for what it does not know, and drop it in silence.
IGNORING = "ignore_startup_parameters = extra_float_digits,options"


@contextmanager
def pgbouncer(
    server: str, *settings: str, servers: int = 2, tls: Certificates | None = None
) -> Iterator[str]:
    """Run a pooler that shares so many server connections for each database; yield the URL through it.

    It logs in as the server's URL does, whoever comes. `settings` are lines of `pgbouncer.ini`. With `tls` it
    speaks nothing else, to the server either.
    """
    places = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    command = shutil.which("pgbouncer", path=places) or missing("pgbouncer is not installed")
    url = make_url(server)
    # It refuses to run as root, and tests' folders are closed to other users.
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pgbouncer-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), free_port()
        if tls:
            settings += tuple(_certified(tls, folder, user))
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(_configuration(url, port, servers, settings))
        if user:
            shutil.chown(folder, user)
        pooler = Server([command, "--quiet", str(configuration)], port, folder / "log", user=user)
        pooler.start()
        try:
            yield url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        finally:
            pooler.stop()


def _certified(tls: Certificates, folder: Path, user: str | None) -> Iterator[str]:
    """Give the pooler copies that its user can read."""
    yield "client_tls_sslmode = require"
    yield "server_tls_sslmode = verify-full"
    for setting, file in (
        ("client_tls_cert_file", tls.certificate),
        ("client_tls_key_file", tls.key),
        ("server_tls_ca_file", tls.authority),
    ):
        copy = Path(shutil.copy2(file, folder))
        if user:
            shutil.chown(copy, user)
        yield f"{setting} = {copy}"


def _configuration(url: URL, port: int, servers: int, settings: tuple[str, ...]) -> str:
    there = {"host": url.host, "port": url.port or 5432, "user": url.username, "password": url.password}
    place = " ".join(f"{name}={value}" for name, value in there.items() if value)
    return "\n".join(
        [
            "[databases]",
            f"* = {place}",
            "[pgbouncer]",
            "auth_type = any",
            f"default_pool_size = {servers}",
            "listen_addr = 127.0.0.1",
            f"listen_port = {port}",
            "pool_mode = transaction",
            "unix_socket_dir =",
            *settings,
            "",
        ]
    )
