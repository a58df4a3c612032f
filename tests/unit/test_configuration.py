"""What is written in several places says the same in each."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from kombu import Connection

import celeryconfig
from tasks.celery import app
from tasks.worker.retries import BACKOFF_LIMIT, HELD_LIMIT, HOLD_LIMIT
from tests.stack import ROOT, procfile
from tests.variables import ALL


@pytest.mark.parametrize("name", ALL)
def test_every_variable_is_in_the_example(name: str) -> None:
    assert name in (ROOT / ".env.example").read_text()


#: What keeps a task from being lost: Celery's defaults would acknowledge before the run, on failure, and when
#: its process is killed; publish without a confirm; wait without end; and read queues that nobody declared.
PROMISES = {
    "accept_content": ["json"],
    "broker_connection_max_retries": None,
    "broker_connection_retry_on_startup": True,
    "broker_connection_timeout": 3,
    "broker_heartbeat": 10,
    "broker_native_delayed_delivery_queue_type": "quorum",
    "broker_pool_acquire_timeout": 3,
    "control_queue_durable": False,
    "control_queue_exclusive": True,
    "result_backend": None,
    "task_acks_late": True,
    "task_acks_on_failure": False,
    "task_acks_on_timeout": False,
    "task_create_missing_queues": False,
    "task_default_delivery_mode": 2,
    "task_default_exchange_type": "topic",
    "task_default_queue_type": "quorum",
    "task_ignore_result": True,
    "task_reject_on_worker_lost": True,
    "task_serializer": "json",
    "task_soft_time_limit": 45,
    "task_time_limit": 60,
    "worker_concurrency": 4,
    "worker_cancel_long_running_tasks_on_connection_loss": True,
    "worker_detect_quorum_queues": True,
    "worker_prefetch_multiplier": 1,
    "worker_soft_shutdown_timeout": 3,
}


@pytest.mark.parametrize("name", PROMISES)
def test_every_setting_that_keeps_a_task_is_set(name: str) -> None:
    assert app.conf[name] == PROMISES[name]


def test_a_publish_waits_for_a_confirm_and_gives_up_before_the_receivers_answer_is_due() -> None:
    options, policy = transport_options("amqp://localhost"), celeryconfig.task_publish_retry_policy
    assert options["confirm_publish"] is True
    assert celeryconfig.CONFIRM_TIMEOUT < 4
    assert policy["max_retries"] <= 2
    assert policy["interval_max"] < 1


def test_redis_gives_nothing_back_that_is_still_held() -> None:
    """A message may be held or wait for its next try, then wait for a free process, and then it runs."""
    longest = max(HOLD_LIMIT + HELD_LIMIT, BACKOFF_LIMIT) + 2 * celeryconfig.task_time_limit
    assert transport_options("redis://localhost")["visibility_timeout"] > longest


def transport_options(url: str) -> dict[str, Any]:
    """Return what the configuration says on another broker, which it reads from the environment once."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.programs.broker_options"],
        cwd=ROOT,
        env=os.environ | {"BROKER_URL": url},
        capture_output=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("scheme", ["amqp", "amqps", "embedded", "redis", "rediss"])
def test_an_address_names_a_transport_of_ours(scheme: str) -> None:
    """By the scheme kombu looks for it where it forgets what else it was told, as when a monitor asks."""
    assert Connection(f"{scheme}://").get_transport_cls().__module__.startswith("tasks.")


def test_a_worker_stops_cold_when_everything_gets_sigterm() -> None:
    assert "REMAP_SIGTERM=SIGQUIT" in procfile()["worker"]


def test_every_task_has_a_declared_queue() -> None:
    queues = {queue.name for queue in celeryconfig.task_queues}
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


def test_the_dead_queue_lets_nothing_go() -> None:
    arguments = celeryconfig.dead_queue.queue_arguments
    assert arguments
    assert arguments["x-queue-type"] == "quorum"
    assert arguments["x-overflow"] == "reject-publish"
    # RabbitMQ 3 takes no -1 for "without end", RabbitMQ 4 counts every look and drops after 20 by default.
    assert arguments["x-delivery-limit"] >= 10**9


def test_the_procfiles_workers_take_every_queue_between_them() -> None:
    # Without -Q a worker takes all that notifying has not for itself.
    assert re.search(r"celery -q -A tasks worker\b(?!.* -Q)", procfile()["worker"])
    (own,) = set(celeryconfig.QUEUES) - set(celeryconfig.WORKERS_QUEUES)
    assert f" -Q {own} " in procfile()["notify"]
    assert list(procfile()) == ["release", "web", "worker", "notify", "beat", "flower", "metrics"]


def test_two_workers_of_a_machine_have_names_of_their_own() -> None:
    assert " -n notify@%h" in procfile()["notify"]
    assert " -n " not in procfile()["worker"]


def test_what_notifies_runs_in_threads_that_a_signal_tells_to_end() -> None:
    # Celery would kill them, and cannot.
    assert " -P threads " in procfile()["notify"]
    assert "REMAP_SIGTERM" not in procfile()["notify"]


def test_every_scheduled_task_exists() -> None:
    assert {entry["task"] for entry in celeryconfig.beat_schedule.values()} <= set(app.tasks)


def test_heroku_starts_one_beat_and_asks_for_what_is_read() -> None:
    manifest = json.loads((ROOT / "app.json").read_text())
    assert set(manifest["formation"]) == set(procfile()) - {"release"}
    assert manifest["formation"]["beat"] == {"quantity": 1}
    assert set(manifest["env"]) <= set(ALL)
    assert manifest["env"]["ENVIRONMENT"]["value"] == "production"
