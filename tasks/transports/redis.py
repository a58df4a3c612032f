"""The transport of `redis://` and `rediss://`: kombu's, with what it lacks to keep a promise.

kombu takes a message out of Redis first and notes it there as unacknowledged afterwards: one that reaches a
worker which is killed in between is gone. A Redis without memory refuses the note, and any transaction, too.
Here one script takes and notes, another acknowledges, gives back and buries. kombu's keys and format stay.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property, partial
from queue import Empty
from typing import Any

from kombu.transport import redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
from redis.exceptions import OutOfMemoryError, ResponseError

from celeryconfig import DELIVERY_LIMIT, dead_queue, task_queues
from tasks.embedded_broker.mandatory import Mandatory
from tasks.embedded_broker.no_ack import NoAck
from tasks.embedded_broker.polling import INTERVAL, PolledChannel, Polling
from tasks.transports.redis_scripts import MOVE, TAKE

_QUEUES = {queue.name for queue in task_queues}


class RedisQoS(redis.QoS):
    """What a channel holds; Redis has noted it when it was taken."""

    # Unknown to the stubs, as below.
    channel: Any
    _vrestore_count: int

    def append(self, message: Any, delivery_tag: str) -> None:
        """Count a message that was delivered."""
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Forget a message."""
        self.channel.forget(delivery_tag)
        virtual.QoS.ack(self, delivery_tag)

    def restore_visible(self, start: int = 0, num: int | None = 10, interval: int = 10) -> None:  # noqa: ARG002  # kombu's signature
        """Give back, at every `interval`th call, what was held for too long.

        kombu's takes a lock first, which a Redis without memory cannot grant; the script needs none.
        """
        self._vrestore_count += 1
        if (self._vrestore_count - 1) % (interval or 1):
            return
        with self.channel.conn_or_acquire() as client:
            held_since = (0, time.time() - self.visibility_timeout)
            for tag in client.zrange(self.unacked_index_key, *held_since, byscore=True):
                self.restore_by_tag(bytes_to_str(tag), client)

    def restore_by_tag(self, tag: str, client: Any = None, leftmost: bool = False) -> None:  # noqa: FBT001, FBT002  # kombu's signature
        """Give a message back to its queue, if it is still held."""
        with self.channel.conn_or_acquire(client) as connection:
            held = connection.hget(self.unacked_key, tag)
        if held:
            self.channel.give_back(tag, bytes_to_str(held), "LPUSH" if leftmost else "RPUSH")


class RedisChannel(Mandatory, NoAck, PolledChannel, redis.Channel):
    """kombu's, with a dead-letter queue and a delivery limit, of which Redis has neither."""

    QoS = RedisQoS
    qos: RedisQoS
    connection: "RedisTransport"
    _expires: dict[str, int]
    _fanout_queues: dict[str, Any]
    _q_for_pri: Callable[[str, int], str]
    _queue_cycle: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._client: Any = None
        super().__init__(*arguments, **options)
        # kombu does so where a channel makes its pool, which but one of ours does.
        self.keyprefix_fanout = self.keyprefix_fanout.format(db=self.pool.connection_kwargs["db"])

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        try:
            super()._queue_bind(exchange, routing_key, pattern, queue)  # type: ignore[misc]  # unknown to the stubs
        except OutOfMemoryError:
            # A worker must be able to start, or nobody empties the queues that have filled Redis.
            temporary = queue in self._fanout_queues or queue in self._expires
            if not temporary and (routing_key, pattern or "", queue) not in self.get_table(exchange):
                raise

    @property
    def pool(self) -> Any:
        """The connection of every command: one for all channels, since one thread uses them in turn."""
        if self.connection.pool is None:
            self.connection.pool = self._get_pool()  # type: ignore[attr-defined]  # unknown to the stubs
        return self.connection.pool

    @cached_property
    def client(self) -> Any:
        """What kombu greets Redis with; it would open a connection of its own, which then idles."""
        return self._create_client()

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002  # kombu's signature
        # To make one takes longer than to use it, and a look is fifty times a second.
        if asynchronous or self._client is None or self._client.connection_pool is not self.pool:
            client = super()._create_client(asynchronous)  # type: ignore[misc]  # unknown to the stubs
            # A Redis without memory refuses transactions; what is left of kombu's needs none.
            client.pipeline = partial(client.pipeline, transaction=False)
            if asynchronous:
                return client
            self._client = client
        return self._client

    # -------------------------------------------------------------- taking

    def deliver_next(self) -> bool:
        """Deliver a message from the queues in turn, if there is one and the consumer may have it."""
        if not self.active_queues or not self.qos.can_consume():
            return False
        taken = self._take(self._queue_cycle.consume(len(self.active_queues)))
        if taken is None:
            return False
        queue, message = taken
        self._queue_cycle.rotate(queue)
        self.connection._deliver(message, queue)  # noqa: SLF001  # how kombu's own channels deliver
        return True

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:  # noqa: ARG002  # kombu's signature
        taken = self._take([queue])
        if taken is None:
            raise Empty
        return taken[1]

    def _take(self, queues: Sequence[str]) -> tuple[str, dict[str, Any]] | None:
        keys = [self._q_for_pri(queue, step) for step in self.priority_steps for queue in queues]
        found = self._run(TAKE, keys, [time.time(), len(self.global_keyprefix)])
        if found is None:
            return None
        place, text, tag = found[0], bytes_to_str(found[1]), bytes_to_str(found[2])
        queue = queues[place % len(queues)]
        self.forget_unless_acknowledged(queue, tag)
        try:
            content = loads(text)
        except ValueError:
            content = text
        return queue, _message(content, tag, queue)

    # -------------------------------------------------------------- giving back

    def forget(self, tag: str) -> None:
        """Drop a held message."""
        self._run(MOVE, [], [tag])

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002  # kombu's signature
        """Give the message back, or move it to the dead queue."""
        if requeue:
            self.qos.restore_by_tag(delivery_tag, leftmost=True)
        else:
            rejected = self.qos.get(delivery_tag)
            message = rejected.serializable()
            message["headers"] = dict(message["headers"])
            message["properties"] = dict(message["properties"])
            _die(message, rejected.delivery_info["routing_key"], "rejected")
            self._move(delivery_tag, message, [dead_queue.name], "LPUSH")
        # Not in Redis: under the same tag somebody else may hold it by now.
        virtual.QoS.ack(self.qos, delivery_tag)
        self.connection.look_soon()

    def give_back(self, tag: str, held: str, command: str) -> None:
        """Give a held message back to its queue, or to the dead queue once it has come back too often."""
        try:
            content, exchange, routing_key = loads(held)
        except ValueError:
            # Lua reads a little more than JSON.
            content, exchange, routing_key = held, "", dead_queue.name
        message = _message(content, tag, routing_key)
        headers = message["headers"]
        headers["redelivered"] = message["properties"]["delivery_info"]["redelivered"] = True
        headers["x-delivery-count"] = headers.get("x-delivery-count", 0) + 1
        is_dead = exchange == dead_queue.exchange.name
        queues = [dead_queue.name] if is_dead else list(self._lookup(exchange, routing_key))
        if not queues and routing_key in _QUEUES:
            # The binding is gone, as when Redis is told to evict keys.
            queues = [routing_key]
        is_worn = headers["x-delivery-count"] > DELIVERY_LIMIT and not is_dead
        if is_worn or not queues:
            _die(message, routing_key, "delivery_limit" if is_worn else "unroutable")
            # By the queue's name: this process need not have declared the exchange.
            queues = [dead_queue.name]
        self._move(tag, message, queues, command)

    def _move(self, tag: str, message: dict[str, Any], queues: Sequence[str], command: str) -> None:
        priority = self._get_message_priority(message, reverse=False)
        keys = [self._q_for_pri(queue, priority) for queue in queues]
        self._run(MOVE, keys, [tag, dumps(message), command])

    def _run(self, script: str, queues: Sequence[str], arguments: Sequence[Any]) -> Any:
        prefix = self.global_keyprefix
        # kombu's client prefixes the first key by itself.
        keys = [self.unacked_key, prefix + self.unacked_index_key, *(prefix + queue for queue in queues)]
        with self.conn_or_acquire() as client:
            return client.register_script(script)(keys=keys, args=arguments)


def _message(content: Any, tag: str, queue: str) -> dict[str, Any]:
    """Return a message of kombu's; what is none becomes the body of one, for the worker to refuse."""
    with suppress(KeyError, TypeError):
        if content["properties"]["delivery_tag"] == tag and isinstance(content["headers"], dict):
            return dict(content)
    return {
        "body": content if isinstance(content, str) else dumps(content),
        "headers": {},
        "content-type": "application/data",
        "content-encoding": "binary",
        "properties": {"delivery_tag": tag, "delivery_info": {"exchange": "", "routing_key": queue}},
    }


def _die(message: dict[str, Any], queue: str, reason: str) -> None:
    """Note on a message why it goes to the dead queue."""
    message["headers"]["x-death"] = [{"queue": queue, "reason": reason, "time": time.time()}]
    # Where kombu gives it back to when a reader of the dead queue lets go of it.
    message["properties"]["delivery_info"] = {"exchange": dead_queue.exchange.name, "routing_key": queue}


class _Poller(redis.MultiChannelPoller):
    """Waits for what is published to everybody; queues are looked at."""

    _channels: set[RedisChannel]

    def _register_BRPOP(self, channel: RedisChannel) -> None:  # noqa: N802  # kombu's name
        """Let no queue's message come unasked."""

    def deliver_next(self) -> bool:
        """Deliver a message to each channel; tell whether there was one."""
        return sum(channel.deliver_next() for channel in tuple(self._channels)) > 0

    def get(self, callback: Any, timeout: float | None = None) -> None:
        """Deliver a message, waiting for one as long as between two looks. Raises Empty."""
        if not self.deliver_next():
            super().get(callback, min(timeout or INTERVAL, INTERVAL))


class RedisTransport(Polling, redis.Transport):
    """The transport of `redis://` and `rediss://`."""

    Channel = RedisChannel
    cycle: _Poller
    _avail_channels: list[RedisChannel]
    # A Redis that refuses (it has no memory, is read-only after a fail-over, cannot write to its disk) is
    # waited for as one that is away: kombu blames whoever asked, and the worker would end.
    connection_errors = (*redis.Transport.connection_errors, ResponseError)

    def __init__(self, client: Any, **options: Any) -> None:
        super().__init__(client, **options)
        self.cycle = _Poller()
        self.pool: Any = None

    def establish_connection(self) -> Any:
        """Connect to a Redis that takes writes. Raises what it refuses them with."""
        super().establish_connection()
        try:
            # One without memory takes this; a worker must be able to start there, and to make room.
            self._avail_channels[-1].client.delete("_coinflow.writable")
        except Exception:
            self.close_connection(self)
            raise
        return self

    def close_connection(self, connection: Any) -> None:
        """Close every channel, and the connection that they shared."""
        super().close_connection(connection)
        if self.pool is not None:
            self.pool.disconnect()

    def deliver_waiting(self) -> bool:
        """Deliver what waits, as far as the consumers may take it; tell whether there was anything."""
        has_come = False
        while self.cycle.deliver_next():
            has_come = True
        return has_come
