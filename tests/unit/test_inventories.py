"""Whatever order and copies notifications come in, an inventory tells the newest version of each payment."""

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from falcon.testing import TestClient
from hypothesis import given
from hypothesis import strategies as st

from examples.game_server.server import get_app
from tasks.sink.inventory import Held, Inventory
from tasks.sink.notification import Change
from tests.documents import blocks
from tests.notifications import Notification, headers, held, history, new_secret
from tests.stack import ROOT

SECRET = new_secret()
WALLETS = ("alice", "bob")
LINES = st.tuples(st.sampled_from(WALLETS), st.sampled_from(["sword", "potion"]))
#: A payment that nothing is told of has held nothing.
STATES = st.lists(st.dictionaries(LINES, st.integers(0, 3), min_size=1), min_size=1, max_size=5)


@st.composite
def arrivals(draw: st.DrawFn) -> list[Notification]:
    """Draw what is told of some payments, with copies, in any order; nothing of it is missing."""
    payments = draw(st.sets(st.sampled_from(["pay-1", "pay-2", "pay-3"]), min_size=1))
    told = [each for payment in sorted(payments) for each in history(payment, *draw(STATES))]
    copies = draw(st.lists(st.sampled_from(told), max_size=len(told)))
    return draw(st.permutations(told + copies))


def by_wallet(kept: Iterable[Held]) -> dict[str, dict[str, int]]:
    wallets: dict[str, dict[str, int]] = {}
    for each in kept:
        wallets.setdefault(each.wallet, {})[each.item] = each.usable
    return wallets


@given(arrivals())
def test_the_sink_tells_the_newest_version_of_what_came_so_far(told: list[Notification]) -> None:
    with closing(Inventory()) as inventory:
        newest: dict[str, int] = {}
        for number, notification in enumerate(told, start=1):
            change = Change.model_validate(notification["data"])
            assert inventory.store(change) == newest.get(change.payment_id)
            newest[change.payment_id] = max(newest.get(change.payment_id, 0), change.version)
            assert by_wallet(inventory.held()) == held(told[:number])
        assert {(line.payment_id, line.version) for line in inventory.lines()} == set(newest.items())


@contextmanager
def game_server() -> Iterator[TestClient]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOTIFY_SECRET", SECRET)
        patch.setenv("INVENTORY", str(Path(folder) / "inventory.sqlite3"))
        yield TestClient(get_app())


def tell(client: TestClient, *told: Notification) -> None:
    for notification in told:
        body = json.dumps(notification)
        sent = headers(SECRET, body)
        assert client.simulate_post("/notifications", body=body, headers=sent).status_code == 204


@given(arrivals())
def test_the_game_server_tells_the_newest_version_of_what_came(told: list[Notification]) -> None:
    with game_server() as client:
        tell(client, *told)
        wallets = {wallet: client.simulate_get(f"/inventory/{wallet}").json for wallet in WALLETS}
    assert {wallet: items for wallet, items in wallets.items() if items} == held(told)


def test_what_a_restored_ledger_says_replaces_what_the_lost_one_said() -> None:
    page = blocks(ROOT / "docs" / "how-to" / "back-up-and-restore.md")
    (forget,) = (block.text for block in page if block.language == "sql")
    restored, lost = history("pay-1", {("alice", "sword"): 1}, {})
    with game_server() as client, closing(sqlite3.connect(os.environ["INVENTORY"])) as inventory:
        tell(client, restored, lost, restored)
        assert client.simulate_get("/inventory/alice").json == {}
        with inventory:
            inventory.execute(forget)
        tell(client, restored)
        assert client.simulate_get("/inventory/alice").json == {"sword": 1}
