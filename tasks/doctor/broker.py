"""The broker, as a look without consuming shows it: its queues, and the workers that answer through it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from celery import Celery
from kombu import Connection, Queue

from celeryconfig import (
    BROKER_PREFIX,
    CONFIRM_TIMEOUT,
    QUEUES,
    WORKERS_QUEUES,
    broker_transport_options,
    dead_queue,
    task_queues,
)
from tasks.doctor import verdicts
from tasks.doctor.finding import Finding, Level

#: Seconds in which workers answer; the second time counts where one is busy.
_PATIENCE = (1.5, 4.0)
_DEAD_LETTERS = "dead-letters"
#: RabbitMQ says so to whoever has published.
_BLOCKED = Finding(
    check="workers",
    level=Level.FAULT,
    seen="they cannot be asked: RabbitMQ takes no message, for its memory or its disk is short",
    next_step="Give it room, `rabbitmqctl status` names the alarm; until then the receiver answers 503.",
)
_CHECKS = ("workers", "dead-letter exchange", "queue")


class _Blocked(Exception):
    """RabbitMQ takes no message from whoever publishes."""


def examine(*, is_anybody_told: bool) -> Iterator[Finding]:
    """Look at the broker that `celeryconfig` names; `is_anybody_told` where servers are told of changes."""
    # Without the merchant's modules: what they do when they are imported shall not be done here.
    app = Celery(
        "doctor",
        config_source="celeryconfig",
        control="tasks.worker.monitoring:Control",
        set_as_current=False,
    )
    with _connection(app) as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=int(CONFIRM_TIMEOUT))
            product = _product(connection)
        except Exception as error:  # noqa: BLE001  # whatever keeps it away, that is what is to be told
            yield _unreachable(connection, error)
            for check in _CHECKS:
                yield Finding(check=check, level=Level.UNKNOWN, seen="the broker cannot be reached")
            return
        yield Finding(check="broker", seen=f"{product} at {_address(connection)}")
        looks = _looks(app, connection, is_anybody_told=is_anybody_told)
        for (check, subject), look in looks.items():
            try:
                yield look()
            except Exception as error:  # noqa: BLE001  # a queue that has lost its leader hides no other
                yield _silent(check, subject, error)


def _connection(app: Celery) -> Connection:
    """Return a connection that ends, with _Blocked, when RabbitMQ blocks it."""

    def hang_up(reason: str) -> None:
        # RabbitMQ would leave every further word unanswered.
        connection.connection.collect()
        raise _Blocked(reason)

    connection = app.connection_for_write(transport_options={"on_blocked": hang_up})
    return connection


def _looks(
    app: Celery, connection: Connection, *, is_anybody_told: bool
) -> Mapping[tuple[str, str | None], Callable[[], Finding]]:
    workers: dict[str, Sequence[str]] = {}

    def ask_workers() -> Finding:
        try:
            workers.update(_workers(app, connection))
        except _Blocked:
            return _BLOCKED
        return verdicts.on_workers([f"{each} ({', '.join(read)})" for each, read in sorted(workers.items())])

    looks: dict[tuple[str, str | None], Callable[[], Finding]] = {}
    is_rabbitmq = connection.transport.driver_type == "amqp"
    if is_rabbitmq:
        looks["dead-letter exchange", None] = partial(_exchange, connection)
    else:
        # Who reads a queue is what the workers say.
        looks["workers", None] = ask_workers
    for name, queue in zip((*QUEUES, _DEAD_LETTERS), (*task_queues, dead_queue), strict=True):
        is_read = name in WORKERS_QUEUES or (name == "notifications" and is_anybody_told)
        looks["queue", name] = partial(_queue, connection, name, queue, workers, is_read=is_read)
    if is_rabbitmq:
        # Last, for a question is a message, and whoever publishes may be blocked from then on.
        looks["workers", None] = ask_workers
    return looks


def _unreachable(connection: Connection, error: BaseException) -> Finding:
    return Finding(
        check="broker",
        level=Level.FAULT,
        seen=f"{_address(connection)} cannot be reached: {_reason(error)}",
        next_step="Start it, or set BROKER_URL to the one that runs; until then the receiver answers 503.",
    )


def _silent(check: str, subject: str | None, error: BaseException) -> Finding:
    return Finding(
        check=check,
        subject=subject,
        level=Level.FAULT,
        seen=f"the broker does not tell: {_reason(error)}",
        next_step="Mend what the broker says.",
    )


def _address(connection: Connection) -> str:
    if connection.transport_cls == "embedded":
        return str(broker_transport_options["path"])
    # Its password is masked; what follows names files.
    return str(connection.as_uri()).partition("?")[0]


def _product(connection: Connection) -> str:
    driver = connection.transport.driver_type
    if driver == "amqp":
        said: Mapping[str, Any] = connection.connection.server_properties
        return f"{said.get('product', 'AMQP')} {said.get('version', '')}".rstrip()
    if driver == "redis":
        channel: Any = connection.default_channel
        return f"Redis {channel.client.info('server')['redis_version']}"
    return f"embedded, on SQLite {connection.transport.driver_version()}"


def _workers(app: Celery, connection: Connection) -> Mapping[str, Sequence[str]]:
    """Return which queues each worker reads that answers, without `BROKER_PREFIX`."""
    for seconds in _PATIENCE:
        found = app.control.inspect(timeout=seconds, connection=connection).active_queues()
        if found:
            names = {queue.name: name for name, queue in zip(QUEUES, task_queues, strict=True)}
            return {
                worker: [names.get(each["name"], each["name"]) for each in read]
                for worker, read in found.items()
            }
    return {}


def _exchange(connection: Connection) -> Finding:
    """Tell whether dead letters have a way to go."""
    check, exchange = "dead-letter exchange", dead_queue.exchange
    with connection.channel() as channel:
        try:
            exchange(channel).declare(passive=True)
        except connection.channel_errors as error:
            return _misses(check, None, exchange.name, error)
    return Finding(check=check, seen=f"{exchange.name} is there")


def _queue(
    connection: Connection,
    name: str,
    queue: Queue,
    workers: Mapping[str, Sequence[str]],
    *,
    is_read: bool,
) -> Finding:
    # RabbitMQ closes a channel that asks for what is not there.
    with connection.channel() as channel:
        bound, driver = queue(channel), connection.transport.driver_type
        try:
            # On Redis a queue without messages is no key, and to declare one does nothing.
            found: Any = bound.queue_declare(passive=driver != "redis")
        except connection.channel_errors as error:
            return _misses("queue", name, queue.name, error)
        if driver == "amqp":
            try:
                # It is there, so this only compares its arguments, the dead-letter exchange among them.
                bound.queue_declare()
            except connection.channel_errors as error:
                return _differs(name, queue, error)
    if name == _DEAD_LETTERS:
        return verdicts.on_dead_queue(name, found.message_count)
    # Other brokers do not know who reads; the workers do.
    reading = found.consumer_count or sum(name in read for read in workers.values())
    return verdicts.on_queue(name, found.message_count, reading, is_read=is_read)


def _misses(check: str, subject: str | None, name: str, error: BaseException) -> Finding:
    return Finding(
        check=check,
        subject=subject,
        level=Level.FAULT,
        seen=f"{name} cannot be used: {_reason(error)}",
        next_step="Start the process worker anew: it makes what is missing.",
    )


def _differs(name: str, queue: Queue, error: BaseException) -> Finding:
    return Finding(
        check="queue",
        subject=name,
        level=Level.FAULT,
        seen=f"somebody else has declared it with other arguments: {_reason(error)}",
        next_step=f"Let its messages be handled or move them, delete the queue {queue.name}, and start the "
        "process worker anew, which makes it with its dead-letter exchange"
        + ("." if BROKER_PREFIX else "; where another application uses it, set BROKER_PREFIX."),
    )


def _reason(error: BaseException) -> str:
    text = getattr(error, "reply_text", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).rstrip(".")
