"""The queues that a worker makes sure of, beside those that it consumes."""

from typing import Any

from celery import bootsteps

from celeryconfig import dead_queue, former_dead_queue, task_queues
from tasks.worker.delays import declare_delays


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
