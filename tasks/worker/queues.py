"""The queues that a worker makes sure of, and those of them that it consumes."""

from collections.abc import Iterable
from typing import Any

from celery import bootsteps
from celery.app import amqp
from celery.utils.functional import maybe_list

from celeryconfig import QUEUES, dead_queue, former_dead_queue, prefixed, task_queues
from tasks.worker import delays
from tasks.worker.delays import declare_delays


class _Chosen(amqp.Queues):
    """Celery's, whose `-Q` takes our queues by the names that they have without `BROKER_PREFIX`."""

    def select(self, include: str | Iterable[str]) -> None:
        super().select([prefixed(name) if name in QUEUES else name for name in maybe_list(include) or ()])


class AMQP(delays.AMQP):
    """Celery's, with our delays and our choice of queues."""

    queues_cls = _Chosen


class Queues(bootsteps.StartStopStep):
    """Declares the dead queue, what this worker leaves to another one, and where RabbitMQ delays a retry."""

    requires = ("celery.worker.consumer.connection:Connection",)

    def start(self, parent: Any) -> None:
        """Declare them on every connection: the broker may be a new one."""
        channel = parent.connection.default_channel
        for queue in (dead_queue, *task_queues):
            queue(channel).declare()
        if parent.connection.transport.driver_type != "redis":  # There nothing dies through an exchange.
            former_dead_queue(channel).unbind_from(dead_queue.exchange, dead_queue.routing_key)
        if parent.connection.transport.driver_type == "amqp":
            declare_delays(parent.connection, parent.app.conf.broker_native_delayed_delivery_queue_type)
