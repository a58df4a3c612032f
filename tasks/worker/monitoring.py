"""How monitors and remote control hang on the worker without holding it up."""

import uuid
from typing import Any

from celery.app.control import Control as CeleryControl
from celery.app.events import Events as CeleryEvents
from celery.events import EventDispatcher
from kombu import Producer, Queue
from kombu.pidbox import Mailbox as KombuMailbox

from celeryconfig import prefixed

#: How many events a message to monitors holds at most.
_EVENTS = 500


class Dispatcher(EventDispatcher):
    """Sends monitors' events once: a worker that tried again without end would do nothing else."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "buffer_limit": _EVENTS})

    def _publish(self, event: Any, producer: Any, routing_key: str, **_options: Any) -> None:
        super()._publish(event, producer, routing_key)  # type: ignore[misc]  # unknown to the stubs


class Events(CeleryEvents):
    """Celery's, with our dispatcher."""

    dispatcher_cls = f"{__name__}:Dispatcher"


class Mailbox(KombuMailbox):
    """Where remote control reaches a worker: a queue of its connection's own, which ends with it.

    A queue that outlived it would lie on one node of a cluster and could not be declared while that is away;
    one under the worker's name would still belong to a connection that nobody has noticed to be dead.
    """

    connection: Any

    def get_queue(self, hostname: str) -> Queue:
        """Return a queue that no other connection has."""
        return super().get_queue(prefixed(f"{hostname}.{uuid.uuid4()}"))

    def get_reply_queue(self) -> Queue:
        """Return the queue of whoever asks the workers."""
        queue = super().get_reply_queue()
        queue.name = prefixed(queue.name)
        return queue

    def _publish(self, *arguments: Any, **options: Any) -> None:
        """Ask the workers over the connection on which they answer, instead of a second one."""
        channel = options.setdefault("channel", self.connection.default_channel)
        options.setdefault("producer", Producer(channel, auto_declare=False))
        super()._publish(*arguments, **options)


class Control(CeleryControl):
    """Celery's, with our mailbox."""

    Mailbox = Mailbox
