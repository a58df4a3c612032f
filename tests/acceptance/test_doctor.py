"""`coinflowctl doctor` on running products, and on what is broken in them."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from kombu import Connection, Queue
from sqlalchemy import create_engine, make_url, text

from celeryconfig import SWEEP_TASK, WORKERS_QUEUES
from tasks.cli import main
from tests.acceptance.purchases import buy
from tests.acceptance.servers import COMBINATIONS, Serve
from tests.operator import Operator
from tests.services import SharedRabbitMQ, free_port, postgres_database, rabbitmq, rabbitmqctl
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long

Checks = dict[tuple[str, str | None], dict[str, Any]]


class Doctor(Operator):
    """An operator who asks the doctor."""

    def ask_doctor(self) -> tuple[int, Checks]:
        """Return the exit code, and what was found by check and subject."""
        done = self.type("doctor", "--json")
        assert done.stdout, done.stderr
        document = json.loads(done.stdout)
        found = {(each["check"], each["subject"]): each for each in document["checks"]}
        assert len(found) == len(document["checks"]), "a program can tell them apart"
        assert (document["level"] == "fault") == (done.exit_code == 1)
        return done.exit_code, found


def faults(checks: Checks) -> set[tuple[str, str | None]]:
    return of(checks, "fault")


def of(checks: Checks, level: str) -> set[tuple[str, str | None]]:
    return {name for name, found in checks.items() if found["level"] == level}


@contextmanager
def examined(folder: Path, environment: dict[str, str], *, release: bool = True) -> Iterator[Doctor]:
    """Ask about a product of which nothing runs."""
    with Stack(folder, environment) as stack:
        if release:
            stack.release()
        with Doctor(stack) as doctor:
            yield doctor


@pytest.mark.parametrize("servers", COMBINATIONS)
def test_a_product_that_works_has_no_fault_and_one_without_workers_has(
    servers: str, serve: Serve, tmp_path: Path
) -> None:
    with serve(servers, tmp_path) as environment, Stack(tmp_path, environment) as stack:
        stack.release()
        stack.start("web", "worker")
        with Doctor(stack) as doctor:
            doctor.send(SWEEP_TASK, queue="recovery")
            wait_until(
                lambda: doctor.ask_doctor()[0] == 0, what="all is well", log=lambda: stack.log("worker")
            )
            _, checks = doctor.ask_doctor()
            assert of(checks, "ok") == checks.keys(), checks
            assert "1 worker: celery@" in checks["workers", None]["seen"]
            assert "guest:guest" not in str(checks)

            buy(stack, "mallory", "--cents", "1")
            wait_until(
                lambda: doctor.ask_doctor()[1]["refused", None]["level"] == "notice",
                what="a refused payment",
                log=lambda: stack.log("worker"),
            )
            code, checks = doctor.ask_doctor()
            assert code == 0
            assert of(checks, "notice") == {("dead letters", None), ("refused", None), ("attention", None)}
            assert checks["dead letters", None]["seen"] == "1 PriceMismatch"

            _make_sweeps_old(stack.environment["DATABASE_URL"])
            code, checks = doctor.ask_doctor()
            assert code == 1
            assert faults(checks) == {("sweeps", None)}
            assert "60 min" in checks["sweeps", None]["seen"]
            assert "beat" in checks["sweeps", None]["next_step"]

            stack.kill("worker")
            unread = {("queue", name) for name in WORKERS_QUEUES}
            wait_until(
                lambda: unread <= faults(doctor.ask_doctor()[1]), what="the broker knows that it is gone"
            )
            code, checks = doctor.ask_doctor()
            assert code == 1
            assert faults(checks) == {("sweeps", None), ("workers", None), *unread}
            assert checks["workers", None]["next_step"].startswith("Start the process worker")

            plain = doctor.type("doctor")
            assert plain.exit_code == 1
            lines = plain.stdout.splitlines()
            assert len(lines) == len(checks) + 1
            assert "FAULT    workers: no worker answers. Start the process worker, and" in plain.stdout
            assert lines[-1] == f"6 faults, 3 notices, {len(checks)} checks."


def _make_sweeps_old(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE sweeps SET began_at = :at"), {"at": _an_hour_ago(engine.name)})
    engine.dispose()


def _an_hour_ago(dialect: str) -> object:
    then = datetime.now(UTC) - timedelta(hours=1)
    return then if dialect == "postgresql" else then.strftime("%Y-%m-%d %H:%M:%S.%f")


def test_a_queue_of_rabbitmq_without_its_dead_letter_exchange_is_a_fault(
    shared_rabbitmq: SharedRabbitMQ, tmp_path: Path
) -> None:
    url = shared_rabbitmq.virtual_host().url
    with Connection(url) as connection:
        Queue("events", queue_arguments={"x-queue-type": "quorum"}).declare(
            channel=connection.default_channel
        )
    with examined(tmp_path, {"BROKER_URL": url}) as doctor:
        code, checks = doctor.ask_doctor()
    assert code == 1
    assert "x-dead-letter-exchange" in checks["queue", "events"]["seen"]
    assert "delete the queue events" in checks["queue", "events"]["next_step"]
    assert "no queue 'handlers'" in checks["queue", "handlers"]["seen"]
    assert checks["dead-letter exchange", None]["level"] == "fault"
    assert "RabbitMQ" in checks["broker", None]["seen"]


def test_a_rabbitmq_that_takes_no_message_is_a_fault_and_told_as_what_it_is(tmp_path: Path) -> None:
    with rabbitmq(tmp_path) as broker:
        environment = {"BROKER_URL": f"amqp://guest:guest@127.0.0.1:{broker.port}"}
        with Stack(tmp_path, environment) as stack:
            stack.release()
            stack.start("worker")
            with Doctor(stack) as doctor:
                wait_until(lambda: doctor.ask_doctor()[0] == 0, what="all is well")
                rabbitmqctl(broker, "set_vm_memory_high_watermark", "absolute", "1MB")
                wait_until(
                    lambda: "takes no message" in doctor.ask_doctor()[1]["workers", None]["seen"],
                    what="the alarm is told",
                )
                code, checks = doctor.ask_doctor()
                assert code == 1
                assert faults(checks) == {("workers", None)}
                assert checks["queue", "events"]["seen"] == "0 messages, 1 consumer"
                rabbitmqctl(broker, "set_vm_memory_high_watermark", "0.4")
                wait_until(lambda: doctor.ask_doctor()[0] == 0, what="all is well again")


def test_a_broker_that_is_away_hides_nothing_of_the_database(tmp_path: Path) -> None:
    url = f"amqp://me:hidden@127.0.0.1:{free_port()}"
    with examined(tmp_path, {"BROKER_URL": url}) as doctor:
        code, checks = doctor.ask_doctor()
    assert code == 1
    assert faults(checks) == {("broker", None)}
    assert "refused" in checks["broker", None]["seen"]
    assert of(checks, "unknown") == {("dead-letter exchange", None), ("queue", None), ("workers", None)}
    assert checks["schema", None]["level"] == checks["writes", None]["level"] == "ok"
    assert "hidden" not in str(checks)


def test_a_database_that_is_away_hides_nothing_of_the_broker(tmp_path: Path) -> None:
    url = f"postgresql://me:hidden@127.0.0.1:{free_port()}/shop"
    with examined(tmp_path, {"DATABASE_URL": url}, release=False) as doctor:
        code, checks = doctor.ask_doctor()
    assert code == 1
    assert ("database", None) in faults(checks)
    assert "refused" in checks["database", None]["seen"]
    assert {("schema", None), ("sweeps", None), ("dead letters", None)} <= of(checks, "unknown")
    assert checks["broker", None]["level"] == checks["price list file", None]["level"] == "ok"
    assert "hidden" not in str(checks)


def test_servers_that_are_silent_are_told_in_seconds(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        urls = {"BROKER_URL": f"amqp://{address}", "DATABASE_URL": f"postgresql://me@{address}/shop"}
        with examined(tmp_path, urls, release=False) as doctor:
            began = datetime.now(UTC)
            code, checks = doctor.ask_doctor()
            took = datetime.now(UTC) - began
    assert code == 1
    assert {("broker", None), ("database", None)} <= faults(checks)
    assert took < timedelta(seconds=25)


@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
def test_a_database_that_is_not_migrated_is_a_fault(database: str, tmp_path: Path) -> None:
    with postgres_database() as url:
        environment = {"DATABASE_URL": url} if database == "PostgreSQL" else {}
        with examined(tmp_path, environment, release=False) as doctor:
            code, checks = doctor.ask_doctor()
    assert code == 1
    assert checks["schema", None]["level"] == "fault"
    assert "alembic upgrade head" in checks["schema", None]["next_step"]
    assert checks["database", None]["level"] == checks["clock", None]["level"] == "ok"
    assert {("writes", None), ("sweeps", None), ("refused", None)} <= of(checks, "unknown")


def test_a_database_that_is_read_only_is_a_fault(tmp_path: Path) -> None:
    with postgres_database() as url:
        with Stack(tmp_path, {"DATABASE_URL": url}) as stack:
            stack.release()
        with psycopg.connect(url, autocommit=True) as server:
            name = make_url(url).database
            server.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
        with Doctor(stack) as doctor:
            code, checks = doctor.ask_doctor()
    assert code == 1
    assert "read-only" in checks["writes", None]["seen"]
    assert checks["schema", None]["level"] == checks["refused", None]["level"] == "ok"


def test_a_price_list_file_that_is_broken_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "catalog.toml"
    path.write_text("[items.sword]\nprice = { cents = -5 }\n")
    with examined(tmp_path, {"CATALOG_PATH": str(path)}, release=False) as doctor:
        code, checks = doctor.ask_doctor()
    assert code == 1
    assert checks["price list file", None]["level"] == "fault"
    assert "line 2" in checks["price list file", None]["seen"]


def test_every_fault_of_the_environment_is_told(tmp_path: Path) -> None:
    faulty = {"WEB_CONCURRENCY": "many", "DATABASE_URL": "mysql://shop", "NOTIFY_CONCURRENCY": "0"}
    with Stack(tmp_path, {}) as stack:
        stack.environment |= faulty
        done = CliRunner(env=stack.environment).invoke(main, ["doctor"])
    assert done.exit_code == 1
    for name in faulty:
        assert f"FAULT    environment: {name}: " in done.stdout
    assert "unknown  database: the environment must be mended first." in done.stdout
