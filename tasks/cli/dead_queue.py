"""A look into the broker's dead queue without Celery, which takes longer to come than most commands."""

from kombu import Connection, Queue

import celeryconfig
from celeryconfig import BROKER_PREFIX, CONFIRM_TIMEOUT, dead_queue, former_dead_queues
from tasks.settings import Settings

#: AMQP's number for a queue that is not there.
_NOT_FOUND = 404


def may_hold_messages() -> bool:
    """Tell whether dead messages may lie in the broker. Raises whatever keeps it from answering."""
    Settings.load()
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
        return any(_holds_one(connection, queue) for queue in (dead_queue, *former_dead_queues))


def _holds_one(connection: Connection, queue: Queue) -> bool:
    # RabbitMQ closes the channel that asks for a queue that is not there, so each has its own. It is asked
    # for a message: of a quorum queue that has no leader to count them it says that there are none.
    with connection.channel() as channel:
        try:
            message = queue(channel).get()
        except connection.channel_errors as error:
            if getattr(error, "reply_code", None) != _NOT_FOUND:
                raise
            return False
        if message is None:
            return False
        message.requeue()
        return True
