"""The price list is edited while the shop sells."""

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tasks.cli import main
from tests.acceptance.purchases import buy
from tests.stack import ROOT, Stack, procfile
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.long


class Shop:
    """A stack on the embedded broker and SQLite, with a price list of its own."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.path = Path(stack.environment["CATALOG_PATH"])

    def run(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command with the stack's environment and some of its own."""
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=ROOT,
            env=self.stack.environment | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Return the worker's log lines of an event."""
        lines = self.stack.log("worker").splitlines()
        return [json.loads(line) for line in lines if f'"{event}"' in line]

    def save(self, text: str, event: str, meanwhile: Callable[[], object] = str) -> dict[str, Any]:
        """Save the list as an editor does; return the log line in which the worker speaks of it."""
        before = len(self.logged(event))
        self.path.write_text(text)

        def spoken() -> list[dict[str, Any]]:
            meanwhile()
            return self.logged(event)[before:]

        return wait_until(spoken, what=event, log=lambda: self.stack.log("worker"))[0]

    def restart(self, text: str, event: str) -> dict[str, Any]:
        """Kill the worker and start it beside another list; return the log line in which it speaks of it."""
        self.stack.kill("worker")
        before = len(self.logged(event))
        self.path.write_text(text)
        self.stack.start("worker")
        return wait_until(
            lambda: self.logged(event)[before:],
            what=event,
            log=lambda: self.stack.log("worker"),
        )[0]

    def sell(self, wallet: str, *options: str) -> str:
        """Deliver a settled purchase of a sword; return its payment."""
        return buy(self.stack, wallet, *options)

    def granted(self, wallet: str) -> set[str]:
        """Return the payments that put something into a wallet."""
        return {grant["payment_id"] for grant in self.stack.wallet(wallet)}

    def expect(self, wallet: str, payments: set[str]) -> None:
        """Wait until exactly these payments have put something into a wallet."""
        wait_until(
            lambda: self.granted(wallet) >= payments,
            what=f"{wallet} holds {len(payments)} grants",
            log=lambda: self.stack.log("worker"),
        )
        assert self.granted(wallet) == payments

    def letter(self, payment_id: str) -> dict[str, Any]:
        """Wait until a payment is a dead letter, and return that."""

        def buried() -> list[dict[str, Any]]:
            letters = self.stack.read("dead-letters", "list")
            return [each for each in letters if each["payment_id"] == payment_id]

        return wait_until(
            buried, what=f"{payment_id} is a dead letter", log=lambda: self.stack.log("worker")
        )[0]

    def pool(self) -> set[int]:
        """Return the worker's pool processes."""
        # Each thread of the worker lists the processes that it forked.
        threads = Path(f"/proc/{self.stack.processes['worker'].pid}/task").glob("*/children")
        return {int(child) for thread in threads for child in thread.read_text().split()}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "catalog.toml").write_text((ROOT / "catalog.toml").read_text())
    environment = {
        "CATALOG_PATH": f"{folder}/catalog.toml",
        # Pool processes end and are forked anew all the time.
        "CELERY_WORKER_MAX_TASKS_PER_CHILD": "3",
        "LOG_FORMAT": "json",
    }
    with Stack(folder, environment) as stack:
        stack.release()
        stack.start("web", "worker")
        shop = Shop(stack)
        # A worker that is still starting would refuse a broken list.
        shop.expect("first", {shop.sell("first")})
        yield shop


@pytest.fixture
def wallet() -> str:
    return f"wallet-{uuid.uuid4().hex[:8]}"


def listed(cents: int, *former: tuple[int, int]) -> str:
    """Write a list: a sword's price, and former ones that ended so many days ago with a grace of seven."""
    now = datetime.now(UTC)
    prices = [
        f"  {{ cents = {price}, ended = {(now - timedelta(days=days)).isoformat()}, grace_days = 7 }},\n"
        for price, days in former
    ]
    return f"[items.sword]\nprice = {{ cents = {cents} }}\nformer_prices = [\n{''.join(prices)}]\n"


def test_a_broken_edit_under_load_changes_nothing_but_a_line_in_the_log(shop: Shop, wallet: str) -> None:
    good = listed(500)
    sold: set[str] = set()

    def sell() -> None:
        sold.add(shop.sell(wallet, "--cents", "500"))

    line = shop.save(good[:-3], "price_list.refused", meanwhile=sell)
    assert (line["file"], line["line"], line["level"]) == (str(shop.path), 3, "error")
    line = shop.save(good.replace("500", "-1"), "price_list.refused", meanwhile=sell)
    reason = "items.sword.price.cents: Input should be greater than or equal to 0"
    assert (line["line"], line["reason"]) == (2, reason)
    before = shop.pool()

    def older_are_gone() -> bool:
        # Each process leaves after three tasks.
        for _ in range(4):
            sell()
        return not before & shop.pool()

    wait_until(
        older_are_gone,
        what="no pool process is older than the broken edit",
        log=lambda: shop.stack.log("worker"),
    )
    for _ in range(10):
        sell()
    # The price list cannot say what a sword costs, so the sample's own price is sent.
    arguments = ["trigger", "Settled", "--item", "sword", "--wallet", wallet, "--payment-id", "sample"]
    warned = CliRunner(env=shop.stack.environment).invoke(main, arguments)
    assert warned.exit_code == 0
    assert f"{shop.path}, line 2: {reason}" in warned.stderr
    sold.add("sample")
    shop.expect(wallet, sold)
    assert len(shop.logged("price_list.refused")) == 2

    told = CliRunner(env=shop.stack.environment).invoke(main, ["catalog", "show"])
    assert told.exit_code == 1
    assert f"{shop.path}, line 2: {reason}" in told.stderr
    assert "last good list" in told.stderr


def test_an_edit_counts_at_once_and_a_former_price_within_its_grace(shop: Shop, wallet: str) -> None:
    shop.save(listed(600, (500, 1), (400, 8)), "price_list.changed")
    within = [shop.sell(wallet), shop.sell(wallet, "--cents", "600"), shop.sell(wallet, "--cents", "500")]
    after = shop.sell(wallet, "--cents", "400")
    shop.expect(wallet, set(within))

    letter = shop.letter(after)
    assert letter["error"] == "PriceMismatch"
    assert "1 x sword costs 600 cents USD or 500 cents USD" in letter["message"]
    assert "accepted until" in letter["message"]
    shown = shop.stack.read("catalog", "show")
    (sword,) = shown["items"]
    assert [price["cents"] for price in (sword, *sword["former_prices"])] == [600, 500, 400]
    assert f"Decided by price list {shown['price_list']['content_hash'][:8]}, accepted " in letter["message"]


def test_an_old_file_that_comes_back_with_its_worker_changes_nothing(shop: Shop, wallet: str) -> None:
    old = listed(600)
    shop.save(old, "price_list.changed")
    shop.save(listed(700), "price_list.changed")
    line = shop.restart(old, "price_list.differs")
    assert (line["level"], line["file"]) == ("warning", str(shop.path))
    assert "coinflowctl catalog apply" in line["next_step"]
    shop.expect(wallet, {shop.sell(wallet, "--cents", "700")})
    assert "costs 700 cents" in shop.letter(shop.sell(wallet, "--cents", "600"))["message"]
    shown = shop.stack.read("catalog", "show")
    assert [item["cents"] for item in shown["items"]] == [700]
    assert [change["after"]["cents"] for change in shown["changes"]] == [600]
    # An operator may bring it back.
    assert shop.stack.read("catalog", "apply")["accepted"]
    shop.expect(f"{wallet}-2", {shop.sell(f"{wallet}-2", "--cents", "600")})


def test_a_restart_beside_a_broken_file_goes_on_with_the_last_good_list(shop: Shop, wallet: str) -> None:
    shop.save(listed(800), "price_list.changed")
    line = shop.restart("[items.sword]\n", "price_list.refused")
    assert (line["level"], line["file"], line["line"]) == ("error", str(shop.path), 1)
    assert "price list " in line["in_force"]
    shop.expect(wallet, {shop.sell(wallet, "--cents", "800")})
    shop.save(listed(900), "price_list.changed")
    shop.expect(f"{wallet}-2", {shop.sell(f"{wallet}-2", "--cents", "900")})


def test_a_broken_list_stops_a_release_and_not_the_shop(shop: Shop, wallet: str, tmp_path: Path) -> None:
    shop.save(listed(1000), "price_list.changed")
    broken = tmp_path / "catalog.toml"
    broken.write_text(listed(-1))
    release = shop.run(procfile()["release"], CATALOG_PATH=str(broken))
    assert release.returncode == 1
    assert f"{broken}, line 2: items.sword.price.cents" in release.stderr
    assert "Traceback" not in release.stderr
    shop.expect(wallet, {shop.sell(wallet, "--cents", "1000")})


def test_a_worker_refuses_to_start_without_any_list(shop: Shop, tmp_path: Path) -> None:
    broken = tmp_path / "catalog.toml"
    broken.write_text("[items.sword]\n")
    own = {"CATALOG_PATH": str(broken), "DATABASE_URL": f"sqlite:///{tmp_path}/coinflow.sqlite3"}
    assert shop.run("alembic upgrade head", **own).returncode == 0
    done = shop.run("celery -q -A tasks worker", **own)
    assert done.returncode == 1
    assert f"{broken}, line 1: items.sword.price" in done.stderr
    assert "Traceback" not in done.stderr
