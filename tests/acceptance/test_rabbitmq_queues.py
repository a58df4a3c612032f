"""What an operator does to RabbitMQ's queues loses nothing that was answered 200."""

from collections.abc import Iterator

import psycopg
import pytest
from kombu import Connection, Producer, Queue
from sqlalchemy import make_url

from celeryconfig import SWEEP_TASK, dead_queue, former_dead_queue
from tests.operator import Operator
from tests.services import SharedRabbitMQ, VirtualHost, postgres_database, rabbitmqctl
from tests.services.postgres_server import POSTGRES
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def host(shared_rabbitmq: SharedRabbitMQ) -> VirtualHost:
    return shared_rabbitmq.virtual_host()


@pytest.fixture(scope="module")
def stack(host: VirtualHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("queues")
    with (
        postgres_database() as database,
        Stack(folder, {"BROKER_URL": host.url, "DATABASE_URL": database}) as stack,
    ):
        stack.release()
        stack.start("web", "worker")
        yield stack


@pytest.fixture(scope="module")
def dead_letters(stack: Stack) -> Iterator[Operator]:
    with Operator(stack) as operator:
        yield operator


def deliver(stack: Stack, wallet: str, times: int) -> int:
    """Deliver so many payments one after the other; return how many were answered 200."""
    accepted = 0
    for number in range(times):
        sent = stack.trigger("Settled", "--item", "sword", "--wallet", wallet, exit_code=None)
        assert sent["answers"].keys() <= {"200", "503"}, number
        accepted += sent["answers"].get("200", 0)
    return accepted


def test_a_deleted_queue_is_declared_anew_and_what_is_answered_200_is_granted(stack: Stack) -> None:
    assert deliver(stack, "before", 1) == 1
    wait_until(lambda: stack.wallet("before"), what="a first sword")
    stack.kill("worker")
    with Connection(stack.environment["BROKER_URL"]) as connection:
        for queue in ("events", "fulfilment"):
            Queue(queue, channel=connection.default_channel).delete()
    accepted = deliver(stack, "after", 20)
    assert accepted
    stack.start("worker")
    wait_until(lambda: len(stack.wallet("after")) == accepted, what="each is granted")


def test_looking_at_dead_letters_changes_nothing(stack: Stack, dead_letters: Operator) -> None:
    dead_letters.send("no.such.task", queue="events")
    dead_letters.send("no.other.task", queue="events")
    wait_until(lambda: len(dead_letters("list")) == 2, what="both are dead letters")
    seen = dead_letters("list")
    for _ in range(25):
        assert dead_letters("list") == seen
    for _ in range(3):
        with Connection(stack.environment["BROKER_URL"]) as connection:
            assert dead_queue(connection.default_channel).get()
            # It breaks while it looks.
            connection.transport.close_connection(connection.connection)
    wait_until(lambda: dead_letters("list") == seen, what="both are given back")
    for letter in seen:
        dead_letters("discard", letter["id"], "--yes")
    assert dead_letters("list") == []


def test_a_sweep_that_waits_is_no_dead_letter_and_one_of_a_former_release_says_what_it_is(
    stack: Stack, dead_letters: Operator
) -> None:
    dead_letters.send("an.old.task", queue="events")
    wait_until(lambda: dead_letters("list"), what="what no task takes is dead")
    stack.kill("worker")
    # First, for RabbitMQ lets what is behind others wait.
    dead_letters.send(SWEEP_TASK, queue="recovery", expires=0.1)
    dead_letters.send(SWEEP_TASK, queue="recovery")

    def both() -> list[dict[str, str]]:
        letters: list[dict[str, str]] = dead_letters("list")
        return letters if len(letters) == 2 else []

    expired, lost = wait_until(both, what="the former release's sweep has expired")
    assert (expired["error"], expired["reason"], expired["handler"]) == ("Expired", "expired", SWEEP_TASK)
    assert (lost["error"], lost["reason"], lost["handler"]) == ("UnknownTask", "rejected", "an.old.task")
    assert dead_letters("discard", "--error", "Expired", "--yes")["ids"] == [expired["id"]]
    assert dead_letters("discard", "--all", "--yes")["ids"] == [lost["id"]]
    stack.start("worker")


def test_what_lies_in_the_dead_queue_of_an_earlier_version_is_moved(
    stack: Stack, dead_letters: Operator
) -> None:
    stack.kill("worker")
    with Connection(stack.environment["BROKER_URL"]) as connection:
        former = former_dead_queue(connection.default_channel)
        former.declare()
        dead_letters.send("an.old.task", queue="events")
        stack.start("worker")
        wait_until(lambda: dead_letters("list"), what="it is a dead letter")
        assert former.get() is None, "it dies into the new queue alone"
        Producer(connection).publish({}, exchange="", routing_key="dead", headers={"task": "an.older.task"})
        letters = dead_letters("list")
        assert {each["handler"] for each in letters} == {"an.old.task", "an.older.task"}
        assert former.get() is None
    for each in letters:
        dead_letters("discard", each["id"], "--yes")


@pytest.fixture
def bounded(host: VirtualHost) -> Iterator[None]:
    """Bound every queue to four messages, as hosted plans bound theirs to 10,000."""
    # RabbitMQ tries a refused dead letter again after three minutes.
    retry = "rabbit, dead_letter_worker_publisher_confirm_timeout"
    usual = rabbitmqctl(host.node, "eval", f"element(2, application:get_env({retry})).").strip()
    policy = ("-p", host.name, "bounded")
    rabbitmqctl(host.node, "eval", f"application:set_env({retry}, 1000).")
    rabbitmqctl(host.node, "set_policy", *policy, ".*", '{"max-length": 4}', "--apply-to", "queues")
    yield
    rabbitmqctl(host.node, "clear_policy", *policy)
    # Without any value RabbitMQ declares no queue with dead letters any more, and other tests share the node.
    rabbitmqctl(host.node, "eval", f"application:set_env({retry}, {usual}).")


@pytest.mark.usefixtures("bounded")
def test_where_every_queue_is_bounded_a_database_that_refuses_loses_nothing(
    stack: Stack, dead_letters: Operator
) -> None:
    with psycopg.connect(stack.environment["DATABASE_URL"], autocommit=True) as database:
        database.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$no$$; END'"
        )
        database.execute("CREATE TRIGGER refuse BEFORE INSERT ON events EXECUTE FUNCTION refuse()")
        accepted = deliver(stack, "refused", 12)
        assert accepted >= 4
        wait_until(
            lambda: dead_letters("list"),
            what="the first dead letter",
            log=lambda: stack.log("worker"),
        )
        accepted += deliver(stack, "refused", 12)
        database.execute("DROP TRIGGER refuse ON events")

    def are_granted() -> bool:
        # It is refused where the queue is full, and takes its turn.
        dead_letters("replay", "--all", exit_code=None)
        return len(stack.wallet("refused")) == accepted

    wait_until(are_granted, what="each is granted", log=lambda: stack.log("worker"))


@pytest.mark.usefixtures("bounded")
def test_where_every_queue_is_bounded_a_database_that_is_away_loses_nothing(
    stack: Stack, dead_letters: Operator
) -> None:
    name = make_url(stack.environment["DATABASE_URL"]).database
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        accepted = deliver(stack, "away", 12)
        assert accepted >= 4
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    wait_until(
        lambda: len(stack.wallet("away")) == accepted,
        what="each is granted",
        log=lambda: stack.log("worker"),
    )
    assert dead_letters("list") == []
