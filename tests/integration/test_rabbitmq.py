"""What a publish to RabbitMQ promises: a queue holds the message, and no wait is without an end."""

import time
from collections.abc import Iterator
from pathlib import Path

import kombu.exceptions
import pytest
from kombu import Connection, Exchange, Producer, Queue

import celeryconfig  # noqa: F401  # names the transport
from tasks.embedded_broker.mandatory import Unroutable
from tasks.transports.rabbitmq import STALL_TIMEOUT
from tasks.worker.kinds import Kind
from tasks.worker.retries import kind
from tests.chaos.proxy import Proxy
from tests.services import SharedRabbitMQ, VirtualHost, rabbitmqctl
from tests.waiting import wait_until

pytestmark = pytest.mark.long

THINGS = Queue("things", Exchange("things", type="topic"), routing_key="things")


@pytest.fixture(scope="module")
def host(shared_rabbitmq: SharedRabbitMQ) -> VirtualHost:
    return shared_rabbitmq.virtual_host()


@pytest.fixture
def proxy(host: VirtualHost) -> Iterator[Proxy]:
    with Proxy(host.node.port) as proxy:
        yield proxy


def connect(host: VirtualHost, proxy: Proxy | None = None) -> Connection:
    url = host.url_through(proxy.port) if proxy else host.url
    return Connection(url, transport_options={"confirm_publish": True})


def publish(connection: Connection, *, retry: bool = False) -> None:
    producer = Producer(connection)
    producer.publish(
        {},
        exchange="things",
        routing_key="things",
        declare=[THINGS],
        mandatory=True,
        confirm_timeout=0.5,
        retry=retry,
        retry_policy={"max_retries": 1, "interval_start": 0},
    )


def test_what_no_queue_takes_is_an_error_and_the_queue_is_declared_anew(host: VirtualHost) -> None:
    with connect(host) as connection:
        publish(connection)
        for retry in (False, True):
            queue = THINGS(connection.default_channel)
            queue.delete()
            if retry:
                publish(connection, retry=True)
            else:
                with pytest.raises(Unroutable):
                    publish(connection)
                publish(connection)
            assert queue.get()


def test_a_confirm_that_comes_too_late_confirms_no_other_publish(proxy: Proxy, host: VirtualHost) -> None:
    with connect(host, proxy) as connection, connect(host) as direct:
        publish(connection)
        queue = THINGS(direct.default_channel)
        queue.purge()
        proxy.stall()
        with pytest.raises(TimeoutError):
            publish(connection)
        proxy.resume()
        wait_until(queue.get, what="the first message has arrived")
        proxy.stall()
        with pytest.raises((TimeoutError, kombu.exceptions.OperationalError)):
            publish(connection)
        proxy.resume()


def test_no_wait_for_a_silent_broker_is_without_an_end(proxy: Proxy, host: VirtualHost) -> None:
    connection = connect(host, proxy)
    queue = THINGS(connection.default_channel)
    proxy.silence()
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        queue.declare()
    connection.release()
    assert time.monotonic() - began < STALL_TIMEOUT + 1


def test_a_limit_on_connections_is_waited_for_by_whoever_publishes(host: VirtualHost) -> None:
    with connect(host) as connection:
        connection.connect()
        rabbitmqctl(host.node, "set_vhost_limits", "-p", host.name, '{"max-connections": 1}')
        try:
            with connect(host) as another, pytest.raises(Exception, match="connection limit") as refused:
                publish(another, retry=True)
        finally:
            rabbitmqctl(host.node, "clear_vhost_limits", "-p", host.name)
    assert kind(refused.value) is Kind.TRANSIENT


def test_a_test_gets_a_host_of_its_own_also_when_a_rabbitmq_node_has_no_more(tmp_path: Path) -> None:
    with SharedRabbitMQ(tmp_path) as shared:
        urls = [shared.virtual_host().url for _ in range(17)]
        assert len(set(urls)) == 17
        with connect(shared.virtual_host()) as connection:
            connection.connect()
