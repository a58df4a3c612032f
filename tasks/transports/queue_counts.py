"""How many messages wait in a queue and how many consumers read it, without a change to either."""

from typing import Any

from kombu import Connection, Queue

#: AMQP's number for a queue that is not there; kombu's own transports write it as a text.
_NOT_FOUND = "404"


def queue_counts(connection: Connection, queue: Queue) -> tuple[int, int]:
    """Return messages and consumers; none of either where nobody has declared the queue yet."""
    # A broker closes the channel that asks for a queue that is not there, so each has its own.
    with connection.channel() as channel:
        try:
            found: Any = queue(channel).queue_declare(passive=True)
        except connection.channel_errors as error:
            if str(getattr(error, "reply_code", "")) != _NOT_FOUND:
                raise
            return 0, 0
        return found.message_count, found.consumer_count
