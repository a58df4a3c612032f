"""Publishing as *mandatory*: a message that no queue takes is an error, on every broker."""

from collections.abc import Iterable
from typing import Any

from amqp.exceptions import RecoverableChannelError


class Unroutable(RecoverableChannelError):
    """No queue takes the message; its queue is declared anew before the next try."""


class QueueFull(RecoverableChannelError):
    """A queue holds as many messages as its `x-max-length` lets wait."""


class Mandatory:
    """Mixed into a channel of kombu's virtual transports, which drop what no queue takes, and bound none."""

    connection: Any
    state: Any

    def queue_declare(self, queue: str | None = None, *arguments: Any, **options: Any) -> Any:
        """Declare a queue, and know from then on how long it may become."""
        bound = (options.get("arguments") or {}).get("x-max-length")
        if queue and bound is not None:
            self._bounds[queue] = bound
        return super().queue_declare(queue, *arguments, **options)  # type: ignore[misc]  # the channel's

    def basic_publish(
        self, message: Any, exchange: str, routing_key: str, *, mandatory: bool = False, **options: Any
    ) -> Any:
        """Publish. Raises Unroutable and QueueFull."""
        if mandatory and exchange:
            self._check(exchange, routing_key)
        publish: Any = super().basic_publish  # type: ignore[misc]  # the channel's
        return publish(message, exchange, routing_key, **options)

    @property
    def _bounds(self) -> dict[str, int]:
        # The connection's, for it is a connection that remembers what it has declared.
        bounds: dict[str, int] = vars(self.connection).setdefault("max_lengths", {})
        return bounds

    def _check(self, exchange: str, routing_key: str) -> None:
        lookup: Any = self._lookup  # type: ignore[attr-defined]  # the channel's
        queues: Iterable[str] = lookup(exchange, routing_key)
        if not queues:
            # What this process remembers to have declared is gone.
            self.connection.client.declared_entities.clear()
            for binding in [each for each in self.state.bindings if each.exchange == exchange]:
                self.state.binding_delete(*binding)
            raise Unroutable(f"No queue takes what is published to {exchange} under {routing_key}.")
        size: Any = self._size  # type: ignore[attr-defined]  # the channel's
        for queue in queues:
            bound = self._bounds.get(queue)
            if bound is not None and size(queue) >= bound:
                raise QueueFull(f"{bound} messages wait in {queue} already.")
