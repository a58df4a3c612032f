"""On Redis a message is noted as unacknowledged in the same step in which it is taken."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kombu import Connection, Consumer, Exchange, Queue
from kombu.asynchronous import Hub
from kombu.exceptions import OperationalError
from kombu.transport import redis as kombu_redis
from redis import Redis
from redis.exceptions import ReadOnlyError

from celeryconfig import DELIVERY_LIMIT, dead_queue, task_queues
from tasks.embedded_broker.mandatory import QueueFull, Unroutable
from tasks.transports.redis import RedisChannel, RedisTransport
from tests.integration.work_queue import SHORT, TOPIC, WORK, publish, turn
from tests.services import Server, free_port, redis

OTHER = Queue("other", TOPIC, routing_key="other")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Redis]:
    with Redis(port=server.port) as client:
        yield client
        client.config_set("maxmemory", 0)
        client.flushall()


@pytest.fixture
def connect(server: Server, client: Redis) -> Iterator[Callable[..., Connection]]:
    assert client.ping()
    connections = []

    def new(transport: Any = RedisTransport, **options: Any) -> Connection:
        url = f"redis://127.0.0.1:{server.port}/0"
        connections.append(Connection(url, transport=transport, transport_options=options))
        return connections[-1]

    yield new
    for connection in connections:
        connection.release()


class Taking:
    """A consumer that leaves what it takes unacknowledged."""

    def __init__(
        self, connection: Connection, *queues: Queue, prefetch: int = 100, no_ack: bool = False
    ) -> None:
        self.taken: list[Any] = []
        self.connection = connection
        self.consumer = Consumer(
            connection.channel(),
            queues or [WORK],
            on_message=self.taken.append,
            prefetch_count=prefetch,
            no_ack=no_ack,
        )
        self.consumer.consume()

    def all(self, seconds: float = 0.3) -> list[Any]:
        """Return what comes until no more does for a while."""
        try:
            while True:
                self.connection.drain_events(timeout=seconds)
        except TimeoutError:
            return self.taken


def held(client: Any) -> dict[str, Any]:
    """Return what is noted as unacknowledged, by tag; the index must name the same."""
    found = {tag.decode(): json.loads(value) for tag, value in client.hgetall("unacked").items()}
    assert {tag.decode() for tag in client.zrange("unacked_index", 0, -1)} == found.keys()
    return found


def let_the_visibility_timeout_pass(client: Any) -> None:
    for tag in client.zrange("unacked_index", 0, -1):
        client.zadd("unacked_index", {tag: 0})


def test_what_is_taken_is_noted_as_kombu_would(connect: Callable[..., Connection], client: Redis) -> None:
    notes = []
    for transport in (kombu_redis.Transport, RedisTransport):
        publish(connect(transport), {"price": 500, "text": "é\u2028\x00"})
        # kombu's own waits a second at a time.
        (message,) = Taking(connect(transport)).all(seconds=2)
        (note,) = held(client).values()
        assert client.zscore("unacked_index", str(message.delivery_tag)) == pytest.approx(time.time(), abs=5)
        note[0]["properties"].pop("delivery_tag")
        notes.append(note)
        message.ack()
        assert held(client) == {}
    assert notes[0] == notes[1]


def test_what_a_dead_worker_had_comes_again(connect: Callable[..., Connection], client: Redis) -> None:
    publish(connect(), "kept")
    assert Taking(connect()).all()
    let_the_visibility_timeout_pass(client)
    next_one = Taking(connect(unacked_restore_throttle=1))
    next_one.all()
    (again,) = next_one.all()
    assert again.payload == "kept"
    assert again.delivery_info["redelivered"] is True
    assert again.headers["x-delivery-count"] == 1


def test_one_that_comes_back_too_often_is_dead(connect: Callable[..., Connection], client: Redis) -> None:
    publish(connect(), "poison")
    taking = Taking(connect(), prefetch=1)
    for _ in range(DELIVERY_LIMIT + 1):
        taking.connection.drain_events(timeout=1)
        taking.taken.pop().requeue()
    assert taking.all() == []
    (letter,) = Taking(connect(), dead_queue).all()
    assert letter.payload == "poison"
    assert letter.headers["x-death"][0]["reason"] == "delivery_limit"
    assert client.llen("work") == 0


@pytest.mark.parametrize("is_given_back", [True, False])
def test_a_dead_message_stays_dead_for_who_has_declared_nothing(
    connect: Callable[..., Connection], client: Redis, *, is_given_back: bool
) -> None:
    events = task_queues[0]
    publish(connect(), "dead", queue=events)
    (message,) = Taking(connect(), events).all()
    message.reject()
    looking = connect()
    found = dead_queue(looking.channel()).get()
    assert found
    if is_given_back:
        found.requeue()
    looking.release()
    assert (client.llen(events.name), client.llen(dead_queue.name)) == (0, 1)


def test_queues_take_turns_and_the_prefetch_limit_holds(
    connect: Callable[..., Connection], client: Redis
) -> None:
    publish(connect(), *["work"] * 20)
    publish(connect(), *["other"] * 20, queue=OTHER)
    taken = Taking(connect(), WORK, OTHER, prefetch=10).all()
    assert [message.payload for message in taken[::2]] == [taken[0].payload] * 5
    assert [message.payload for message in taken[1::2]] == [taken[1].payload] * 5
    assert len(held(client)) == len({message.payload for message in taken}) * 5 == 10


def test_two_workers_share_without_a_copy(connect: Callable[..., Connection], client: Redis) -> None:
    publish(connect(), *range(60))
    one, other = Taking(connect(), prefetch=20), Taking(connect(), prefetch=60)
    one.all()
    other.all()
    assert sorted(message.payload for message in one.taken + other.taken) == list(range(60))
    assert len(held(client)) == 60


def test_what_needs_no_acknowledgement_is_gone(connect: Callable[..., Connection], client: Redis) -> None:
    publish(connect(), "first", "second")
    connection = connect()
    message = WORK(connection.default_channel).get(no_ack=True)
    assert message
    assert message.payload == "first"
    assert [each.payload for each in Taking(connect(), no_ack=True).all()] == ["second"]
    assert held(client) == {}


def test_a_redis_without_memory_takes_part_in_everything_but_publishing(
    connect: Callable[..., Connection], client: Redis
) -> None:
    connection = connect()
    dead_queue(connection.default_channel).declare()
    publish(connection, "rejected", "requeued", "acknowledged", "restored")
    client.config_set("maxmemory", 1)
    taking = Taking(connect())
    for queue in (WORK, dead_queue):
        queue(taking.connection.default_channel).declare()
    rejected, requeued, acknowledged, _ = taking.all()
    acknowledged.ack()
    rejected.reject()
    requeued.requeue()
    client.config_set("maxmemory", 0)
    let_the_visibility_timeout_pass(client)
    client.config_set("maxmemory", 1)
    again = Taking(connect(unacked_restore_throttle=1))
    again.all()
    assert {message.payload for message in taking.all()[4:] + again.all()} == {"requeued", "restored"}
    assert client.llen(dead_queue.name) == 1
    with pytest.raises(connection.connection_errors):
        publish(connection, "new")
    client.config_set("maxmemory", 0)
    publish(connection, "new")
    assert {message.payload for message in taking.all()[4:] + again.all()} == {"requeued", "restored", "new"}


def test_keys_may_have_a_prefix(connect: Callable[..., Connection], client: Redis) -> None:
    connection = connect(global_keyprefix="shop-")
    publish(connection, "prefixed", "other")
    first, other = Taking(connection).all()
    first.reject()
    other.ack()
    assert client.llen(f"shop-{dead_queue.name}") == 1
    assert client.hlen("shop-unacked") == client.zcard("shop-unacked_index") == 0


@pytest.mark.parametrize(
    "item",
    [
        b"\xff\x00 garbage",
        b"{}",
        b"[1]",
        b'{"properties": {"delivery_tag": "t", "delivery_info": {}}}',
        b'{"properties": {"delivery_tag": "t", "delivery_info": {"exchange": "", "routing_key": "work"}}}',
        b'{"properties": {"delivery_tag": "t", "delivery_info": {"exchange": "x", "routing_key": "none"}}}',
        b'{"x":0x1,"properties": {"delivery_tag": "t", "delivery_info": {"exchange":"", "routing_key": ""}}}',
    ],
)
def test_what_is_no_message_of_kombus_can_be_refused(
    connect: Callable[..., Connection], client: Redis, item: bytes
) -> None:
    client.lpush("work", item)
    (message,) = Taking(connect()).all()
    message.requeue()
    for again in Taking(connect()).all():
        again.reject()
    assert client.llen(dead_queue.name) == 1
    assert held(client) == {}
    assert client.llen("work") == 0


def test_a_worker_looks_at_once_after_a_task_and_leaves_its_loop_when_closed(
    connect: Callable[..., Connection], loop: Hub
) -> None:
    connection = connect()
    taking = Taking(connection, prefetch=1)
    connection.register_with_event_loop(loop)
    connection.register_with_event_loop(loop)
    publish(connect(), "first", "second")
    publish(connect(), "third")
    turn(loop, until=taking.taken)
    taking.taken[0].ack()
    loop.run_once()
    assert [message.payload for message in taking.taken] == ["first", "second"]
    taking.taken[1].ack()
    connection.close()
    loop.run_once()
    assert len(taking.taken) == 2


def test_what_no_queue_takes_is_an_error_and_the_queue_is_declared_anew(
    connect: Callable[..., Connection], client: Redis
) -> None:
    connection = connect()
    publish(connection, "first", mandatory=True)
    client.flushall()
    with pytest.raises(Unroutable):
        publish(connection, "second", mandatory=True)
    publish(connection, "third", mandatory=True)
    taken = WORK(connection.default_channel).get()
    assert taken
    assert taken.payload == "third"


def test_a_queue_takes_no_more_than_it_may_hold(connect: Callable[..., Connection], client: Redis) -> None:
    connection = connect()
    publish(connection, 1, 2, queue=SHORT, mandatory=True)
    with pytest.raises(QueueFull):
        publish(connection, 3, queue=SHORT, mandatory=True)
    assert client.llen("short") == 2
    publish(connection, "elsewhere", mandatory=True)
    assert SHORT(connection.default_channel).get(no_ack=True)
    publish(connection, 4, queue=SHORT, mandatory=True)
    taken = [SHORT(connection.default_channel).get(no_ack=True) for _ in range(3)]
    assert [message and message.payload for message in taken] == [2, 4, None]


def test_who_takes_a_rejected_message_at_once_holds_it(
    connect: Callable[..., Connection], client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(connect(), "rejected")
    (message,) = Taking(connect()).all()
    reader = dead_queue(connect().default_channel)
    move = RedisChannel._move  # noqa: SLF001  # the moment between its two steps

    def move_and_be_read(channel: RedisChannel, *arguments: Any) -> None:
        move(channel, *arguments)
        assert reader.get()

    monkeypatch.setattr(RedisChannel, "_move", move_and_be_read)
    message.reject()
    monkeypatch.undo()
    assert len(held(client)) == 1


def test_all_channels_share_a_connection_and_speak_to_the_same_topics(
    connect: Callable[..., Connection], client: Redis
) -> None:
    connection = connect()
    before = len(client.client_list())
    channels: list[Any] = [connection.channel() for _ in range(3)]
    assert len(client.client_list()) == before + 1
    assert {each.keyprefix_fanout for each in channels} == {"/0."}


def test_a_queue_of_a_connections_own_leaves_no_binding(
    connect: Callable[..., Connection], client: Redis
) -> None:
    connection = connect()
    everybody = Exchange("everybody", type="fanout")
    own = Queue("own", everybody, auto_delete=True)
    consumer = Consumer(connection.channel(), [own], on_message=print)
    consumer.consume()
    assert client.smembers("_kombu.binding.everybody")
    connection.release()
    assert not client.smembers("_kombu.binding.everybody")


def test_a_redis_that_takes_no_writes_is_not_reached(
    connect: Callable[..., Connection], client: Redis
) -> None:
    client.set("writable", "a cache's")
    client.replicaof("127.0.0.1", free_port())
    try:
        with pytest.raises((ReadOnlyError, OperationalError), match="read only replica"):
            connect().ensure_connection(max_retries=1, interval_start=0)
    finally:
        client.replicaof("NO", "ONE")
    connect().ensure_connection(max_retries=1)
    assert client.get("writable") == b"a cache's"
