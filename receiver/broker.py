"""The receiver's end of the broker: publishes events under confirms and tells whether it can be reached."""

from collections.abc import Sequence

from celery import Celery

from celeryconfig import APPLICATION_HEADER, CONFIRM_TIMEOUT, INTAKE_TASK


class Broker:
    """Speaks to the broker that `celeryconfig` names, by Celery's public API."""

    def __init__(self, marks: Sequence[str]) -> None:
        self._headers = {APPLICATION_HEADER: ",".join(marks)}
        self._app = Celery("receiver", config_source="celeryconfig", set_as_current=False)
        # Celery would load these at the first publish: its sender would wait, and no process share them.
        _ = self._app.amqp, self._app.events, self._app.AsyncResult("")
        with self._app.connection_for_write() as connection:
            _ = connection.transport

    def publish(self, events: Sequence[dict[str, str]]) -> str:
        """Return the task's id once the broker holds the events as one message; raise whatever kept it."""
        sent = self._app.send_task(
            INTAKE_TASK,
            args=[list(events)],
            # What logs and monitors show in place of the events, which hold personal data.
            argsrepr=f"<{len(events)} events>",
            headers=self._headers,
            confirm_timeout=CONFIRM_TIMEOUT,
            # A confirm alone would also mean that no queue is there to take it.
            mandatory=True,
        )
        return str(sent.id)

    def reach(self) -> None:
        """Return if the broker answers; raise whatever keeps it from that."""
        with self._app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=int(CONFIRM_TIMEOUT))
