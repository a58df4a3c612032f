"""How many messages a channel may hold: of some queues, beside what it holds of the others."""

from queue import Empty
from typing import Any

from kombu.transport import virtual


class Windows(virtual.QoS):
    """kombu's count of what is held, and one more for each queue that has a window of its own."""

    def __init__(self, channel: Any, prefetch_count: int = 0) -> None:
        super().__init__(channel, prefetch_count)
        #: How many messages of a queue may be held.
        self.of_queues: dict[str, int] = {}
        #: The queues of what is held of those, by delivery tags.
        self._apart: dict[str, str] = {}

    def can_consume(self) -> bool:
        """Let each queue be asked for itself."""
        return True

    def has_room(self, queue: str) -> bool:
        """Tell whether one more message of the queue may be held."""
        window = self.of_queues.get(queue)
        if window is not None:
            return list(self._apart.values()).count(queue) < window
        held = len(self._delivered or ()) - len(self._dirty or ()) - len(self._apart)
        return not self.prefetch_count or held < self.prefetch_count

    def note(self, tag: str, queue: str) -> None:
        """Note where a message that is about to be held comes from."""
        if queue in self.of_queues:
            self._apart[tag] = queue

    def ack(self, delivery_tag: str) -> None:
        """Forget a message."""
        self._apart.pop(delivery_tag, None)
        super().ack(delivery_tag)


class Windowed:
    """Mixed into a channel of kombu's virtual transports, which have one window for all queues."""

    qos: Windows
    _no_ack_queues: set[str]

    def _get_and_deliver(self, queue: str, callback: Any) -> None:
        if not self.qos.has_room(queue):
            raise Empty
        message = self._get(queue)  # type: ignore[attr-defined]  # the channel's
        if queue not in self._no_ack_queues:
            self.qos.note(message["properties"]["delivery_tag"], queue)
        callback(message, queue)
