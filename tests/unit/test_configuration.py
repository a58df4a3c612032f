"""What is written in several places says the same in each."""

import re
from collections.abc import Iterator

import pytest
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

import celeryconfig
from receiver.settings import Settings as ReceiverSettings
from tasks.celery import app
from tasks.settings import Settings as TaskSettings
from tests.stack import ROOT, procfile


def variables(settings: type[BaseSettings]) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        yield from (
            [str(each) for each in alias.choices] if isinstance(alias, AliasChoices) else [name.upper()]
        )


ALL = sorted({*variables(ReceiverSettings), *variables(TaskSettings)})


@pytest.mark.parametrize("name", ALL)
def test_every_variable_is_in_the_readme(name: str) -> None:
    assert f"`{name}`" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", ALL)
def test_every_variable_is_in_the_example(name: str) -> None:
    assert name in (ROOT / ".env.example").read_text()


def test_every_task_has_a_declared_queue() -> None:
    queues = {queue.name for queue in celeryconfig.task_queues}
    app.loader.import_default_modules()
    ours = [name for name in app.tasks if name.startswith("tasks.")]
    assert celeryconfig.INTAKE_TASK in ours
    assert len(ours) >= 3
    for name in ours:
        assert app.amqp.router.route({}, name)["queue"].name in queues


def test_every_queue_is_a_quorum_queue_with_a_dead_letter_exchange() -> None:
    for queue in celeryconfig.task_queues:
        assert queue.queue_arguments
        assert queue.queue_arguments["x-queue-type"] == "quorum"
        assert queue.queue_arguments["x-dead-letter-exchange"] == celeryconfig.dead_queue.exchange.name
    assert celeryconfig.dead_queue.queue_arguments == {"x-queue-type": "quorum"}


def test_the_procfiles_worker_takes_every_queue() -> None:
    # Without -Q a worker takes all of `task_queues`.
    assert re.search(r"celery -A tasks worker\b(?!.* -Q)", procfile()["worker"])
    assert list(procfile()) == ["release", "web", "worker", "beat", "flower"]


def test_every_scheduled_task_exists() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in celeryconfig.beat_schedule.values()} <= set(app.tasks)
