"""How a worker consumes: alone, and without losing what no task can take, which goes to the dead queue."""

import logging
import time
from collections.abc import Callable
from typing import Any

import structlog
from celery.concurrency.thread import TaskPool
from celery.worker import state
from celery.worker.consumer import Consumer as CeleryConsumer

from celeryconfig import prefixed
from tasks.worker.applications import AnotherApplication, is_foreign
from tasks.worker.merging import widen

_log = structlog.get_logger(__name__)

_OF_OURS = "`coinflowctl dead-letters list` shows it; replay or discard it there."
_OF_ANOTHER = "Give each application a BROKER_PREFIX; then the other one's `dead-letters list` shows it."

#: Seconds that monitors' events gather before they are sent as one message: each task has three of them.
EVENTS_GATHER = 0.2


class Consumer(CeleryConsumer):
    """Celery's consumer, made to need no other worker and to keep what it cannot read.

    Celery acknowledges a message that it cannot decode, ends the worker for one whose headers it does not
    expect, and logs the bodies of the others, which hold personal data.
    """

    connection_errors: tuple[type[Exception], ...]
    channel_errors: tuple[type[Exception], ...]
    event_dispatcher: Any
    _flush_events: Callable[[], None]

    class Blueprint(CeleryConsumer.Blueprint):  # type: ignore[misc,valid-type]  # unknown to the stubs
        """Celery's steps, but the one that visits every address of a cluster and waits for each dead one."""

        default_steps = [  # noqa: RUF012  # Celery's attribute
            step for step in CeleryConsumer.Blueprint.default_steps if not step.endswith(":DelayedDelivery")
        ]

    def __init__(self, *arguments: Any, worker_options: Any = None, **options: Any) -> None:
        # Workers need nothing of each other, and waiting for their answers at the start has no end when the
        # connection falls silent.
        alone = {**(worker_options or {}), "without_mingle": True, "without_gossip": True}
        self._events_leave_at = 0.0
        super().__init__(*arguments, **{**options, "worker_options": alone})

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Let go of the connection, and of what can be acknowledged no more: the broker delivers it again."""
        if isinstance(self.pool, TaskPool):
            # Celery would end their tasks, and fail, for nobody can end a thread.
            for request in tuple(state.active_requests):
                request.acknowledged = True
        super().on_connection_error_after_connected(exc)

    def connection_for_write(self, url: Any = None, heartbeat: Any = None) -> Any:
        """Return the connection of monitors' events, whose confirm nobody waits for."""
        unconfirmed = {"confirm_publish": False}
        return self.ensure_connected(
            self.app.connection_for_write(url=url, heartbeat=heartbeat, transport_options=unconfirmed)
        )

    def register_with_event_loop(self, hub: Any) -> None:
        """Begin to consume the events, of which more are taken than there are processes."""
        super().register_with_event_loop(hub)
        widen(self, prefixed("events"))

    def on_send_event_buffered(self) -> None:  # type: ignore[override]  # nobody uses what Celery returns
        """Send the events of monitors in a while, with what comes until then."""
        now = time.monotonic()
        # By the clock: what was to be sent may have been given up with a connection.
        if now >= self._events_leave_at:
            self._events_leave_at = now + EVENTS_GATHER
            # By the worker's loop, whichever thread the task has run in.
            self.call_soon(self.timer.call_after, EVENTS_GATHER, self._flush_events)

    def stop(self) -> None:
        """Send what monitors have not heard yet, and stop."""
        self._tell_monitors()
        super().stop()

    def shutdown(self) -> None:
        """Send what monitors have not heard of the tasks that ended during the stop, and close."""
        self._tell_monitors()
        super().shutdown()

    def _tell_monitors(self) -> None:
        connection = self.event_dispatcher and self.event_dispatcher.connection
        # No new one is made for this: the broker may be what has gone.
        if connection and connection.connected:
            self.event_dispatcher.flush()

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
                if is_foreign(message.headers, self.app.conf.application_marks):
                    raise AnotherApplication  # noqa: TRY301  # refused as whatever no task can take
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
            next_step=_OF_ANOTHER if isinstance(error, AnotherApplication) else _OF_OURS,
        )
        message.reject_log_error(logging.getLogger(__name__), self.connection_errors)
