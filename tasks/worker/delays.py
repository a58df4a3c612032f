"""Where RabbitMQ delays a retry: `celery_delayed_0` to `celery_delayed_27`, under `BROKER_PREFIX`."""

from collections.abc import Callable
from typing import Any

from celery.app import amqp
from kombu import Exchange
from kombu.transport.native_delayed_delivery import (
    MAX_LEVEL,
    bind_queue_to_native_delayed_delivery_exchange,
    declare_native_delayed_delivery_exchanges_and_queues,
    level_name,
)

from celeryconfig import BROKER_PREFIX, task_queues

#: The exchange that Celery knows.
_FIRST = level_name(MAX_LEVEL)


def declare_delays(connection: Any, queue_type: str) -> None:
    """Declare the queues in which a message waits, and bind ours to what comes out of them."""
    declare_native_delayed_delivery_exchanges_and_queues(connection, queue_type, BROKER_PREFIX)  # type: ignore[call-arg]  # unknown to the stubs
    for queue in task_queues:
        bind_queue_to_native_delayed_delivery_exchange(connection, queue, BROKER_PREFIX)  # type: ignore[call-arg]  # unknown to the stubs


class AMQP(amqp.AMQP):
    """Celery's, which knows but one name for where a message's delay begins."""

    def _create_task_sender(self) -> Callable[..., Any]:
        send = super()._create_task_sender()  # type: ignore[misc]  # unknown to the stubs

        def send_task_message(
            producer: Any, name: str, message: Any, exchange: Any = None, **options: Any
        ) -> Any:
            if getattr(exchange, "name", None) == _FIRST:
                exchange = Exchange(level_name(MAX_LEVEL, BROKER_PREFIX), type="topic")  # type: ignore[call-arg]  # unknown to the stubs
            return send(producer, name, message, exchange=exchange, **options)

        return send_task_message
