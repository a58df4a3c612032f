"""An outage of the broker is a warning in a line, in the very words of what is installed."""

import ast
import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.beat import Scheduler
from celery.schedules import schedule
from celery.worker.consumer import Consumer
from kombu import Connection
from kombu.exceptions import OperationalError

from tasks.worker.outages import TEMPLATES, as_warning
from tests.services import free_port


class Records(logging.Handler):
    """Keeps what the log would get."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[logging.LogRecord] = []
        self.addFilter(as_warning)

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record)


@pytest.fixture
def records() -> Iterator[list[logging.LogRecord]]:
    handler = Records()
    logging.root.addHandler(handler)
    yield handler.kept
    logging.root.removeHandler(handler)


def only(records: list[logging.LogRecord]) -> tuple[str, bool, str]:
    """Return a record's level, whether it has a traceback, and what it says."""
    (record,) = (each for each in records if each.levelno >= logging.WARNING)
    return record.levelname, bool(record.exc_info), record.getMessage()


@pytest.mark.parametrize(("logger", "template"), TEMPLATES)
def test_what_is_installed_says_it_in_these_words(logger: str, template: str) -> None:
    found = find_spec(logger)
    assert found is not None
    tree = ast.parse(Path(str(found.origin)).read_text())
    assert template in {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def test_a_worker_without_its_broker_warns(records: list[logging.LogRecord]) -> None:
    worker: Any = SimpleNamespace(conninfo=Connection("amqp://guest:secret@broker.example"))
    Consumer.on_connection_error_before_connected(worker, ConnectionRefusedError())
    level, traceback, said = only(records)
    assert (level, traceback) == ("WARNING", False)
    assert "Cannot connect to amqp://guest:**@broker.example" in said


def send(*arguments: object) -> None:
    """Have beat send a task to a broker that is away."""
    app = Celery("outages", broker=f"amqp://127.0.0.1:{free_port()}", set_as_current=False)
    app.conf.task_publish_retry = False
    app.conf.broker_transport_options = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
    entry = Scheduler.Entry("sweep", "task", schedule=schedule(30), args=arguments, app=app)
    Scheduler(app, lazy=True).apply_entry(entry)


def test_a_beat_without_its_broker_warns(records: list[logging.LogRecord]) -> None:
    send()
    level, traceback, said = only(records)
    assert (level, traceback) == ("WARNING", False)
    assert said.startswith("Message Error: Couldn't apply scheduled task sweep: ")
    assert len(said.splitlines()) == 1


def test_a_beat_that_cannot_send_for_a_fault_of_ours_says_an_error(records: list[logging.LogRecord]) -> None:
    send(object())
    level, traceback, said = only(records)
    assert (level, traceback) == ("ERROR", True)
    assert "beat.py" in said


@pytest.mark.parametrize(
    ("error", "level"), [(OperationalError("away"), "WARNING"), (KeyError("hostname"), "ERROR")]
)
def test_a_flower_warns_of_its_broker_alone(
    records: list[logging.LogRecord], error: Exception, level: str
) -> None:
    logging.getLogger("flower.events").error(
        "Failed to capture events: '%s', trying again in %s seconds.", error, 2
    )
    assert only(records)[0] == level


def test_a_broker_that_drops_whom_it_lets_in_is_no_more(records: list[logging.LogRecord]) -> None:
    logging.getLogger("celery.worker.consumer.consumer").critical(
        "Frequent restarts detected: %r", "5 in 1s", exc_info=ConnectionResetError()
    )
    assert only(records)[:2] == ("WARNING", False)


def test_whoever_wants_errors_alone_gets_no_outage(
    records: list[logging.LogRecord], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    for name in ("celery.worker.consumer.consumer", "another"):
        logging.getLogger(name).error("consumer: Cannot connect to %s: %s.\n%s\n", "amqp://", "away", "")
    assert [(record.name, record.levelname) for record in records] == [("another", "ERROR")]
