"""A look at the broker's dead queue without Celery, which takes longer to come than most commands."""

from contextlib import suppress
from typing import Any

from kombu import Connection, Queue

import celeryconfig
from celeryconfig import BROKER_PREFIX, CONFIRM_TIMEOUT, dead_queue, former_dead_queues


def may_hold_messages() -> bool:
    """Tell whether dead messages may lie in the broker. Raises whatever keeps it from answering."""
    if BROKER_PREFIX:
        # Whose those are that lie there without a prefix, their bodies tell.
        return True
    with Connection(
        celeryconfig.broker_url,
        connect_timeout=celeryconfig.broker_connection_timeout,
        ssl=getattr(celeryconfig, "broker_use_ssl", False),
        transport_options=celeryconfig.broker_transport_options,
    ) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=int(CONFIRM_TIMEOUT))
        return any(_count(connection, queue) for queue in (dead_queue, *former_dead_queues))


def _count(connection: Connection, queue: Queue) -> int:
    # RabbitMQ closes a channel that asks for a queue that is not there.
    with connection.channel() as channel, suppress(*connection.channel_errors):
        # On Redis a queue without messages is no key, and to declare one does nothing.
        is_passive = connection.transport.driver_type != "redis"
        found: Any = queue(channel).queue_declare(passive=is_passive)
        return int(found.message_count)
    return 0
