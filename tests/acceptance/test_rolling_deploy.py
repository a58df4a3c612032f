"""A new release beside and after the former one, on the same broker and database."""

import json
import subprocess
import sys
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from tasks.coinflow.samples import sample, with_identity
from tasks.settings import Settings
from tasks.store.database import connect
from tests.operator import Operator
from tests.releases import ONE_FLOOR, ROOMS, check_out
from tests.services import SharedRabbitMQ, postgres_database
from tests.stack import KEY, ROOT, Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long

EMBEDDED, RABBITMQ = "embedded and SQLite", "RabbitMQ and PostgreSQL"
#: What a former release's merchant wants told whom nobody answers, and who answers this release.
UNTOLD = """
import os, pathlib
from tasks.routing import on

@on("Card Payment Authorized")
def tell(event):
    with pathlib.Path(os.environ["TRIED"]).open("a") as file:
        file.write(f"{event.key}\\n")
    raise ConnectionError("nobody answers")
"""
TOLD = """
import os, pathlib
from tasks.merchant import on

@on("Card Payment Authorized")
def tell(event):
    with pathlib.Path(os.environ["TOLD"]).open("a") as file:
        file.write(f"{event.key}\\n")
"""


@pytest.fixture
def releases(
    request: pytest.FixtureRequest, tmp_path: Path, shared_rabbitmq: SharedRabbitMQ
) -> Iterator[tuple[Stack, Stack]]:
    """Return the former release and this one, on the same broker and database, which are the former's."""
    servers_name, commit = request.param
    source = check_out(commit, tmp_path / "source")
    with ExitStack() as servers:
        environment = {
            "DATABASE_URL": f"sqlite:///{tmp_path}/coinflow.sqlite3",
            "EMBEDDED_BROKER_PATH": f"{tmp_path}/broker.sqlite3",
            "TRIED": f"{tmp_path}/tried",
            "TOLD": f"{tmp_path}/told",
        }
        if servers_name == RABBITMQ:
            environment |= {
                "BROKER_URL": shared_rabbitmq.virtual_host().url,
                "DATABASE_URL": servers.enter_context(postgres_database()),
            }
        stacks = []
        for name, files in (("former", source), ("new", ROOT)):
            folder = tmp_path / name
            folder.mkdir()
            # The makefile of ONE_FLOOR installed it into .venv.
            path = {"PYTHONPATH": f"{folder}/app"}
            stacks.append(servers.enter_context(Stack(folder, environment | path, files)))
        former, new = stacks
        former.release()
        yield former, new


def of(*chosen: tuple[str, str]) -> pytest.MarkDecorator:
    """Run a test on servers with a former release, for each pair."""
    pairs = [pytest.param(pair, id=f"{pair[0]} from {pair[1][:7]}") for pair in chosen]
    return pytest.mark.parametrize("releases", pairs, indirect=True)


def count(stack: Stack, table: str) -> int:
    """Return the number of a table's rows, of any release."""
    settings = Settings(database_url=SecretStr(stack.environment["DATABASE_URL"]))
    engine = connect(settings.database_url.get_secret_value())
    try:
        with engine.connect() as connection:
            return int(connection.scalar(text(f"SELECT count(*) FROM {table}")))
    finally:
        engine.dispose()


def deliver(door: Stack, event_type: str, payment_ids: Collection[str], *, item: str = "sword") -> None:
    """Deliver an event of each payment of alice's; all are accepted."""
    with httpx2.Client(headers={"Authorization": KEY}, timeout=10) as client:
        for payment_id in payment_ids:
            packet = sample(event_type)
            with_identity(packet, payment_id=payment_id, wallet="alice", item=item)
            answer = client.post(door.url, content=json.dumps(packet).encode())
            assert answer.status_code == 200


def payments(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def expect(stack: Stack, items: Mapping[str, str]) -> None:
    """Wait until alice holds what these payments bought, each in its state; `stack` works."""

    def held() -> dict[str, str]:
        return {item["payment_id"]: item["status"] for item in stack.wallet("alice")}

    wait_until(
        lambda: held() == items,
        what=f"alice holds {items}",
        log=lambda: f"{held()}\n{stack.log('worker')}",
    )


def entries(stack: Stack, payment_id: str) -> list[tuple[Any, ...]]:
    story = stack.read("payments", "show", payment_id)
    return [(each["wallet"], each["delta"], each["status"]) for each in story["ledger_entries"]]


@of((EMBEDDED, ROOMS), (EMBEDDED, ONE_FLOOR), (RABBITMQ, ONE_FLOOR))
def test_the_former_release_works_on_the_new_tables_and_beside_the_new_worker(
    releases: tuple[Stack, Stack],
) -> None:
    former, new = releases
    former.start("web", "worker")
    first, second, *others = payments(12)
    deliver(former, "Settled", [first])
    wait_until(lambda: count(former, "grants") == 1, what="it is granted on the former tables")

    new.release()
    deliver(former, "Settled", [second])
    deliver(former, "Card Payment Chargeback Opened", [first])
    expect(former, {first: "suspended", second: "granted"})

    new.start("worker")
    deliver(former, "Settled", others)
    granted = dict.fromkeys(others, "granted")
    expect(new, {first: "suspended", second: "granted", **granted})

    former.kill("worker")
    deliver(former, "Card Payment Chargeback Won", [first])
    deliver(former, "Card Payment Chargeback Lost", [second])
    expect(new, {first: "granted", second: "revoked", **granted})
    assert entries(new, first) == [
        ("alice", 1, "granted"),
        ("alice", -1, "suspended"),
        ("alice", 1, "granted"),
    ]
    assert entries(new, second) == [("alice", 1, "granted"), ("alice", -1, "revoked")]


def send(former: Stack, calls: list[tuple[str, list[Any]]]) -> None:
    """Send tasks as the former release does."""
    subprocess.run(
        [sys.executable, "-P", ROOT / "tests" / "former_messages.py"],
        cwd=former.environment["PYTHONPATH"],
        env=former.environment,
        input=json.dumps(calls),
        text=True,
        check=True,
    )


def lines(file: str) -> set[str]:
    return set(Path(file).read_text().split()) if Path(file).exists() else set()


@of((EMBEDDED, ONE_FLOOR), (RABBITMQ, ONE_FLOOR))
def test_an_upgrade_with_100_messages_waiting_loses_none(releases: tuple[Stack, Stack]) -> None:
    """50 events, 20 retries of a handler, 10 fulfilments, 15 dead letters and 5 dead messages."""
    former, new = releases
    former.write_handlers(UNTOLD)
    former.start("web", "worker")
    send(former, [("tasks.gone", [number]) for number in range(5)])
    deliver(former, "Card Payment Authorized", payments(20))
    dead, bought = payments(15), payments(50)
    deliver(former, "Settled", dead, item="excalibur")

    tried = former.environment["TRIED"]

    def waiting() -> tuple[int, int, int]:
        return count(former, "dead_letters"), len(lines(tried)), former.log("worker").count("message.refused")

    wait_until(lambda: waiting() == (15, 20, 5), what="they wait", log=lambda: f"{waiting()}")
    former.kill("worker")
    deliver(former, "Settled", bought)
    send(former, [("tasks.fulfilment.fulfil_payments", [[payment_id]]) for payment_id in dead[:10]])
    former.kill("web")

    new.release()
    new.write_handlers(TOLD)
    new.start("web", "worker")
    expect(new, dict.fromkeys(bought, "granted"))
    told = new.environment["TOLD"]
    wait_until(lambda: len(lines(told)) == 20, what="all are told", log=lambda: new.log("worker"))
    assert lines(told) == lines(tried)
    with Operator(new) as letters:
        wait_until(lambda: tries(letters("list")) == [1] * 5 + [2] * 10, what="10 were tried again")
        listed = letters("list")
    assert sorted(each["payment_id"] for each in listed if each["error"] == "ItemUnknown") == sorted(dead)
    gone = [each["handler"] for each in listed if each["error"] != "ItemUnknown"]
    assert gone == ["tasks.gone"] * 5


def tries(letters: list[dict[str, Any]]) -> list[int]:
    return sorted(each["attempts"] for each in letters if each["error"] == "ItemUnknown")
