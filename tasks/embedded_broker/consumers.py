"""Who reads which queue, so that others can tell whether anybody does."""

from typing import Any

from amqp.protocol import queue_declare_ok_t

from tasks.embedded_broker.file import BrokerFile


class Consumers:
    """Mixed into a channel of kombu's virtual transports, it notes in the file what the channel consumes."""

    _active_queues: list[str]
    _tag_to_queue: dict[str, str]
    closed: bool

    @property
    def _file(self) -> BrokerFile:
        raise NotImplementedError

    @property
    def _owner(self) -> int:
        raise NotImplementedError

    def basic_consume(self, queue: str, *arguments: Any, **options: Any) -> Any:
        """Consume from the queue."""
        consume: Any = super().basic_consume  # type: ignore[misc]  # the channel's
        consumed = consume(queue, *arguments, **options)
        self._file.begin_reading(queue, self._owner)
        return consumed

    def basic_cancel(self, consumer_tag: str) -> None:
        """Consume no more."""
        queue = self._tag_to_queue.get(consumer_tag)
        super().basic_cancel(consumer_tag)  # type: ignore[misc]  # the channel's
        # What a channel reads ends with its owner. A file that cannot be written must not keep it open.
        if queue is not None and queue not in self._active_queues and not self.closed:
            self._file.end_reading(queue, self._owner)

    def queue_declare(self, queue: str | None = None, passive: bool = False, **options: Any) -> Any:  # noqa: FBT001, FBT002  # kombu's signature
        """Declare a queue; who only asks changes nothing, and hears how many read it."""
        if passive and queue and self._file.exists(queue):
            return queue_declare_ok_t(queue, self._file.size(queue), self._file.readers(queue))
        return super().queue_declare(queue, passive, **options)  # type: ignore[misc]  # the channel's
