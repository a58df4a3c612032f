"""What a worker does with messages that no task can take: they go to the queue `dead`, on every broker."""

import logging
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu.transport import TRANSPORT_ALIASES, redis

from celeryconfig import DELIVERY_LIMIT, dead_queue

_log = structlog.get_logger(__name__)


class Consumer(CeleryConsumer):
    """Celery's consumer, made to keep what it cannot read.

    Celery acknowledges a message that it cannot decode, ends the worker for one whose headers it does not
    expect, and logs the bodies of the others, which hold personal data.
    """

    connection_errors: tuple[type[Exception], ...]
    channel_errors: tuple[type[Exception], ...]

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Refuse what no serializer can read."""
        self._refuse(message, exc)

    def on_unknown_message(self, _body: object, message: Any) -> None:
        """Refuse what is no task."""
        self._refuse(message, None)

    def on_unknown_task(self, _body: object, message: Any, exc: Exception) -> None:
        """Refuse a task that this version does not have."""
        self._refuse(message, exc)

    def on_invalid_task(self, _body: object, message: Any, exc: Exception) -> None:
        """Refuse a task whose message breaks Celery's protocol."""
        self._refuse(message, exc)

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[[Any], None]:
        """Return what takes each message; an error of one message's stays its own."""
        take = super().create_task_handler(*arguments, **options)

        def take_or_refuse(message: Any) -> None:
            try:
                take(message)
            except (*self.connection_errors, *self.channel_errors):
                raise
            except Exception as error:
                if message.acknowledged:
                    raise
                self._refuse(message, error)

        return take_or_refuse

    def _refuse(self, message: Any, error: Exception | None) -> None:
        _log.error(
            "message.refused",
            error=type(error).__name__,
            task=message.headers.get("task"),
            queue=message.delivery_info.get("routing_key"),
            next_step="`coinflowctl dead-letters list` shows it; replay or discard it there.",
        )
        message.reject_log_error(logging.getLogger(__name__), self.connection_errors)


class RedisChannel(redis.Channel):
    """kombu's, with a dead-letter queue and a delivery limit, of which Redis has neither."""

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002  # kombu's signature
        """Copy the message to the queue `dead` before it leaves its own."""
        if not requeue:
            rejected = self.qos.get(delivery_tag)
            message = rejected.serializable()
            message["headers"] = dict(message["headers"])
            message["properties"] = dict(message["properties"])
            _die(message, rejected.delivery_info["routing_key"], "rejected")
            self._put(dead_queue.name, message)
        super().basic_reject(delivery_tag, requeue=requeue)

    def _do_restore_message(
        self, payload: dict[str, Any], exchange: str, routing_key: str, *arguments: Any
    ) -> None:
        headers = payload["headers"]
        headers["x-delivery-count"] = headers.get("x-delivery-count", 0) + 1
        if headers["x-delivery-count"] > DELIVERY_LIMIT and exchange != dead_queue.exchange.name:
            _die(payload, routing_key, "delivery_limit")
            # By the queue's name: this process need not have declared the exchange.
            exchange, routing_key = "", dead_queue.name
        super()._do_restore_message(payload, exchange, routing_key, *arguments)  # type: ignore[misc]  # unknown to the stubs


def _die(message: dict[str, Any], queue: str, reason: str) -> None:
    """Note on a message why it goes to the dead queue."""
    message["headers"]["x-death"] = [{"queue": queue, "reason": reason, "time": time.time()}]
    # Where kombu gives it back to when a reader of the dead queue lets go of it.
    message["properties"]["delivery_info"] = {"exchange": dead_queue.exchange.name, "routing_key": queue}


class RedisTransport(redis.Transport):
    """The transport of `redis://` and `rediss://` in a worker."""

    Channel = RedisChannel


def install() -> None:
    """Make Celery use both."""
    TRANSPORT_ALIASES.update(dict.fromkeys(["redis", "rediss"], f"{__name__}:RedisTransport"))
