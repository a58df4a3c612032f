"""What becomes of messages while another process holds the embedded broker's file for seconds."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import cast

import pytest
from kombu import Connection, Consumer
from kombu.message import Message

from tasks.embedded_broker.file import open_file
from tasks.embedded_broker.transport import Channel, Transport
from tests.integration.work_queue import WORK, embedded, publish, take


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "broker.sqlite3"


@pytest.fixture
def connect(path: Path) -> Iterator[Callable[[], Connection]]:
    with ExitStack() as connections:
        yield lambda: connections.enter_context(embedded(path))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def consume(connection: Connection) -> list[Message]:
    """Consume from the queue; return the list that messages are put into."""
    came: list[Message] = []
    consumer = Consumer(connection.channel(), [WORK], on_message=came.append, prefetch_count=1)
    consumer.consume()
    connection.drain_events(timeout=1)
    return came


@pytest.mark.parametrize("answer", ["ack", "reject", "requeue"])
def test_an_answer_on_a_lost_connection_is_no_error(connect: Callable[[], Connection], answer: str) -> None:
    publish(connect(), "work")
    connection = connect()
    (message,) = consume(connection)
    connection.close()
    getattr(message, answer)()
    assert [each.payload for each in take(connect())] == ["work"]


def test_a_connection_that_cannot_be_closed_in_order_gives_back_what_it_had(
    connect: Callable[[], Connection], path: Path
) -> None:
    publish(connect(), "work")
    connection = connect()
    assert consume(connection)
    with locked(path), suppress(sqlite3.OperationalError):
        connection.close()
    assert [each.payload for each in take(connect())] == ["work"]


@pytest.mark.parametrize("answer", ["ack", "reject", "requeue"])
def test_an_answer_that_cannot_be_written_loses_the_connection(
    connect: Callable[[], Connection], path: Path, answer: str
) -> None:
    publish(connect(), "work", "more")
    connection = connect()
    (message,) = consume(connection)
    with locked(path), pytest.raises(sqlite3.OperationalError):
        getattr(message, answer)()
    # Otherwise the message and its place in the window would be taken for good.
    with pytest.raises(sqlite3.OperationalError):
        cast("Transport", connection.transport).may_have_come()
    connection.close()
    assert sorted(each.payload for each in take(connect(), 2)) == ["more", "work"]


def test_no_owner_outlives_its_channel(connect: Callable[[], Connection], path: Path) -> None:
    publish(connect(), "work")
    connection = connect()
    before = len(open_file(path).owners._own)  # noqa: SLF001  # nothing else tells
    for _ in range(3):
        channel = cast("Channel", connection.channel())
        Consumer(channel, [WORK], on_message=print).consume()
        channel.close()
    assert len(open_file(path).owners._own) == before  # noqa: SLF001  # as above
