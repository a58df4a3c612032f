"""The embedded broker keeps a message until it is acknowledged, whoever dies."""

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.asynchronous import Hub
from kombu.message import Message

from tasks.embedded_broker.file import BrokerFile, QueueLimits
from tasks.embedded_broker.mandatory import QueueFull, Unroutable
from tests.integration.work_queue import DEAD_QUEUE, SHORT, WORK, embedded, publish, take, turn
from tests.stack import ROOT
from tests.waiting import PATIENCE, wait_until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "broker.sqlite3"


@pytest.fixture
def connect(path: Path) -> Iterator[Callable[[], Connection]]:
    with ExitStack() as connections:
        yield lambda: connections.enter_context(embedded(path))


def in_another_process(path: Path, role: str) -> subprocess.Popen[str]:
    """Start another process at the broker, in a role of `tests.programs.embedded_broker`."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.programs.embedded_broker", str(path), role],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as file:
        return int(file.execute("SELECT count(*) FROM messages").fetchone()[0])


def test_messages_come_in_order_and_are_gone_when_acknowledged(
    connect: Callable[[], Connection], path: Path
) -> None:
    connection = connect()
    publish(connection, *range(10))
    taken = take(connection, 10)
    assert [message.payload for message in taken] == list(range(10))
    assert rows(path) == 10
    for message in taken:
        message.ack()
    assert rows(path) == 0


def test_a_taken_message_is_nobody_elses(connect: Callable[[], Connection]) -> None:
    publish(connect(), "only")
    first = connect()
    assert take(first)
    assert take(connect(), seconds=0.3) == []


def test_a_closed_channel_gives_back_what_it_had(connect: Callable[[], Connection]) -> None:
    publish(connect(), "kept")
    first = connect()
    assert take(first)[0].delivery_info["redelivered"] is False
    first.release()
    (again,) = take(connect())
    assert again.payload == "kept"
    assert again.delivery_info["redelivered"] is True
    assert dict[str, object](again.headers) == {"x-delivery-count": 1}


@pytest.mark.parametrize("orphan", [False, True], ids=["alone", "with a child that lives on"])
def test_what_a_killed_process_had_comes_to_the_next(
    connect: Callable[[], Connection], path: Path, *, orphan: bool
) -> None:
    publish(connect(), "kept")
    owner = in_another_process(path, "fork_and_hold" if orphan else "hold")
    child = int(line(owner))
    try:
        assert take(connect(), seconds=0.3) == []
        owner.kill()
        owner.wait(timeout=PATIENCE)
        (again,) = take(connect())
        assert again.payload == "kept"
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
        end(owner)


def test_two_processes_share_500_messages_without_a_copy(
    connect: Callable[[], Connection], path: Path
) -> None:
    publish(connect(), *range(500))
    workers = [in_another_process(path, "share") for _ in range(2)]
    assert [line(worker) for worker in workers] == ["ready", "ready"]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    shares = [worker.communicate(timeout=PATIENCE)[0].split() for worker in workers]
    assert all(shares)
    assert sorted(map(int, itertools.chain(*shares))) == list(range(500))
    assert rows(path) == 0


def test_a_requeued_message_comes_again(connect: Callable[[], Connection]) -> None:
    connection = connect()
    publish(connection, "again")
    take(connection)[0].requeue()
    assert take(connect())[0].payload == "again"


def reason(letter: Any) -> str:
    """Return why a message died."""
    (death,) = letter.headers["x-death"]
    return str(death["reason"])


def test_a_rejected_message_goes_to_the_dead_letter_exchange(
    connect: Callable[[], Connection], path: Path
) -> None:
    connection = connect()
    DEAD_QUEUE(connection.default_channel).declare()
    publish(connection, "dead")
    take(connection)[0].reject()
    (letter,) = take(connect(), queue=DEAD_QUEUE)
    assert letter.payload == "dead"
    assert reason(letter) == "rejected"
    assert rows(path) == 1


def test_a_message_over_its_delivery_limit_is_a_dead_letter(connect: Callable[[], Connection]) -> None:
    connection = connect()
    DEAD_QUEUE(connection.default_channel).declare()
    publish(connection, "poison")
    for _ in range(4):
        take(connection)[0].requeue()
    assert take(connection, seconds=0.3) == []
    (letter,) = take(connect(), queue=DEAD_QUEUE)
    assert letter.payload == "poison"
    assert reason(letter) == "delivery_limit"


@pytest.mark.parametrize("kind", ["topic", "fanout"])
def test_other_processes_queues_get_their_copies(
    connect: Callable[[], Connection], path: Path, kind: str
) -> None:
    exchange = Exchange("news", type=kind)
    here = Queue("here", exchange, routing_key="task.#")
    here(connect().default_channel).declare()
    there = in_another_process(path, f"hear_{kind}")
    try:
        assert line(there) == "bound"
        with connect().channel() as channel:
            Producer(channel, exchange=exchange).publish("hello", routing_key="task.sent")
        assert line(there) == "hello"
        assert take(connect(), queue=here)[0].payload == "hello"
    finally:
        end(there)


def test_messages_for_a_monitor_that_died_do_not_pile_up(
    connect: Callable[[], Connection], path: Path
) -> None:
    monitor = Queue("monitor", Exchange("news", type="fanout"), expires=0.2, message_ttl=0.2)
    monitor(connect().default_channel).declare()
    publish(connect(), *range(10), queue=monitor, delivery_mode=1)

    def swept() -> bool:
        take(connect(), seconds=0.1)
        return rows(path) == 0

    wait_until(swept, what="the monitor's messages are gone")
    publish(connect(), *range(10), queue=Queue("other", monitor.exchange), delivery_mode=1)
    assert rows(path) == 10


def test_what_is_consumed_without_acknowledgement_is_gone(
    connect: Callable[[], Connection], path: Path
) -> None:
    publish(connect(), "heard")
    connection: Any = connect()
    heard: list[Message] = []
    with Consumer(connection.channel(), [WORK], on_message=heard.append, no_ack=True):
        wait_until(lambda: connection.transport.deliver_waiting() or heard, what="the message")
    assert [message.payload for message in heard] == ["heard"]
    assert rows(path) == 0


def test_an_event_that_nobody_listens_to_waits_for_no_lock(
    connect: Callable[[], Connection], path: Path
) -> None:
    with connect().channel() as channel, closing(sqlite3.connect(path)) as other:
        news = Exchange("news", type="fanout")
        Producer(channel, exchange=news).publish("unheard")
        other.execute("BEGIN IMMEDIATE")
        Producer(channel, exchange=news).publish("unheard")


def test_taking_looks_at_no_other_message_of_a_backlog(connect: Callable[[], Connection], path: Path) -> None:
    publish(connect(), "first")
    with closing(sqlite3.connect(path)) as file:
        plan = file.execute(
            "EXPLAIN QUERY PLAN "
            "SELECT id FROM messages WHERE queue = 'work' AND owner IS NULL ORDER BY id LIMIT 1"
        ).fetchall()
    assert "messages_ready" in str(plan)
    assert "TEMP B-TREE" not in str(plan)


def test_a_fork_has_an_owner_of_its_own(connect: Callable[[], Connection], path: Path) -> None:
    connection = connect()
    publish(connection, "parent's")
    (message,) = take(connection)
    child = os.fork()
    if not child:
        with embedded(path) as forked:
            os._exit(len(take(forked, seconds=1.5)))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    message.ack()
    assert rows(path) == 0


def test_a_file_that_cannot_be_written_is_an_error_for_the_publisher(
    connect: Callable[[], Connection], path: Path
) -> None:
    connection = connect()
    publish(connection, "one")
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(connection.connection_errors):
            publish(connection, "two")
    publish(connection, "three")
    assert rows(path) == 2


def test_a_persistent_message_is_flushed_to_the_disk(path: Path) -> None:
    file = BrokerFile(path)
    for durable, level in ((True, 2), (False, 1)):
        with file.transaction(durable=durable) as transaction:
            assert transaction.execute("PRAGMA synchronous").fetchone()[0] == level


def test_what_could_not_be_given_back_comes_to_the_next_all_the_same(
    connect: Callable[[], Connection], path: Path
) -> None:
    publish(connect(), "kept")
    first = connect()
    assert take(first)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        first.release()
    assert take(connect())[0].payload == "kept"


def test_a_file_that_can_be_written_again_is_written_again(path: Path) -> None:
    file = BrokerFile(path)
    file.declare("work", QueueLimits(None, None, None, None))
    with file.transaction() as transaction:
        # As when the file could only be opened for reading.
        transaction.execute("PRAGMA query_only=ON")
    with pytest.raises(sqlite3.OperationalError):
        file.put(["work"], "{}", durable=True)
    file.put(["work"], "{}", durable=True)
    assert rows(path) == 1


def test_a_worker_looks_at_once_after_a_task_and_leaves_its_loop_when_closed(
    connect: Callable[[], Connection], loop: Hub
) -> None:
    connection = connect()
    taken: list[Message] = []
    consumer = Consumer(connection.channel(), [WORK], on_message=taken.append, prefetch_count=1)
    consumer.consume()
    connection.register_with_event_loop(loop)
    connection.register_with_event_loop(loop)
    publish(connect(), "first", "second", "third")
    turn(loop, until=taken)
    taken[0].ack()
    loop.run_once()
    assert [message.payload for message in taken] == ["first", "second"]
    taken[1].ack()
    connection.close()
    loop.run_once()
    assert len(taken) == 2
    assert all(entry.canceled for _, _, entry in loop.timer.queue)


def test_what_is_delivered_is_there_when_the_pool_looks_for_it(
    connect: Callable[[], Connection], loop: Hub
) -> None:
    connection, ticks = connect(), cast("set[Any]", loop.on_tick)
    taken: list[Message] = []
    found: list[int] = []
    Consumer(connection.channel(), [WORK], on_message=taken.append).consume()
    connection.register_with_event_loop(loop)
    # Celery's pool begins to write to a child what it finds there, whichever place in the set it has.
    for place in range(20):
        ticks.add(partial(lambda _: found.append(len(taken)), place))
    publish(connect(), "first")
    turn(loop, until=taken)
    assert found[-20:] == [1] * 20


def test_a_worker_to_which_messages_come_looks_more_often(
    connect: Callable[[], Connection], loop: Hub
) -> None:
    connection = connect()
    taken: list[Message] = []
    Consumer(connection.channel(), [WORK], on_message=taken.append).consume()
    connection.register_with_event_loop(loop)

    def pause() -> float:
        """Return the seconds between two looks: the shortest, for the machine may be busy."""
        loop.run_once()
        pauses = []
        for _ in range(5):
            began = time.monotonic()
            loop.run_once()
            pauses.append(time.monotonic() - began)
        return min(pauses)

    idle = pause()
    publish(connect(), "first")
    turn(loop, until=taken)
    assert pause() < idle / 2


def test_a_worker_looks_into_a_file_that_another_process_has_changed(
    connect: Callable[[], Connection], path: Path
) -> None:
    transport: Any = connect().transport
    BrokerFile(path).declare("work", QueueLimits(None, None, None, None))
    assert transport.may_have_come()
    assert not transport.may_have_come()
    BrokerFile(path).put(["work"], "{}", durable=True)
    assert transport.may_have_come()
    # What this process has written does not show.
    wait_until(transport.may_have_come, what="it looks all the same")


def test_a_queue_with_a_window_of_its_own_takes_nothing_from_the_others(
    connect: Callable[[], Connection],
) -> None:
    connection = connect()
    publish(connection, *range(9))
    publish(connection, *"abcd", queue=SHORT)
    channel: Any = connection.channel()
    channel.qos.of_queues["work"] = 5
    taken: list[Message] = []
    Consumer(channel, [WORK, SHORT], on_message=taken.append, prefetch_count=2).consume()
    transport: Any = connection.transport

    def come() -> set[Any]:
        transport.deliver_waiting()
        bodies = {message.payload for message in taken}
        taken.clear()
        return bodies

    transport.deliver_waiting()
    first = {message.payload: message for message in taken}
    taken.clear()
    assert first.keys() == {0, 1, 2, 3, 4, "a", "b"}
    first[0].ack()
    first[1].reject()
    assert come() == {5, 6}
    first["a"].requeue()
    assert come() == {"a"}
    first["b"].ack()
    first[2].requeue()
    assert come() == {2, "c"}


def test_what_no_queue_takes_is_an_error_and_the_queue_is_declared_anew(
    connect: Callable[..., Connection],
) -> None:
    connection = connect()
    publish(connection, "first", mandatory=True)
    WORK(connection.default_channel).delete()
    with pytest.raises(Unroutable):
        publish(connection, "second", mandatory=True)
    publish(connection, "third", mandatory=True)
    taken = WORK(connection.default_channel).get()
    assert taken
    assert taken.payload == "third"


def test_a_queue_takes_no_more_than_it_may_hold(connect: Callable[..., Connection]) -> None:
    connection = connect()
    publish(connection, 1, 2, queue=SHORT, mandatory=True)
    with pytest.raises(QueueFull):
        publish(connection, 3, queue=SHORT, mandatory=True)
    publish(connection, "elsewhere", mandatory=True)
    assert SHORT(connection.default_channel).get(no_ack=True)
    publish(connection, 4, queue=SHORT, mandatory=True)
    taken = [SHORT(connection.default_channel).get(no_ack=True) for _ in range(3)]
    assert [message and message.payload for message in taken] == [2, 4, None]


def test_who_asks_for_a_queue_hears_how_many_live_consumers_read_it(
    path: Path, connect: Callable[[], Connection]
) -> None:
    asking = connect()

    def readers() -> int:
        declared: Any = WORK(asking.default_channel).queue_declare(passive=True)
        return int(declared.consumer_count)

    publish(asking, "first", "second")
    assert readers() == 0
    with Consumer(connect().channel(), [WORK]), Consumer(connect().channel(), [WORK]) as second:
        assert readers() == 2
        second.cancel()
        assert readers() == 1
    assert readers() == 0
    channel: Any = connect().channel()
    Consumer(channel, [WORK]).consume()
    other = in_another_process(path, "read")
    try:
        assert line(other) == "reads"
        assert readers() == 2
    finally:
        end(other)
    assert readers() == 1
    channel.close()
    assert readers() == 0


def test_who_only_asks_for_a_queue_leaves_it_as_it_is(path: Path, connect: Callable[[], Connection]) -> None:
    channel: Any = connect().default_channel
    WORK(channel).declare()
    with closing(sqlite3.connect(path)) as file:
        before = file.execute("SELECT * FROM queues").fetchall()
        channel.queue_declare(queue="work", passive=True)
        assert file.execute("SELECT * FROM queues").fetchall() == before
