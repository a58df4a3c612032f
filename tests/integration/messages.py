"""What a task has sent, and a task that the broker has delivered before."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from sqlalchemy import delete

from celeryconfig import SWEEP_TASK, task_queues
from tasks.celery import Application
from tasks.store.schema import sweeps


def sweep(app: Application) -> None:
    """Sweep once, as if the last sweep were long ago."""
    with app.collaborators.engine.begin() as connection:
        connection.execute(delete(sweeps))
    app.tasks[SWEEP_TASK]()


def taken(app: Celery) -> list[tuple[str, Any]]:
    """Take the messages out of every queue; return each one's task and its argument."""
    messages = []
    with app.connection_for_read() as connection:
        for queue in task_queues:
            bound = queue(connection.default_channel)
            while message := bound.get(no_ack=True):
                messages.append((message.headers["task"], *message.payload[0]))
    return messages


@contextmanager
def redelivered(app: Celery, name: str) -> Iterator[Any]:
    """Return a task whose message the broker has delivered before."""
    task = app.tasks[name]
    task.push_request(delivery_info={"redelivered": True}, called_directly=True)
    try:
        yield task
    finally:
        task.pop_request()
