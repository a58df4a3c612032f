"""A look at the broker's dead queue without Celery, which takes longer to come than most commands."""

from kombu import Connection

import celeryconfig
from celeryconfig import BROKER_PREFIX, CONFIRM_TIMEOUT, dead_queue, former_dead_queues
from tasks.transports.queue_counts import queue_counts


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
        return any(queue_counts(connection, queue)[0] for queue in (dead_queue, *former_dead_queues))
