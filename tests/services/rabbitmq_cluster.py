"""Three RabbitMQ nodes that are one cluster, for tests that end some of them."""

import json
import signal
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services.rabbitmq_node import erlang, node, rabbitmqctl
from tests.services.server import Server
from tests.waiting import wait_until


@dataclass(frozen=True)
class RabbitMQCluster:
    """The nodes, each of which may be stopped, killed and started again."""

    nodes: dict[str, Server]

    @property
    def url(self) -> str:
        """All addresses, as `BROKER_URL` takes them."""
        return ";".join(f"amqp://guest:guest@127.0.0.1:{each.port}//" for each in self.nodes.values())

    def leader(self, queue: str) -> Server:
        """Return the node that leads a quorum queue."""
        name = wait_until(lambda: self._leaders().get(queue, ""), what=f"{queue} is led")
        return self.nodes[name]

    def consuming(self, queue: str) -> list[Server]:
        """Return the nodes that the consumers of a queue are connected to, one per consumer."""
        # Not as JSON, which numbers the nodes in place of their names.
        lines = self._ask("--no-table-headers", "list_consumers", "queue_name", "channel_pid").splitlines()
        channels = [channel for name, channel in (line.split("\t") for line in lines) if name == queue]
        return [self.nodes[channel.removeprefix("<").rsplit(".", 3)[0]] for channel in channels]

    def wait_in_sync(self, *, seconds: float = 60) -> None:
        """Return once every quorum queue has a member at work on every node, so that any node may end."""
        wait_until(self._in_sync, seconds=seconds, what="every quorum queue is at work on every node")

    def _in_sync(self) -> bool:
        return all(set(each["online"]) == set(self.nodes) for each in self._quorum_queues())

    def _leaders(self) -> dict[str, str]:
        return {each["name"]: each["leader"] for each in self._quorum_queues()}

    def _quorum_queues(self) -> list[dict[str, Any]]:
        columns = ("name", "type", "leader", "online")
        queues = json.loads(self._ask("--formatter", "json", "list_queues", *columns))
        return [each for each in queues if each["type"] == "quorum"]

    def _ask(self, *arguments: str) -> str:
        # A node that is away answers nothing; whatever runs knows all.
        return rabbitmqctl(next(each for each in self.nodes.values() if each.running), *arguments)


@contextmanager
def rabbitmq_cluster(folder: Path, *settings: str) -> Iterator[RabbitMQCluster]:
    """Run three nodes with their data in `folder`; `settings` are lines of each `rabbitmq.conf`."""
    run = uuid.uuid4().hex[:8]
    names = [f"test-{run}-{number}@localhost" for number in (1, 2, 3)]
    peers = [
        f"cluster_formation.classic_config.nodes.{at} = {name}" for at, name in enumerate(names, start=1)
    ]
    settings += ("cluster_formation.peer_discovery_backend = classic_config", *peers)
    with ExitStack() as exits:
        listed = exits.enter_context(erlang(folder))
        nodes = {}
        for name in names:
            place = folder / name
            place.mkdir()
            nodes[name] = node(place, listed, name, settings)
            exits.callback(nodes[name].stop, signal.SIGKILL)
        # Each waits for the others before it is ready.
        with ThreadPoolExecutor() as pool:
            list(pool.map(Server.start, nodes.values()))
        yield RabbitMQCluster(nodes)
