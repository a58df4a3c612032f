"""A queue of work and its dead letters: who publishes to it, and who takes from it."""

from collections.abc import Sized
from pathlib import Path
from typing import Any

from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.asynchronous import Hub
from kombu.message import Message

from tasks.embedded_broker.transport import Transport
from tests.waiting import PATIENCE, wait_until

TOPIC = Exchange("topic", type="topic")
DEAD = Exchange("dead", type="topic")
WORK = Queue(
    "work",
    TOPIC,
    routing_key="work",
    queue_arguments={"x-dead-letter-exchange": "dead", "x-delivery-limit": 3},
)
#: One that holds two messages.
SHORT = Queue("short", TOPIC, routing_key="short", queue_arguments={"x-max-length": 2})
DEAD_QUEUE = Queue("dead", DEAD, routing_key="#")


def embedded(path: Path) -> Connection:
    """Return a connection to the embedded broker whose file is `path`."""
    return Connection(transport=Transport, transport_options={"path": str(path)})


def publish(connection: Connection, *bodies: object, queue: Queue = WORK, **options: Any) -> None:
    """Publish messages to a queue, which is declared first."""
    with connection.channel() as channel:
        producer = Producer(channel, exchange=queue.exchange, routing_key=queue.routing_key)
        for body in bodies:
            producer.publish(body, declare=[queue], **options)


def take(
    connection: Connection, count: int = 1, *, queue: Queue = WORK, seconds: float = PATIENCE
) -> list[Message]:
    """Take messages and leave them unacknowledged; fewer if no more come in time."""
    taken: list[Message] = []
    consumer = Consumer(connection.channel(), [queue], on_message=taken.append, prefetch_count=count)
    consumer.consume()
    try:
        while len(taken) < count:
            connection.drain_events(timeout=seconds)
    except TimeoutError:
        pass
    # kombu hands a connection's messages to the newest consumer of their queue, whose channel it may not be.
    consumer.cancel()
    return taken


def turn(loop: Hub, *, until: Sized) -> None:
    """Let a worker's loop turn until a message has come."""

    def has_come() -> bool:
        loop.run_once()
        return len(until) > 0

    wait_until(has_come, what="a message")
