"""The broker's queues, as it tells of them to somebody who takes nothing: how full, and who reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery
from kombu import Queue

from celeryconfig import CONFIRM_TIMEOUT, QUEUES, dead_queue, task_queues

#: Seconds that the broker may be silent.
_PATIENCE = 5
#: AMQP's number for a queue that is not there; kombu's own transports write it as a text.
_NOT_FOUND = "404"


class BrokerSilent(Exception):
    """The broker cannot be asked, or does not answer."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """How a queue fares."""

    #: Without `BROKER_PREFIX`.
    name: str
    #: How many messages wait in it.
    messages: int
    #: How many read it, or None where the broker does not know or nobody should.
    consumers: int | None


def queue_states(app: Celery) -> Sequence[QueueState]:
    """Ask for every queue. Raises BrokerSilent."""
    try:
        return _states(app)
    except Exception as error:
        # Every transport has errors of its own, and some have the names of a database's.
        raise BrokerSilent(f"The broker tells nothing of its queues: {error}") from error


def _states(app: Celery) -> Sequence[QueueState]:
    silence = {"read_timeout": _PATIENCE, "write_timeout": _PATIENCE}
    with app.connection_for_read(transport_options=silence) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=int(CONFIRM_TIMEOUT))
        counts_consumers = connection.transport.driver_type != "redis"
        states = []
        for name, queue in zip((*QUEUES, "dead-letters"), (*task_queues, dead_queue), strict=True):
            messages, consumers = _ask(connection, queue)
            is_read = counts_consumers and queue is not dead_queue
            states.append(QueueState(name, messages, consumers if is_read else None))
        return states


def _ask(connection: Any, queue: Queue) -> tuple[int, int]:
    # A broker closes the channel that asks for a queue that is not there, so each has its own.
    with connection.channel() as channel:
        try:
            found: Any = queue(channel).queue_declare(passive=True)
        except connection.channel_errors as error:
            if str(getattr(error, "reply_code", "")) != _NOT_FOUND:
                raise
            # No worker has ever declared it: nothing waits there, and nobody reads it.
            return 0, 0
        return found.message_count, found.consumer_count
