"""How many connections to PostgreSQL the running product has, and what it does where it may have fewer."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from tests.services import postgres, postgres_database
from tests.services.postgres_server import POSTGRES
from tests.stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long

CHILDREN = 3
DELIVERIES = 60
#: What comes for each is one event, delivered again and again.
WALLETS = ("alice", "bob")
ENDPOINTS = 2
_LISTENERS = """
from tasks.merchant import GrantChange, on_grant_change

@on_grant_change
def shop(change: GrantChange) -> None:
    pass

@on_grant_change
def crm(change: GrantChange) -> None:
    pass
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with postgres_database(pooler="") as url, Stack(tmp_path, {"DATABASE_URL": url}) as stack:
        stack.write_handlers(_LISTENERS)
        stack.release()
        yield stack


def start(stack: Stack) -> None:
    stack.start_process("worker", f"--concurrency {CHILDREN}")
    stack.start("web", "notify", "beat", "flower")


def name(stack: Stack) -> str:
    return str(make_url(stack.environment["DATABASE_URL"]).database)


class Watch:
    """Asks the server again and again how many connections a database has."""

    def __init__(self, database: str, server: psycopg.Connection[Any]) -> None:
        self._database, self._server = database, server
        self.most = 0

    def look(self) -> int:
        """Return how many there are."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        ((count,),) = self._server.execute(query, [self._database]).fetchall()
        self.most = max(self.most, count)
        return int(count)


@contextmanager
def watching(stack: Stack) -> Iterator[Watch]:
    over = threading.Event()
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        watch = Watch(name(stack), server)

        def go_on() -> None:
            while not over.wait(0.01):
                watch.look()

        thread = threading.Thread(target=go_on)
        thread.start()
        try:
            yield watch
        finally:
            over.set()
            thread.join()


def buy(stack: Stack) -> None:
    for wallet in WALLETS:
        times = ("--times", str(DELIVERIES // 2), "--concurrency", "10")
        stack.trigger("Settled", "--item", "sword", "--wallet", wallet, *times)


def granted(stack: Stack) -> bool:
    return all(stack.wallet(wallet) for wallet in WALLETS)


def test_each_process_of_a_worker_and_each_endpoint_has_a_connection_and_others_have_none(
    stack: Stack,
) -> None:
    def are_told() -> bool:
        return stack.log("notify").count("notification.done") == ENDPOINTS * len(WALLETS)

    with watching(stack) as watch:
        start(stack)
        buy(stack)
        wait_until(are_told, what="all is told", log=lambda: stack.log("notify"))
        assert granted(stack)
        # Idle ones stay: whoever has worked has one, and nobody else has any.
        assert watch.look() >= ENDPOINTS
    # What looks at the price list's file has one, too, before the children are there.
    assert watch.most <= CHILDREN + ENDPOINTS + 1


def test_however_many_bells_wait_notify_has_a_connection_for_each_endpoint(stack: Stack) -> None:
    start(stack)
    buy(stack)
    wait_until(lambda: granted(stack), what="everything is granted", log=lambda: stack.log("worker"))
    for name in ("worker", "notify"):
        stack.kill(name)
    ring = 'for _ in range(50): ring(app, ["@crm", "@shop"])'
    stack.shell(f"python -c 'from tasks.celery import app; from tasks.pipeline.bells import ring\n{ring}'")
    with watching(stack) as watch:
        wait_until(lambda: watch.look() == 0, what="nobody has a connection")
        watch.most = 0
        stack.start_process("notify")
        wait_until(lambda: stack.log("notify").count("succeeded") >= 50, what="the bells are heard")
    assert 1 <= watch.most <= ENDPOINTS


def test_where_the_limit_is_lower_the_worker_says_so_and_goes_on_trying(tmp_path: Path) -> None:
    with ExitStack() as exits:
        server = exits.enter_context(postgres())
        administrator = exits.enter_context(
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{server.port}/postgres", autocommit=True)
        )
        for statement in ("CREATE ROLE shop LOGIN", "CREATE DATABASE shop OWNER shop"):
            administrator.execute(statement)
        url = f"postgresql://shop@127.0.0.1:{server.port}/shop"
        stack = exits.enter_context(Stack(tmp_path, {"DATABASE_URL": url}))
        stack.release()
        administrator.execute("ALTER ROLE shop CONNECTION LIMIT 2")
        # Somebody else's: the limit is reached before the worker starts.
        with psycopg.connect(url), psycopg.connect(url):
            start(stack)
            buy(stack)
            wait_until(lambda: "task.held" in stack.log("worker"), what="a task waits")
            held = [line for line in stack.log("worker").splitlines() if "task.held" in line]
            assert all("This is a limit of connections" in line for line in held), held
            # No traceback of the driver's: Flower's questions may have others.
            assert "psycopg" not in stack.log("worker") + stack.log("notify")
        administrator.execute("ALTER ROLE shop CONNECTION LIMIT -1")
        wait_until(lambda: granted(stack), what="everything is granted", log=lambda: stack.log("worker"))
        assert all(process.poll() is None for process in stack.processes.values())
