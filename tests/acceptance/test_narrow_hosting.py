"""Everything at once that hosting may ask for: few connections, a pooler, TLS, and neighbours."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.chaos.load import Load, deliveries
from tests.operator import Operator
from tests.services import certificates, free_port, pgbouncer, postgres, rabbitmq, rabbitmqctl, tls
from tests.stack import Stack
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.deployment

#: Of the one virtual host, for both applications, and of each database behind the pooler.
_BROKER_CONNECTIONS, _SERVER_CONNECTIONS = 20, 10
_PAYMENTS = {"shop-a": 2000, "shop-b": 400}


@contextmanager
def _hosting(folder: Path) -> Iterator[tuple[dict[str, str], str]]:
    """Run the servers; yield the environment that names them, and the database server past the pooler."""
    folder.mkdir()
    identity = certificates(folder / "certificates")
    port = free_port()
    with ExitStack() as exits:
        broker = exits.enter_context(rabbitmq(folder, *tls(port, identity)))
        rabbitmqctl(broker, "set_vhost_limits", "-p", "/", f'{{"max-connections": {_BROKER_CONNECTIONS}}}')
        server = exits.enter_context(postgres(tls=identity))
        direct = f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
        pooler = pgbouncer(direct, servers=_SERVER_CONNECTIONS, tls=identity)
        trust = {"sslmode": "verify-full", "sslrootcert": str(identity.authority)}
        pooled = make_url(exits.enter_context(pooler)).update_query_dict(trust)
        yield (
            {
                "BROKER_URL": f"amqps://guest:guest@127.0.0.1:{port}//?ssl_ca_certs={identity.authority}",
                "DATABASE_URL": pooled.render_as_string(hide_password=False),
                "DATABASE_POOLER": "true",
                "WEB_CONCURRENCY": "1",
                "LOG_LEVEL": "WARNING",
            },
            direct,
        )


def _application(name: str, hosting: tuple[dict[str, str], str]) -> dict[str, str]:
    """Make the database of an application; return its environment."""
    environment, direct = hosting
    with psycopg.connect(direct, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    url = make_url(environment["DATABASE_URL"]).set(database=name).render_as_string(hide_password=False)
    return {**environment, "DATABASE_URL": url, "BROKER_PREFIX": name, "COINFLOW_VALIDATION_KEY": name}


def test_two_applications_share_rabbitmq_with_20_connections_behind_a_pooler(tmp_path: Path) -> None:
    with ExitStack() as exits:
        hosting = exits.enter_context(_hosting(tmp_path / "servers"))

        def machine(application: dict[str, str], name: str, processes: int, *others: str) -> Stack:
            (tmp_path / name).mkdir()
            own = {**application, "WORKER_CONCURRENCY": str(processes)}
            stack = exits.enter_context(Stack(tmp_path / name, own))
            if others:
                stack.release()
            stack.start("web", "worker", *others)
            return stack

        ours, theirs = (_application(name, hosting) for name in _PAYMENTS)
        first, second = machine(ours, "one", 2, "beat", "flower"), machine(ours, "two", 2)
        neighbour = machine(theirs, "three", 1, "beat")
        chance = random.Random(1)
        packets = deliveries(_PAYMENTS["shop-a"], chance)
        loads = [
            Load(first.url, packets[::2], 20, "shop-a"),
            Load(second.url, packets[1::2], 20, "shop-a"),
            Load(neighbour.url, deliveries(_PAYMENTS["shop-b"], chance), 20, "shop-b"),
        ]
        for load in loads:
            load.start()
        wait_until(
            lambda: all(load.is_through for load in loads),
            what="every delivery is answered 200",
            log=lambda: str([Counter(each.status for each in load.answers) for load in loads]),
            seconds=2 * PATIENCE,
        )
        for stack, name in ((first, "shop-a"), (neighbour, "shop-b")):
            database = make_url(hosting[1]).set(database=name).render_as_string(hide_password=False)
            _check(stack, database, _PAYMENTS[name])
        for process in (each for stack in (first, second, neighbour) for each in stack.processes.values()):
            assert process.poll() is None


def _check(stack: Stack, database: str, payments: int) -> None:
    """Wait until every payment is granted, each once, and see that nothing else came of them."""
    with psycopg.connect(database, autocommit=True) as connection:

        def count(query: str) -> Sequence[int]:
            row: Sequence[int] | None = connection.execute(query.encode()).fetchone()
            assert row is not None
            return row

        wait_until(
            lambda: count("SELECT count(*) FROM grants WHERE status = 'granted'") == (payments,),
            what=f"{payments} payments are granted",
            log=lambda: stack.log("worker")[-3000:],
        )
        assert count("SELECT count(*), sum(quantity) FROM ledger_entries") == (payments, payments)
        assert count("SELECT count(*) FROM payments") == (payments,)
        assert count("SELECT count(*) FROM dead_letters") == (0,)
    with Operator(stack) as operator:
        assert operator("list") == []
