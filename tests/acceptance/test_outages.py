"""What an outage of the broker or the database does to events."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.purchases import buy, granted
from tests.services import Server, postgres_database, rabbitmq, redis
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", ["RabbitMQ", "Redis"])
def test_a_stopped_broker_means_503_and_its_return_200(tmp_path: Path, name: str) -> None:
    with (rabbitmq if name == "RabbitMQ" else redis)(tmp_path) as broker, postgres_database() as database:
        scheme = "amqp://guest:guest@" if name == "RabbitMQ" else "redis://"
        address = f"{scheme}127.0.0.1:{broker.port}"
        environment = {"BROKER_URL": address, "DATABASE_URL": database, "LOG_FORMAT": "json"}
        with Stack(tmp_path, environment) as stack:
            stack.release()
            stack.start("web", "worker")
            _survive(stack, broker)
            # Nobody was needed, so the log calls nobody.
            said = [json.loads(line) for line in stack.log("worker").splitlines() if line[:1] == "{"]
            assert [line for line in said if line["level"] in {"error", "critical"}] == []
            assert any("Cannot connect" in line["event"] for line in said)


def _survive(stack: Stack, broker: Server) -> None:
    buy(stack, "before")
    granted(stack, "before")
    broker.stop()
    for _ in range(3):
        began = time.monotonic()
        buy(stack, "during", status="503")
        assert time.monotonic() - began < 5
    assert stack.get("/readyz") == 503
    assert stack.get("/healthz") == 200
    broker.start()
    buy(stack, "after")
    granted(stack, "after")
    assert stack.wallet("during") == []
    wait_until(lambda: stack.get("/readyz") == 200, what="the receiver is ready")


def test_a_database_outage_refuses_no_event_and_shows_none(tmp_path: Path) -> None:
    with Stack(tmp_path, {}) as stack:
        # Without the release step there are no tables: every statement fails as in an outage.
        stack.start("web", "worker")
        buy(stack, "private-name", "--set", 'data.last4="9876"')
        wait_until(lambda: "task.held" in stack.log("worker"), what="the task is held")
        with closing(sqlite3.connect(tmp_path / "broker.sqlite3")) as broker:
            shown = [json.loads(payload)["headers"] for (payload,) in broker.execute(_MESSAGES)]
        assert shown
        for text in (json.dumps(shown), stack.log("worker"), stack.log("web")):
            assert "private-name" not in text
            assert "9876" not in text
        assert "Traceback" not in stack.log("worker")
        stack.release()
        granted(stack, "private-name")


_MESSAGES = "SELECT payload FROM messages WHERE queue = 'events'"
