"""Publishing as *mandatory*: a message that no queue takes is an error, on every broker."""

from typing import Any

from amqp.exceptions import RecoverableChannelError


class Unroutable(RecoverableChannelError):
    """No queue takes the message; its queue is declared anew before the next try."""


class Mandatory:
    """Mixed into a channel of kombu's virtual transports, which drop what no queue takes."""

    connection: Any
    state: Any

    def basic_publish(
        self, message: Any, exchange: str, routing_key: str, *, mandatory: bool = False, **options: Any
    ) -> Any:
        """Publish. Raises Unroutable."""
        queues: Any = self._lookup  # type: ignore[attr-defined]  # the channel's
        if mandatory and exchange and not queues(exchange, routing_key):
            # What this process remembers to have declared is gone.
            self.connection.client.declared_entities.clear()
            for binding in [each for each in self.state.bindings if each.exchange == exchange]:
                self.state.binding_delete(*binding)
            raise Unroutable(f"No queue takes what is published to {exchange} under {routing_key}.")
        publish: Any = super().basic_publish  # type: ignore[misc]  # the channel's
        return publish(message, exchange, routing_key, **options)
