"""What Redis may do to an event that was answered 200."""

import os
import shutil
import signal
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from celeryconfig import dead_queue
from tests.acceptance.purchases import buy, granted
from tests.services import free_port, postgres_database, redis
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Redis]]:
    """Run receiver and worker on a Redis of their own; return a client of it, too."""
    folder = tmp_path_factory.mktemp("redis")
    (folder / "data").mkdir()
    with redis(folder / "data") as broker, postgres_database() as database:
        environment = {"BROKER_URL": f"redis://127.0.0.1:{broker.port}/0", "DATABASE_URL": database}
        with Stack(folder, environment) as stack, Redis(port=broker.port) as client:
            stack.release()
            stack.start("web", "worker")
            buy(stack, "before")
            granted(stack, "before")
            yield stack, client


def test_an_event_that_reaches_a_frozen_worker_outlives_it(scene: tuple[Stack, Redis]) -> None:
    stack, client = scene
    os.kill(stack.processes["worker"].pid, signal.SIGSTOP)
    for number in range(3):
        buy(stack, f"frozen-{number}")
    stack.kill("worker")
    # As if what was held had been taken long ago.
    for tag, _ in client.zscan_iter("unacked_index"):
        client.zadd("unacked_index", {tag: 0})
    stack.start("worker")
    for number in range(3):
        granted(stack, f"frozen-{number}")


def test_a_full_redis_refuses_and_loses_nothing(scene: tuple[Stack, Redis]) -> None:
    stack, client = scene
    stack.kill("worker")
    for number in range(10):
        buy(stack, f"accepted-{number}")
    # What is no task goes to the dead queue, which takes room, too.
    client.lpush("events", b'{"not": "a message"}')
    client.config_set("maxmemory", 1)
    buy(stack, "full", status="503")
    # Without room a worker must be able to start: who else would make room?
    stack.start("worker")
    for number in range(10):
        granted(stack, f"accepted-{number}")
    wait_until(lambda: client.llen(dead_queue.name) == 1, what="the dead queue holds it")
    wait_until(lambda: client.hlen("unacked") == 0, what="all is acknowledged")
    buy(stack, "full", status="503")
    client.config_set("maxmemory", 0)
    buy(stack, "after")
    granted(stack, "after")
    assert stack.processes["worker"].poll() is None
    assert stack.wallet("full") == []


@pytest.mark.parametrize("refusal", ["READONLY", "MISCONF"])
def test_a_redis_that_refuses_to_write_is_waited_for(scene: tuple[Stack, Redis], refusal: str) -> None:
    stack, client = scene
    said = len(stack.log("worker"))
    if refusal == "READONLY":
        client.replicaof("127.0.0.1", free_port())
    else:
        _fail_to_save(stack, client)
    with pytest.raises(ResponseError, match=f"^{refusal}|read only replica"):
        client.set("written", 1)
    buy(stack, refusal, status="503")
    wait_until(lambda: "Connection to broker lost" in stack.log("worker")[said:], what="the worker says so")
    client.replicaof("NO", "ONE")
    client.config_set("save", "")
    buy(stack, f"after {refusal}")
    granted(stack, f"after {refusal}")
    assert stack.processes["worker"].poll() is None
    assert stack.wallet(refusal) == []


def _fail_to_save(stack: Stack, client: Redis) -> None:
    """Take Redis' folder away from it, and have it save."""
    shutil.rmtree(stack.folder / "data")
    client.config_set("save", "3600 1000000")
    client.bgsave()
    wait_until(lambda: client.info()["rdb_last_bgsave_status"] == "err", what="Redis could not save")
