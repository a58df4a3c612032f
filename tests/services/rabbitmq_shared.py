"""A RabbitMQ node that tests share: a start takes a processor for five seconds, a virtual host nothing."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services.rabbitmq_node import check_name, rabbitmq
from tests.services.server import Server

#: What stands in the log of a node of which a queue's dead-lettering has crashed for good.
_BROKEN = "{rabbit_fifo_dlx_worker,handle_continue"
#: As many as the tests of one process ask for, and some.
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
    """A node that starts when its first virtual host is asked for; another one follows it if it breaks."""

    def __init__(self, folder: Path) -> None:
        self._folders = (folder / str(number) for number in count())
        self._exits = ExitStack()
        self._free: Iterator[VirtualHost] | None = None
        self._logs = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._exits.close()

    def virtual_host(self) -> VirtualHost:
        """Return a virtual host that nobody has used."""
        check_name()
        if self._free is None or self._is_broken():
            folder = next(self._folders)
            folder.mkdir()
            self._logs = folder / "logs"
            definitions = folder / "definitions.json"
            definitions.write_text(json.dumps(_definitions()))
            node = self._exits.enter_context(rabbitmq(folder, f"load_definitions = {definitions}"))
            self._free = (VirtualHost(node, name) for name in _HOSTS)
        return next(self._free)

    def _is_broken(self) -> bool:
        """Tell whether the node has met RabbitMQ's own race with a new queue, and declares none any more."""
        return any(_BROKEN in log.read_text(errors="replace") for log in self._logs.glob("*.log"))


def _definitions() -> dict[str, object]:
    # RabbitMQ makes its usual user only where it is given no definitions.
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return {
        "users": [{"name": "guest", "password": "guest", "tags": ["administrator"]}],
        "vhosts": [{"name": name} for name in _HOSTS],
        "permissions": [{"user": "guest", "vhost": name, **everything} for name in _HOSTS],
    }
