"""What is told of a change: the form that servers rely on, and that its newest version is the truth."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.payments.change import (
    GrantChange,
    GrantLine,
    LedgerEntry,
    Notification,
    lines,
    notification_id,
)
from tasks.payments.grants import Grant, entries_between
from tasks.payments.states import GrantStatus
from tests.stack import ROOT

SCHEMA = ROOT / "docs/reference/notification.schema.json"
#: What has once been sent stays readable: none of these files ever changes.
GOLDEN = Path(__file__).parent / "notifications"
AT = datetime(2026, 11, 25, 10, 0, 0, 123_456, tzinfo=UTC)


def line(**values: object) -> GrantLine:
    return GrantLine.model_validate(
        {"wallet": "alice", "item": "sword", "quantity": 1, "status": "revoked", "usable": 0, "delta": -1}
        | values
    )


def refund(*items: GrantLine, version: int = 2, cause: str = "Refund") -> Notification:
    change = GrantChange(
        payment_id="pay_1", version=version, cause=cause, environment="production", items=items or (line(),)
    )
    return Notification(timestamp=AT, data=change)


SAMPLES = {
    "refund.json": refund(),
    "cart.json": refund(
        line(status="granted", usable=1, delta=1),
        line(item="potion", quantity=3, status="granted", usable=3, delta=3),
        version=1,
        cause="Settled",
    ),
    "moved.json": refund(
        line(), line(wallet="bób", status="granted", usable=1, delta=1), version=3, cause="operator"
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_sent_stays_byte_for_byte_the_same(name: str) -> None:
    assert SAMPLES[name].body() == (GOLDEN / name).read_bytes().rstrip(b"\n")


@pytest.mark.parametrize("path", sorted(GOLDEN.iterdir()), ids=lambda path: path.name)
def test_whatever_was_ever_sent_is_still_read(path: Path) -> None:
    """A name that goes, or another meaning, would break merchants' servers."""
    sent = json.loads(path.read_text())
    assert json.loads(Notification.model_validate(sent).body()) == sent


def test_the_schema_is_the_models() -> None:
    assert json.loads(SCHEMA.read_text()) == Notification.model_json_schema()


def test_an_id_names_a_change_towards_an_endpoint() -> None:
    ids = {
        notification_id(payment_id, version, endpoint)
        for payment_id in ("pay_1", "pay_2", "1\n1")
        for version in (1, 2, 11)
        for endpoint in ("default", "game", "@give")
    }
    assert len(ids) == 27
    assert notification_id("pay_1", 2, "default") == "msg_bd75a45d47dd0fd73b7355b28517dd14"


statuses = st.sampled_from(GrantStatus)
holdings = st.dictionaries(
    st.sampled_from(["sword", "potion"]),
    st.builds(
        Grant,
        payment_id=st.just("pay"),
        item=st.just(""),
        wallet=st.sampled_from(["alice", "bob", " alice"]),
        quantity=st.integers(1, 3),
        status=statuses,
    ),
)


def life(states: Sequence[dict[str, Grant]]) -> tuple[list[LedgerEntry], list[dict[str, Grant]]]:
    """Return the ledger of a payment that goes through states, and what it holds after each version."""
    held: dict[str, Grant] = {}
    entries: list[LedgerEntry] = []
    after: list[dict[str, Grant]] = []
    for state in states:
        due = held | {
            item: Grant("pay", item, each.wallet, each.quantity, each.status) for item, each in state.items()
        }
        moves = entries_between(held, due)
        if not moves:
            continue
        after.append({})
        for move in moves:
            grant = move.grant
            entries.append(
                LedgerEntry(len(after), grant.wallet, grant.item, grant.status, move.delta, grant.quantity)
            )
            held = held | {grant.item: grant}
        after[-1] = held
    return entries, after


def usable(told: Sequence[GrantLine]) -> dict[tuple[str, str], int]:
    return {(each.wallet.strip(), each.item): each.usable for each in told if each.usable}


@given(st.lists(holdings, min_size=1, max_size=8))
def test_the_newest_version_alone_is_what_the_payment_holds(states: list[dict[str, Grant]]) -> None:
    entries, after = life(states)
    for version, held in enumerate(after, 1):
        told = lines([each for each in entries if each.version <= version])
        expected = {(grant.wallet.strip(), item): grant.usable for item, grant in held.items()}
        assert usable(told) == {key: count for key, count in expected.items() if count}
        assert len({(each.wallet.strip(), each.item) for each in told}) == len(told)
        for each in told:
            assert each.status is GrantStatus.GRANTED or each.usable == 0
            assert each.usable in {0, each.quantity}


@given(st.lists(holdings, min_size=1, max_size=8))
def test_the_deltas_of_all_versions_add_up_to_it(states: list[dict[str, Grant]]) -> None:
    entries, after = life(states)
    told = [lines([e for e in entries if e.version <= version]) for version in range(1, len(after) + 1)]
    added: dict[tuple[str, str], int] = {}
    for version in told:
        for each in version:
            key = each.wallet, each.item
            added[key] = added.get(key, 0) + each.delta
            assert added[key] == each.usable
    # No line that was told is ever left out, nor told under another name.
    for before, later in pairwise(told):
        assert {(e.wallet, e.item) for e in before} <= {(e.wallet, e.item) for e in later}
