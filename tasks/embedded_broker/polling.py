"""Looking for messages at intervals, for transports of brokers that cannot tell when one has come."""

from collections.abc import Callable
from typing import Any

#: Seconds between two looks for a message.
INTERVAL = 0.02


class Polling:
    """Mixed into a kombu transport, it lets a worker's event loop look for messages."""

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)  # type: ignore[call-arg]  # the transport's
        self._leave_loop: Callable[[], None] = lambda: None

    def deliver_waiting(self) -> None:
        """Deliver what waits, as far as the consumers may take it."""
        raise NotImplementedError

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Look whenever the worker's loop turns: at intervals and after every finished task."""
        super().register_with_event_loop(connection, loop)  # type: ignore[misc]  # the transport's
        self._leave_loop()
        loop.on_tick.add(self.deliver_waiting)
        tick = loop.call_repeatedly(INTERVAL, _nothing)

        def leave() -> None:
            loop.on_tick.discard(self.deliver_waiting)
            tick.cancel()

        self._leave_loop = leave

    def close_connection(self, connection: Any) -> None:
        """Close every channel, and look no more."""
        self._leave_loop()
        super().close_connection(connection)  # type: ignore[misc]  # the transport's


def _nothing() -> None:
    """Make the loop turn."""
