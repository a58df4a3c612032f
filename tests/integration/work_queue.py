"""A queue of work, its dead letters, and a publisher."""

from typing import Any

from kombu import Connection, Exchange, Producer, Queue

TOPIC = Exchange("topic", type="topic")
DEAD = Exchange("dead", type="topic")
WORK = Queue(
    "work",
    TOPIC,
    routing_key="work",
    queue_arguments={"x-dead-letter-exchange": "dead", "x-delivery-limit": 3},
)
DEAD_QUEUE = Queue("dead", DEAD, routing_key="#")


def publish(connection: Connection, *bodies: object, queue: Queue = WORK, **options: Any) -> None:
    """Publish messages to a queue, which is declared first."""
    with connection.channel() as channel:
        producer = Producer(channel, exchange=queue.exchange, routing_key=queue.routing_key)
        for body in bodies:
            producer.publish(body, declare=[queue], **options)
