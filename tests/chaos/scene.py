"""What a row runs on: servers of its own, proxies before them, the Procfile's processes and the traffic."""

import random
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine

from tests.chaos.load import Load
from tests.chaos.proxy import Proxy
from tests.chaos.traffic import Purchases
from tests.services import RabbitMQCluster, Server, postgres, rabbitmq, rabbitmq_cluster, redis
from tests.stack import Stack


class Servers(StrEnum):
    """The supported combinations of broker and database."""

    EMBEDDED = "embedded, SQLite"
    RABBITMQ = "RabbitMQ, PostgreSQL"
    REDIS = "Redis, PostgreSQL"
    CLUSTER = "RabbitMQ cluster, PostgreSQL"


@dataclass
class Scene:
    """A running product under traffic, and all that a fault may break."""

    stack: Stack
    traffic: Purchases
    load: Load
    chance: random.Random
    #: To the database itself, past any proxy.
    engine: Engine
    #: `database`, and `broker` or the nodes of a cluster; none on the embedded broker.
    servers: dict[str, Server]
    proxies: list[Proxy]
    #: What a fault has measured.
    notes: list[str] = field(default_factory=list)

    @property
    def cluster(self) -> RabbitMQCluster:
        """The nodes of the broker."""
        return RabbitMQCluster({name: each for name, each in self.servers.items() if name != "database"})


@contextmanager
def started(servers: Servers, folder: Path) -> Iterator[dict[str, Server]]:
    """Run broker and database, if the combination has any."""
    with ExitStack() as exits:
        if servers is Servers.EMBEDDED:
            yield {}
            return
        if servers is Servers.CLUSTER:
            brokers = exits.enter_context(rabbitmq_cluster(folder)).nodes
        else:
            run = rabbitmq if servers is Servers.RABBITMQ else redis
            brokers = {"broker": exits.enter_context(run(folder))}
        yield {**brokers, "database": exits.enter_context(postgres())}


@contextmanager
def running(
    folder: Path, servers: Servers, ports: dict[str, int], traffic: Purchases, *, disk: int = 0
) -> Iterator[Stack]:
    """Run the Procfile's processes that the traffic needs on servers at some ports.

    `disk` gives SQLite and the embedded broker a file system of so many megabytes, which root alone can do.
    """
    with ExitStack() as exits:
        environment = {**traffic.environment}
        if disk:
            exits.enter_context(_file_system(folder / "disk", disk))
            environment["DATABASE_URL"] = f"sqlite:///{folder}/disk/coinflow.sqlite3"
            environment["EMBEDDED_BROKER_PATH"] = f"{folder}/disk/broker.sqlite3"
        if servers in {Servers.RABBITMQ, Servers.CLUSTER}:
            brokers = [port for name, port in ports.items() if name != "database"]
            environment["BROKER_URL"] = ";".join(f"amqp://guest:guest@127.0.0.1:{port}//" for port in brokers)
        if servers is Servers.REDIS:
            environment["BROKER_URL"] = f"redis://127.0.0.1:{ports['broker']}/0"
        if servers is not Servers.EMBEDDED:
            environment["DATABASE_URL"] = postgres_url(ports["database"])
        stack = exits.enter_context(Stack(folder, environment))
        stack.release()
        stack.start(*traffic.processes)
        yield stack


def postgres_url(port: int) -> str:
    """Return the URL of the database that `tests.services.postgres` runs."""
    return f"postgresql://postgres@127.0.0.1:{port}/postgres"


def direct_engine(stack: Stack, servers: dict[str, Server]) -> Engine:
    """Return connections to the stack's database that pass by any proxy."""
    if "database" not in servers:
        url = stack.environment["DATABASE_URL"]
    else:
        url = postgres_url(servers["database"].port)
    # A connection that is kept would break with the server.
    return create_engine(url, poolclass=NullPool)


@contextmanager
def _file_system(place: Path, megabytes: int) -> Iterator[None]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
