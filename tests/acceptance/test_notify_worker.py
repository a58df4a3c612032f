"""`notify` as merchants run it: it tells, stops in order, and goes on after whatever happens to it."""

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select, update

from tasks.cli.processes import GRACE
from tasks.settings import Settings
from tasks.store.schema import notifications
from tests.acceptance.purchases import buy, granted
from tests.acceptance.servers import COMBINATIONS, Serve
from tests.chaos.proxy import Proxy
from tests.checkout import copy_checkout
from tests.make_run import Run
from tests.services import Server, postgres, rabbitmq, redis
from tests.stack import ROOT, Stack
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.long

#: It notes whom it was told of, and does not return while there is a file `held`.
LISTENER = """
import os, time
from tasks.merchant import GrantChange, on_grant_change

@on_grant_change
def shop(change: GrantChange) -> None:
    with open(os.environ["TOLD"], "a") as told:
        told.write(f"{change.payment_id} {change.version}\\n")
    while os.path.exists(os.environ["HELD"]):
        time.sleep(0.05)
"""
ENDPOINT = "@shop"
#: Seconds in which it must have ended: twice what `make run` gives, for this machine may be a busy one.
MOMENT = 2 * GRACE
STOPS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)


class Shop:
    """A stack with a function of the merchant's that is told of changes."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.told_at, self.held = folder / "told", folder / "held"
        own = {"TOLD": str(self.told_at), "HELD": str(self.held)}
        self.stack = Stack(folder, environment | own)
        self.stack.write_handlers(LISTENER)

    def log(self) -> str:
        """Return what `notify` has written."""
        return self.stack.log("notify")

    def start(self) -> None:
        """Start `notify`, and forget what an earlier one has written."""
        (self.stack.folder / "notify.log").unlink(missing_ok=True)
        self.stack.start_process("notify")
        wait_until(lambda: "ready." in self.log(), what="notify is ready", log=self.log)

    def told(self) -> list[tuple[str, int]]:
        """Return what the function was told: payments and versions, in their order."""
        lines = self.told_at.read_text().splitlines() if self.told_at.exists() else []
        return [(payment, int(version)) for payment, version in map(str.split, lines)]

    def hears(self, payment_id: str, times: int = 1, *, seconds: float = PATIENCE) -> None:
        """Wait until the function was told of a payment so often."""
        wait_until(
            lambda: self.told().count((payment_id, 1)) >= times,
            what=f"{payment_id} is told {times} times",
            log=self.log,
            seconds=seconds,
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send `notify` a signal; return its exit code, once it has ended in time."""
        process = self.stack.processes.pop("notify")
        process.send_signal(number)
        return process.wait(timeout=MOMENT)

    @property
    def engine(self) -> Engine:
        """The stack's database."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABASE_URL", self.stack.environment["DATABASE_URL"])
            return create_engine(Settings.load().database_url.get_secret_value())

    def row(self, payment_id: str, endpoint: str = ENDPOINT) -> Any:
        """Return an endpoint's notification of a payment, which has changed once."""
        engine = self.engine
        try:
            with engine.connect() as connection:
                query = select(notifications).where(notifications.c.payment_id == payment_id)
                return connection.execute(query.where(notifications.c.endpoint == endpoint)).one()
        finally:
            engine.dispose()

    def ends_as(self, payment_id: str, state: str) -> None:
        """Wait until a payment's first change is in a state."""
        wait_until(lambda: self.row(payment_id).state == state, what=f"{payment_id} is {state}", log=self.log)

    def let_claims_lapse(self) -> None:
        """Make it as late as it is when claims lapse."""
        past, engine = datetime(2026, 1, 1, tzinfo=UTC), self.engine
        with engine.begin() as connection:
            claimed = update(notifications).where(notifications.c.claimed_until.is_not(None))
            connection.execute(claimed.values(claimed_until=past, due_at=past))
        engine.dispose()


@pytest.fixture(scope="module", params=COMBINATIONS)
def shop(
    request: pytest.FixtureRequest, serve: Serve, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shop]:
    """Return a shop on one of the supported combinations of servers, whose `notify` does not run yet."""
    folder = tmp_path_factory.mktemp("shop")
    with serve(request.param, folder) as environment:
        shop = Shop(folder, environment)
        with shop.stack as stack:
            stack.release()
            stack.start("web", "worker")
            yield shop


@pytest.fixture(autouse=True)
def _notify_has_ended(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "shop" in request.fixturenames:
        shop: Shop = request.getfixturevalue("shop")
        shop.held.unlink(missing_ok=True)
        if "notify" in shop.stack.processes:
            shop.stack.kill("notify")


@pytest.mark.parametrize("number", STOPS)
def test_it_tells_and_each_signal_ends_it(shop: Shop, number: signal.Signals) -> None:
    shop.start()
    payment_id = buy(shop.stack, "alice")
    shop.hears(payment_id)
    shop.ends_as(payment_id, "done")
    assert shop.end(number) == 0
    assert "Traceback" not in shop.log()
    # Celery warns of what threads cannot do, and Python of what goes away.
    assert "limit" not in shop.log()
    assert "Deprecat" not in shop.log()
    assert "price_list" not in shop.log()
    # Its bell is acknowledged.
    shop.start()
    assert shop.end(number) == 0
    assert "received" not in shop.log()


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_what_it_leaves_is_told_again_once_its_claim_has_lapsed(shop: Shop, *, is_killed: bool) -> None:
    shop.start()
    shop.held.touch()
    payment_id = buy(shop.stack, "bob")
    shop.hears(payment_id)
    if is_killed:
        shop.stack.kill("notify")
    else:
        assert shop.end() == 0
        assert "Traceback" not in shop.log()
    row = shop.row(payment_id)
    assert (row.state, row.last_error) == ("pending", None)

    shop.held.unlink()
    shop.start()
    shop.hears(buy(shop.stack, "bob"))
    # Nobody knows what became of it, so for a while it may still be under way.
    assert shop.told().count((payment_id, 1)) == 1
    shop.let_claims_lapse()
    shop.hears(buy(shop.stack, "bob"))
    shop.hears(payment_id, times=2)
    shop.ends_as(payment_id, "done")


def test_two_of_them_tell_each_change_once(shop: Shop) -> None:
    shop.start()
    shop.stack.start_process("notify", known_as="another")
    try:
        bought = [buy(shop.stack, "dora") for _ in range(30)]
        for payment_id in bought:
            shop.ends_as(payment_id, "done")
    finally:
        shop.stack.kill("another")
    told = [payment_id for payment_id, _ in shop.told() if payment_id in bought]
    assert sorted(told) == sorted(bought)


def test_while_nobody_runs_it_nothing_waits_for_it_and_bells_are_few(shop: Shop) -> None:
    # As many as a busy day would bring.
    rung = shop.stack.shell(f"python -c '{RING}'")
    # A few may wait there already.
    assert 990 <= int(rung.splitlines()[-1]) <= 1_000
    said = len(shop.stack.log("worker"))
    bought = [buy(shop.stack, "erin") for _ in range(3)]
    granted(shop.stack, "erin", 3)
    wait_until(lambda: "bell.unheard" in shop.stack.log("worker")[said:], what="the worker says so")
    assert "Traceback" not in shop.stack.log("worker")
    assert {shop.row(payment_id).state for payment_id in bought} == {"pending"}
    shop.start()
    for payment_id in bought:
        shop.ends_as(payment_id, "done")


RING = f"""
from tasks.celery import app
from tasks.pipeline.bells import ring
print(sum(ring(app, ["{ENDPOINT}"]) for _ in range(1_010)))
"""


def test_a_server_that_does_not_answer_keeps_it_no_longer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        environment = {
            "NOTIFY_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
            "NOTIFY_SECRET": f"whsec_{'c2VjcmV0' * 4}",
        }
        shop = Shop(tmp_path, environment)
        with shop.stack as stack:
            stack.release()
            stack.start("web", "worker")
            shop.start()
            payment_id = buy(stack, "alice")
            connection, _ = server.accept()
            with connection:
                assert connection.recv(1_000).startswith(b"POST / ")
                assert shop.end() == 0
            assert "Traceback" not in shop.log()
            assert shop.row(payment_id, "default").state == "pending"


@pytest.mark.parametrize("name", ["rabbitmq", "redis"])
def test_it_outlives_its_broker(tmp_path: Path, serve: Serve, name: str) -> None:
    with ExitStack() as exits:
        broker = exits.enter_context((rabbitmq if name == "rabbitmq" else redis)(tmp_path))
        scheme = "amqp://guest:guest@" if name == "rabbitmq" else "redis://"
        environment = exits.enter_context(serve("embedded and PostgreSQL", tmp_path))
        address = f"{scheme}127.0.0.1:{broker.port}"
        shop = Shop(tmp_path, {**environment, "BROKER_URL": address, "LOG_FORMAT": "json"})
        stack = exits.enter_context(shop.stack)
        stack.release()
        stack.start("web", "worker")
        shop.start()
        outlive(shop, broker)
        assert "Traceback" not in shop.log()
        # Asked to stop while it waits for its broker, and tells meanwhile.
        shop.held.touch()
        shop.hears(buy(stack, "bob"))
        broker.stop()
        wait_until(lambda: "Cannot connect" in shop.log(), what="it waits for its broker", log=shop.log)
        assert shop.end() == 0
        assert '"level": "error"' not in shop.log()


def outlive(shop: Shop, broker: Server) -> None:
    """Stop the broker while the shop is told something, and start it again."""
    shop.held.touch()
    payment_id = buy(shop.stack, "alice")
    shop.hears(payment_id)
    broker.stop()
    wait_until(lambda: "Connection to broker lost" in shop.log(), what="it has lost it", log=shop.log)
    shop.held.unlink()
    # It needs none for what it has begun.
    shop.ends_as(payment_id, "done")
    broker.start()
    wait_until(lambda: shop.stack.get("/readyz") == 200, what="the receiver is ready")
    shop.hears(buy(shop.stack, "alice"))
    assert shop.told().count((payment_id, 1)) == 1


def test_it_outlives_its_database_and_holds_bells_meanwhile(tmp_path: Path) -> None:
    with ExitStack() as exits:
        database = exits.enter_context(postgres())
        url = f"postgresql://postgres@127.0.0.1:{database.port}/postgres"
        shop = Shop(tmp_path, {"DATABASE_URL": url})
        stack = exits.enter_context(shop.stack)
        stack.release()
        stack.start("web", "worker")
        shop.held.touch()
        payment_id = buy(stack, "alice")
        granted(stack, "alice")
        database.stop()
        # The bell has rung, and waits.
        shop.start()
        wait_until(lambda: "task.held" in shop.log(), what="the bell is held", log=shop.log)
        database.start()
        shop.hears(payment_id)

        database.stop()
        shop.held.unlink()
        wait_until(lambda: "notifications.waiting" in shop.log(), what="it waits", log=shop.log)
        database.start()
        # What has arrived is not told again.
        shop.ends_as(payment_id, "done")
        assert shop.told() == [(payment_id, 1)]
        assert "Traceback" not in shop.log()

        database.stop()
        assert shop.end() == 0


def test_a_database_that_has_fallen_silent_does_not_keep_it_from_its_end(tmp_path: Path) -> None:
    with ExitStack() as exits:
        database = exits.enter_context(postgres())
        proxy = exits.enter_context(Proxy(database.port))
        shop = Shop(tmp_path, {"DATABASE_URL": f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres"})
        stack = exits.enter_context(shop.stack)
        stack.release()
        stack.start("web", "worker")
        shop.start()
        shop.held.touch()
        shop.hears(buy(stack, "alice"))
        proxy.stall()
        shop.held.unlink()
        process = stack.processes.pop("notify")
        process.terminate()
        assert process.wait(timeout=20) == -signal.SIGALRM


def test_make_run_starts_it_where_somebody_is_told(tmp_path: Path) -> None:
    copy_checkout(tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "tasks" / "handlers.py").write_text(LISTENER)
    run = Run(tmp_path)
    told = tmp_path / "told"
    run.environment |= {"TOLD": str(told), "HELD": str(tmp_path / "held")}
    run.start()
    try:
        wait_until(run.ready, what="make run is ready")
        assert f"told to    {ENDPOINT}\n" in run.log.read_text()
        assert run.shell(".venv/bin/coinflowctl trigger Settled --item sword --wallet alice")[0] == 0
        wait_until(told.exists, what="the shop is told", log=run.log.read_text)
    finally:
        run.stop()
    said = run.log.read_text()
    assert "SIGKILL" not in said
    assert "Traceback" not in said
