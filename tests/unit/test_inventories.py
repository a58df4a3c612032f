"""Whatever order and copies notifications come in, an inventory tells the newest version of each payment."""

import json
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
from tests.notifications import Notification, headers, held, history, new_secret

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


@given(arrivals())
def test_the_game_server_tells_the_newest_version_of_what_came(told: list[Notification]) -> None:
    with game_server() as client:
        for notification in told:
            body = json.dumps(notification)
            sent = headers(SECRET, body)
            assert client.simulate_post("/notifications", body=body, headers=sent).status_code == 204
        wallets = {wallet: client.simulate_get(f"/inventory/{wallet}").json for wallet in WALLETS}
    assert {wallet: items for wallet, items in wallets.items() if items} == held(told)
