"""What an operator, or any other program, says to the broker: a request a line, an answer a line."""

import json
import sys
from collections.abc import Callable
from typing import Any

import structlog
from click.testing import CliRunner

from celeryconfig import DELIVERY_LIMIT, task_queues
from tasks.celery import app
from tasks.cli import main
from tests.waiting import wait_until


def ctl(*arguments: str) -> tuple[int, str, str]:
    """Run coinflowctl."""
    done = CliRunner().invoke(main, arguments)
    return done.exit_code, done.stdout, done.stderr + (repr(done.exception) if done.exception else "")


def send(task: str, queue: str, expires: float | None, arguments: list[Any]) -> None:
    """Send a task, which need not exist, and which may expire after so many seconds."""
    app.send_task(task, arguments, queue=queue, expires=expires)


def publish(body: str, options: dict[str, Any]) -> None:
    """Publish a message, which need not be a task."""
    with app.connection_for_write() as connection:
        connection.Producer().publish(body.encode(), exchange="coinflow", declare=task_queues, **options)


def crash() -> None:
    """Do what a message does that ends each worker that takes it, until it is over its delivery limit."""
    deliveries = 0
    # RabbitMQ may have given it to the worker that was just killed, too.
    while deliveries < DELIVERY_LIMIT:
        with app.connection_for_read() as connection, connection.channel() as channel:
            message: Any = wait_until(task_queues[0](channel).get, what="the message comes again")
            deliveries = message.headers.get("x-delivery-count", 0)
    with app.connection_for_read() as connection:
        assert task_queues[0](connection.default_channel).get() is None


REQUESTS: dict[str, Callable[..., Any]] = {each.__name__: each for each in (ctl, send, publish, crash)}

if __name__ == "__main__":
    # A command has standard output to itself.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    for line in sys.stdin:
        name, arguments = json.loads(line)
        sys.stdout.write(json.dumps(REQUESTS[name](*arguments)) + "\n")
        sys.stdout.flush()
