"""Looking for messages at intervals, for transports of brokers that cannot tell when one has come."""

import time
from typing import Any

#: Seconds between two looks for a message.
INTERVAL = 0.02
#: Seconds after a message for which the next one is expected at any moment.
_BUSY = 1.0


class Polling:
    """Mixed into a kombu transport, it lets a worker's event loop look for messages."""

    #: Seconds between two looks while messages come.
    busy_interval = INTERVAL

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)  # type: ignore[call-arg]  # the transport's
        self._loop: Any = None
        self._next_look: Any = None
        self._is_asked = False
        self._came_at = 0.0

    def may_have_come(self) -> bool:
        """Tell, at less cost than a look, whether there may be a message that was not there before."""
        return True

    def deliver_waiting(self) -> bool:
        """Deliver what waits, as far as the consumers may take it; tell whether there was anything."""
        raise NotImplementedError

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Look at intervals, and in the loop's next turn when there is room again.

        Not in `on_tick`, whose order is left to chance: what is delivered after the pool has looked for
        something to write waits for the turn after the next.
        """
        super().register_with_event_loop(connection, loop)  # type: ignore[misc]  # the transport's
        self._leave_loop()
        self._loop = loop
        self._next_look = loop.call_later(0, self._look)

    def look_soon(self) -> None:
        """Look in the loop's next turn, if there is a loop."""
        if self._loop is not None and not self._is_asked:
            self._is_asked = True
            self._loop.call_soon(self._look_again)

    def close_connection(self, connection: Any) -> None:
        """Close every channel, and look no more."""
        self._leave_loop()
        super().close_connection(connection)  # type: ignore[misc]  # the transport's

    def _look(self) -> None:
        try:
            if self.may_have_come() and self.deliver_waiting():
                self._came_at = time.monotonic()
        finally:
            # A message may have closed the connection.
            if self._loop is not None:
                is_busy = time.monotonic() < self._came_at + _BUSY
                pause = self.busy_interval if is_busy else INTERVAL
                self._next_look = self._loop.call_later(pause, self._look)

    def _look_again(self) -> None:
        self._is_asked = False
        if self._loop is not None:
            self.deliver_waiting()

    def _leave_loop(self) -> None:
        if self._loop is not None:
            self._next_look.cancel()
            self._loop = None


class PolledChannel:
    """Mixed into a channel of such a transport, which has room for another message once one is dealt with."""

    connection: Any

    def basic_ack(self, *arguments: Any, **options: Any) -> None:
        """Acknowledge, and look for the next message."""
        super().basic_ack(*arguments, **options)  # type: ignore[misc]  # the channel's
        self.look_soon()

    def look_soon(self) -> None:
        """Look for the next message, unless the connection was lost while a task ran."""
        if self.connection is not None:
            self.connection.look_soon()
