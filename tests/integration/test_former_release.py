"""The former release works beside this one on the same tables: what one grants the other leaves alone."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from tasks.store.schema import ledger_entries, payments, wallets
from tests.integration.commands import read
from tests.integration.pipeline import delivery, reprice, run, take_in
from tests.releases import UNRESOLVED, check_out
from tests.services.postgres_server import POOLER
from tests.stack import ROOT

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(bool(POOLER), reason="the former release cannot use a pooler"),
]

PAYIN = {"event_type": "Crypto Payin Funds Received"}
OPENED = {"event_type": "Card Payment Chargeback Opened"}
WON = {"event_type": "Card Payment Chargeback Won"}
REFUND = {"event_type": "Refund"}
NOTED = {"event_type": "Disbursed Funds"}
#: An address as wallets show it, with the capitals of its checksum.
ADDRESS = "0x" + "aB" * 20


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return check_out(UNRESOLVED, tmp_path_factory.mktemp("former"))


class Releases:
    """Both releases, each of which can be given events of one payment."""

    def __init__(self, engine: Engine, former: Path) -> None:
        self._engine = engine
        self._former = former

    def give(self, release: str, *events: dict[str, Any], **beside: str) -> None:
        if release == "new":
            take_in(self._engine, *(delivery(**event) for event in events))
            run(self._engine, ["pay"])
            return
        subprocess.run(
            [sys.executable, "-P", ROOT / "tests" / "former_pipeline.py"],
            cwd=self._former,
            env=os.environ | {"PYTHONPATH": str(self._former)},
            input=json.dumps([delivery(**event) | beside for event in events]).encode(),
            check=True,
        )

    def now(self) -> tuple[str, list[tuple[str, str, str]], int]:
        """Return the payment's state, what is held of it, and what the ledger says may be used."""
        story = read("payments", "show", "pay")
        held = [(each["wallet"], each["item"], each["status"]) for each in story["grants"]]
        with self._engine.connect() as connection:
            delta = func.coalesce(ledger_entries.c.delta, ledger_entries.c.quantity)
            usable = connection.execute(select(func.sum(delta))).scalar_one()
        return story["state"], held, usable or 0


@pytest.fixture
def releases(engine: Engine, release: Path) -> Releases:
    return Releases(engine, release)


GRANTED = ("granted", [("alice", "sword", "granted")], 1)
SUSPENDED = ("suspended", [("alice", "sword", "suspended")], 0)
REVOKED = ("revoked", [("alice", "sword", "revoked")], 0)


@pytest.mark.parametrize("order", [("former", "new"), ("new", "former")], ids="-".join)
def test_a_dispute_goes_from_one_release_to_the_other(
    engine: Engine, releases: Releases, order: tuple[str, str]
) -> None:
    one, other = order
    releases.give(one, {})
    assert releases.now() == GRANTED
    # A price that has changed is no concern of what was granted.
    reprice(engine, 900)
    releases.give(other, OPENED)
    assert releases.now() == SUSPENDED
    releases.give(one, WON)
    assert releases.now() == GRANTED
    releases.give(other, NOTED)
    assert releases.now() == GRANTED
    releases.give(one, REFUND)
    assert releases.now() == REVOKED
    releases.give(other, {"event_type": "Reserve Released"})
    assert releases.now() == REVOKED
    assert read("payments", "show", "pay")["dead_letters"] == []


def test_what_a_person_said_to_this_release_is_known_to_the_former(releases: Releases) -> None:
    releases.give("former", PAYIN)
    assert [each["reason"] for each in read("payments", "list", "--attention")] == ["unmatched"]
    read("payments", "resolve", "pay", "--item", "sword", "--reason", "by phone")
    assert releases.now() == GRANTED
    releases.give("former", NOTED)
    assert releases.now() == GRANTED
    releases.give("new", REFUND)
    assert releases.now() == REVOKED


def test_what_the_former_release_has_refused_is_listed_and_decided(
    engine: Engine, releases: Releases
) -> None:
    releases.give("former", {"data__subtotal__cents": 700})
    (line,) = read("payments", "list", "--attention")
    assert (line["reason"], line["state"]) == ("refused", "refused")
    said = read("payments", "resolve", "pay", "--accept-price", "--reason", "by phone")
    assert said["grants"][0]["status"] == "granted"
    assert read("payments", "show", "pay")["dead_letters"] == []
    assert read("payments", "list", "--attention") == []
    with engine.connect() as connection:
        assert connection.execute(select(payments.c.decision)).scalar_one() == "granted"


def test_a_wallet_that_the_former_release_has_named_is_found_once_it_is_touched(
    engine: Engine, releases: Releases
) -> None:
    named = {"data__rawCustomerId": ADDRESS}
    releases.give("former", named)

    def keys() -> list[str]:
        with engine.connect() as connection:
            return list(connection.execute(select(wallets.c.key).order_by(wallets.c.id)).scalars())

    assert keys() == [ADDRESS]
    assert len(read("wallets", "show", ADDRESS)["items"]) == 1
    releases.give("new", {**OPENED, **named})
    assert keys() == [ADDRESS.lower()]
    for spelling in (ADDRESS, ADDRESS.lower(), ADDRESS.upper().replace("0X", "0x"), f" {ADDRESS}"):
        shown = read("wallets", "show", spelling)
        assert (shown["wallet"], [each["status"] for each in shown["items"]]) == (ADDRESS, ["suspended"])
    releases.give("former", {**WON, **named})
    assert [each["status"] for each in read("wallets", "show", ADDRESS.lower())["items"]] == ["granted"]


def test_the_former_release_takes_an_event_beside_which_stands_what_it_does_not_know(
    releases: Releases,
) -> None:
    releases.give("former", {}, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    assert releases.now() == GRANTED
