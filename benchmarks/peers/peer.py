"""One peer: how it is started, on which servers, and with how many processes."""

import json
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.peers.build import build
from benchmarks.servers import Servers
from benchmarks.subject import Extent, Running, Subject
from tests.services import Server, answers, free_port
from tests.stack import KEY, ROOT


@dataclass(frozen=True)
class Peer:
    """Commands of a shell, run in the folder that `build` fills."""

    name: str
    folder: str
    door: str
    processes: str
    #: Without one it has a door alone.
    worker: str = ""
    #: How Redis writes to the disk, where the broker is not RabbitMQ.
    broker: str = ""

    @property
    def subject(self) -> Subject:
        """The peer as what is measured."""
        return Subject(f"{self.name} ({self.processes})", self._run)

    @contextmanager
    def _run(self, servers: Servers, extent: Extent) -> Iterator[Running]:
        with ExitStack() as exits:
            place = build(self.folder)
            folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="bench-peer-")))
            database = exits.enter_context(servers.database())
            with psycopg.connect(database) as connection:
                connection.execute(Path(__file__).with_name("schema.sql").read_bytes())
            port = free_port()
            environment = {
                "BROKER_URL": exits.enter_context(
                    servers.redis_database(self.broker) if self.broker else servers.virtual_host()
                ),
                "COINFLOW_VALIDATION_KEY": KEY,
                "DATABASE_URL": database,
                "NODE_ENV": "production",
                "PORT": str(port),
                "PRICES_PATH": str(_write_prices(folder)),
                "WEB_CONCURRENCY": "2",
                "WORKER_CONCURRENCY": "4",
                "WORKER_THREADS": "16",
            }
            broker = servers.redis(self.broker) if self.broker else servers.rabbitmq
            roles = {"broker": [broker.process_id], "database": [servers.postgres.process_id]}
            commands = {"door": self.door}
            if extent is Extent.WHOLE_WAY:
                commands["worker"] = self.worker
            began, ready_after = time.monotonic(), 0.0
            for role, command in commands.items():
                program = Server(
                    ["/bin/sh", "-c", f"cd {place} && exec {command}"],
                    port if role == "door" else free_port(),
                    folder / f"{role}.log",
                    environment,
                    ready=answers if role == "door" else bool,
                )
                program.start()
                exits.callback(program.stop)
                roles[role] = [program.process_id]
                ready_after = ready_after or time.monotonic() - began
            yield Running(f"http://127.0.0.1:{port}/webhooks/coinflow", roles, database, ready_after)


def _write_prices(folder: Path) -> Path:
    """Give peers the price list that ours reads, in the simplest form."""
    items = tomllib.loads((ROOT / "catalog.toml").read_text())["items"]
    path = folder / "prices.json"
    path.write_text(json.dumps({name: item["price"]["cents"] for name, item in items.items()}))
    return path
