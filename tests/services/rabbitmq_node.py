"""A RabbitMQ node for tests: the machine's own, or RabbitMQ 4 where `TEST_RABBITMQ` is 4."""

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services import rabbitmq_4
from tests.services.certificates import OTHER_ADDRESS, Certificates
from tests.services.server import Server, free_port, missing

# Debian's commands on the path change to a user that can neither enter a test's folder nor read its cookie.
_PLACES = os.pathsep.join(["/usr/lib/rabbitmq/bin", os.environ["PATH"]])


@contextmanager
def rabbitmq(folder: Path, *settings: str) -> Iterator[Server]:
    """Run a RabbitMQ node with its data in `folder`; it keeps them through a stop.

    `settings` are lines of `rabbitmq.conf`, such as `consumer_timeout = 60000`.
    """
    check_name()
    with erlang(folder) as names:
        server = node(folder, names, f"test-{uuid.uuid4().hex[:8]}@localhost", settings)
        configuration = Path(server.environment["RABBITMQ_CONFIG_FILE"])
        lasting = configuration.read_text()
        if _is_4():
            configuration.write_text(lasting + rabbitmq_4.FIRST_SETTING)
        try:
            server.start()
            configuration.write_text(lasting)
            yield server
        finally:
            server.stop(signal.SIGKILL)


def tls(port: int, identity: Certificates) -> list[str]:
    """Return settings by which a node speaks TLS at a port, too."""
    return [
        f"listeners.ssl.1 = 127.0.0.1:{port}",
        f"listeners.ssl.2 = {OTHER_ADDRESS}:{port}",
        f"ssl_options.cacertfile = {identity.authority}",
        f"ssl_options.certfile = {identity.certificate}",
        f"ssl_options.keyfile = {identity.key}",
        "ssl_options.verify = verify_none",
        "ssl_options.fail_if_no_peer_cert = false",
    ]


def check_name() -> None:
    """Raise ValueError where a test needs RabbitMQ whose name does not say so."""
    # Whatever runs no test, such as `make chaos`, is free to.
    if "rabbitmq" not in os.environ.get("PYTEST_CURRENT_TEST", "RabbitMQ").lower():
        raise ValueError(
            "a test that runs RabbitMQ must say so in its name; `make test-servers` finds it by that"
        )


def rabbitmqctl(server: Server, *arguments: str) -> str:
    """Run a command of RabbitMQ's on a node that `rabbitmq` runs; return what it printed."""
    *around, start = server.command
    return subprocess.run(
        [*around, str(Path(start).with_name("rabbitmqctl")), "--quiet", *arguments],
        env=server.environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@contextmanager
def erlang(home: Path) -> Iterator[Server]:
    """Run what a test's nodes share, and no other: a list of their names, and a secret in `home`.

    A node that found no list would start one that outlives the test.
    """
    command = shutil.which("epmd") or missing("Erlang's epmd is not installed")
    cookie = home / ".erlang.cookie"
    cookie.write_text(uuid.uuid4().hex)
    cookie.chmod(0o400)
    port = free_port()
    server = Server([command, "-address", "127.0.0.1", "-port", str(port)], port, home / "epmd.log")
    server.start()
    try:
        yield server
    finally:
        server.stop()


def node(folder: Path, names: Server, name: str, settings: tuple[str, ...]) -> Server:
    """Return a node that lists itself with `names`; what `erlang` yields."""
    command = _command()
    if _is_4():
        settings += rabbitmq_4.SETTINGS
    port = free_port()
    (folder / "plugins").write_text("[].")
    (folder / "rabbitmq.conf").write_text("\n".join([f"listeners.tcp.1 = 127.0.0.1:{port}", *settings, ""]))
    return Server(
        command,
        port,
        folder / "rabbitmq.log",
        {
            "ERL_CRASH_DUMP": str(folder / "erl_crash.dump"),
            "ERL_EPMD_PORT": str(names.port),
            "HOME": str(names.log.parent),
            "RABBITMQ_NODENAME": name,
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        },
    )


def _is_4() -> bool:
    return os.environ.get("TEST_RABBITMQ") == "4"


def _command() -> list[str]:
    if _is_4():
        return rabbitmq_4.command()
    return [shutil.which("rabbitmq-server", path=_PLACES) or missing("rabbitmq-server is not installed")]
