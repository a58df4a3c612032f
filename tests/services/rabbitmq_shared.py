"""A RabbitMQ node that tests share: a start takes a processor for five seconds, a virtual host nothing."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services.rabbitmq_node import check_name, rabbitmq
from tests.services.server import Server

# A node makes them all as it starts: one more costs it little, one made later seconds.
_HOSTS = [f"host-{number}" for number in range(16)]


@dataclass(frozen=True)
class VirtualHost:
    """Queues, exchanges and policies of a test's own on a node that others use, too."""

    node: Server
    name: str

    @property
    def url(self) -> str:
        """The address, as `BROKER_URL` takes it."""
        return self.url_through(self.node.port)

    def url_through(self, port: int) -> str:
        """Return the address behind a proxy's port."""
        return f"amqp://guest:guest@127.0.0.1:{port}/{self.name}"


class SharedRabbitMQ:
    """A node that starts when a first virtual host is asked for, and another once its hosts are all taken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._exits = ExitStack()
        self._free: Iterator[VirtualHost] = iter(())
        self._nodes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._exits.close()

    def virtual_host(self) -> VirtualHost:
        """Return a virtual host that nobody has used."""
        check_name()
        host = next(self._free, None)
        if host is None:
            self._free = iter(self._start())
            host = next(self._free)
        return host

    def _start(self) -> list[VirtualHost]:
        self._nodes += 1
        folder = self._folder / str(self._nodes)
        folder.mkdir()
        definitions = folder / "definitions.json"
        definitions.write_text(json.dumps(_definitions()))
        node = self._exits.enter_context(rabbitmq(folder, f"load_definitions = {definitions}"))
        return [VirtualHost(node, name) for name in _HOSTS]


def _definitions() -> dict[str, object]:
    # RabbitMQ makes its usual user only where it is given no definitions.
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return {
        "users": [{"name": "guest", "password": "guest", "tags": ["administrator"]}],
        "vhosts": [{"name": name} for name in _HOSTS],
        "permissions": [{"user": "guest", "vhost": name, **everything} for name in _HOSTS],
    }
