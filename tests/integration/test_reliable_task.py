"""What becomes of a task after an error: it is held, sent again, or given up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery.exceptions import Retry, SoftTimeLimitExceeded
from sqlalchemy.event import listens_for

from celeryconfig import INTAKE_TASK
from tasks.celery import Application
from tasks.errors import PriceMismatch
from tasks.pipeline.dispatch import FULFILMENT_TASK
from tasks.worker.reliable_task import Held, ReliableTask, Wait
from tasks.worker.retries import HOLD_LIMIT
from tests.integration.messages import taken


class Handler(ReliableTask):
    is_merchants = True


class Forgiving(ReliableTask):
    """Notes nothing of what it gives up, because the database is away."""

    def give_up(self, error: Exception, *_args: Any) -> None:
        raise ConnectionError from error


@pytest.fixture
def task(app: Application) -> Any:
    """Return a task that raises what it is given."""
    return app.task(name="tasks.fulfilment.fail", shared=False)(fail)


def fail(error: Exception) -> None:
    raise error


@contextmanager
def delivered(task: Any, error: Exception, **headers: Any) -> Iterator[None]:
    """Let a worker have taken the task's message."""
    # The message cannot hold the error itself.
    task.push_request(
        args=(str(error),),
        kwargs={},
        retries=0,
        called_directly=False,
        delivery_info={},
        headers=headers,
        **headers,
    )
    yield
    task.pop_request()


def waiting(app: Application, queue: str) -> dict[str, Any]:
    """Take the message that waits in a queue; return its headers."""
    with app.connection_for_read() as connection:
        message = app.amqp.queues[queue](connection.default_channel).get(no_ack=True)
    assert message
    return dict(message.headers)


def held(task: Any, error: Exception, **headers: Any) -> Wait:
    """Return how the worker is asked to hold the task."""
    with delivered(task, error, **headers), pytest.raises(Held) as asked:
        task(error)
    wait: Wait = asked.value.args[1]
    return wait


def test_what_waits_for_the_database_is_held(app: Application, task: Any) -> None:
    assert held(task, ConnectionError(), unexpected_tries=2).tries == 2
    assert held(task, ValueError(), unexpected_tries=2).tries == 3
    assert taken(app) == []


def test_a_handlers_retry_waits_in_its_queue(app: Application) -> None:
    handler = app.task(name="tasks.handlers.fail", shared=False, base=Handler)(fail)
    with delivered(handler, ValueError()), pytest.raises(Retry):
        handler(ValueError())
    assert [name for name, *_ in taken(app)] == ["tasks.handlers.fail"]


def test_what_was_held_for_long_is_sent_again_without_what_brokers_noted_on_it(
    app: Application, task: Any
) -> None:
    """RabbitMQ lets no message wait where its headers say that it has waited: it would never come back."""
    long_ago = {"held_since": time.time() - HOLD_LIMIT - 1, "unexpected_tries": 2}
    noted = {"x-death": [{"queue": "celery_delayed_0"}], "x-first-death-queue": "celery_delayed_0"}
    with delivered(task, ConnectionError(), **long_ago, **noted, own="kept"), pytest.raises(Retry):
        task(ConnectionError())
    headers = waiting(app, "fulfilment")
    assert headers.items() >= {"own": "kept", "unexpected_tries": 2}.items()
    assert not {*noted, "held_since"} & headers.keys()


def test_what_no_queue_takes_is_held(app: Application, task: Any) -> None:
    with app.connection_for_write() as connection:
        app.amqp.queues["fulfilment"](connection.default_channel).delete()
    app.amqp.queues.pop("fulfilment")
    assert held(task, ConnectionError(), held_since=time.time() - HOLD_LIMIT - 1).seconds >= 1


def test_a_permanent_error_is_left_to_the_dead_queue(app: Application, task: Any) -> None:
    with delivered(task, PriceMismatch()), pytest.raises(PriceMismatch):
        task(PriceMismatch())
    assert taken(app) == []


def test_what_cannot_be_given_up_now_is_tried_again(app: Application) -> None:
    task = app.task(name="tasks.fulfilment.fail", shared=False, base=Forgiving)(fail)
    assert held(task, PriceMismatch()).tries == 0


def test_a_time_limit_is_a_handlers_own_fault_and_sends_it_once(app: Application) -> None:
    """A retry that is raised while the time limit's error is handled is no error of its own."""
    handler = app.task(name="tasks.handlers.fail", shared=False, base=Handler)(fail)
    with delivered(handler, SoftTimeLimitExceeded()), pytest.raises(Retry):
        handler(SoftTimeLimitExceeded())
    assert waiting(app, "handlers")["unexpected_tries"] == 1
    assert taken(app) == []


@pytest.mark.parametrize("name", [INTAKE_TASK, FULFILMENT_TASK])
def test_a_database_that_hangs_until_the_time_limit_is_no_reason_to_give_up(
    app: Application, name: str
) -> None:
    @listens_for(app.collaborators.engine, "before_cursor_execute")
    def hang(*_: object) -> None:
        raise SoftTimeLimitExceeded

    argument = [
        {
            "body": '{"eventType": "KYC Success", "created": "", "data": {}}',
            "received_at": "2026-09-01T00:00:00Z",
        }
    ]
    with pytest.raises(Held) as asked:
        app.tasks[name](argument if name == INTAKE_TASK else ["pay"])
    assert asked.value.args[0] == "Stalled"
    assert asked.value.args[1].tries == 0
