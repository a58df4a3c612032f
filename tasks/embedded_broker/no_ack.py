"""Consuming without acknowledgement, as remote control and monitors do."""

from typing import Any


class NoAck:
    """Mixed into a channel of kombu's virtual transports, whose broker keeps what is not forgotten."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._no_ack_queues: set[str] = set()
        super().__init__(*arguments, **options)

    def forget(self, tag: str) -> None:
        """Drop a message that was taken."""
        raise NotImplementedError

    def basic_consume(self, queue: str, no_ack: bool, *arguments: Any, **options: Any) -> Any:  # noqa: FBT001  # kombu's signature
        """Consume from the queue; what needs no acknowledgement is gone once it is taken."""
        if no_ack:
            self._no_ack_queues.add(queue)
        consume: Any = super().basic_consume  # type: ignore[misc]  # the channel's
        return consume(queue, no_ack, *arguments, **options)

    def basic_get(self, queue: str, no_ack: bool = False, **options: Any) -> Any:  # noqa: FBT001, FBT002  # kombu's signature
        """Take a message from the queue, if there is one."""
        get: Any = super().basic_get  # type: ignore[misc]  # the channel's
        message = get(queue, no_ack, **options)
        if message is not None and no_ack:
            self.forget(str(message.delivery_tag))
        return message

    def forget_unless_acknowledged(self, queue: str, tag: str) -> None:
        """Drop a message that was taken from a queue whose consumer acknowledges nothing."""
        if queue in self._no_ack_queues:
            self.forget(tag)
