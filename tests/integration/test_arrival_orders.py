"""However the events of a payment arrive, its wallets and what a person sees of it are the same."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Engine, select

from tasks.payments.wallet import wallet_key
from tasks.pipeline.dispatch import Delivery
from tasks.store.price_lists import accept
from tasks.store.schema import grants, ledger_entries, payments
from tasks.store.views.attention import list_attention
from tasks.store.views.payments import PaymentFilter
from tests.acceptance.told_cases import CATALOG, FOLDERS, Case, read_cases
from tests.integration.pipeline import run, take_in

pytestmark = pytest.mark.long


def _may_come_anyhow(case: Case) -> bool:
    """Tell whether no limit is judged by arrival, and no person speaks, whose word knows what came before."""
    return not case.arrival_decides and all(isinstance(part, str) for step in case.steps for part in step)


UNTOUCHED = {folder: [case for case in read_cases(folder) if _may_come_anyhow(case)] for folder in FOLDERS}


@pytest.fixture
def engine(migrated: Engine) -> Engine:
    """Return a database in which no list was ever accepted."""
    return migrated


def deliver(engine: Engine, bodies: Sequence[str], random: Random) -> None:
    """Deliver events in any order, in groups of any size, with copies, some of which have a field more."""
    copies = [_copy(body, random) for body in bodies for _ in range(random.choice([0, 0, 1, 2]))]
    left = [*bodies, *copies]
    random.shuffle(left)
    while left:
        size = random.randint(1, 40)
        group, left = left[:size], left[size:]
        now = datetime.now(UTC).isoformat()
        arrived: list[Delivery] = [{"body": body, "received_at": now} for body in group]
        run(engine, take_in(engine, *arrived))


def _copy(body: str, random: Random) -> str:
    packet = json.loads(body)
    if random.randrange(2):
        packet["data"]["addedSince"] = random.randrange(3)
    return json.dumps(packet)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_order_of_arrival_matters(engine: Engine, folder: Path, seed: int) -> None:
    with engine.begin() as connection:
        accept(connection, (folder / CATALOG).read_text(), "a test")
    cases = UNTOUCHED[folder]
    assert cases
    deliver(engine, [str(part) for case in cases for step in case.steps for part in step], Random(seed))
    assert {case.name: outcome(engine, case) for case in cases} == {
        case.name: (
            {wallet_key(wallet): held for wallet, held in case.wallets.items()},
            {payment_id: sorted(reasons) for payment_id, reasons in case.visible.items()},
        )
        for case in cases
    }
    with engine.connect() as connection:
        usable = connection.execute(select(grants.c.quantity).where(grants.c.status == "granted")).scalars()
        moved = connection.execute(select(ledger_entries.c.delta)).scalars()
        assert sum(usable) == sum(moved)
        assert connection.execute(select(payments.c.id).where(payments.c.is_done)).all() == []


def outcome(engine: Engine, case: Case) -> tuple[dict[str, dict[str, int]], dict[str, list[str]]]:
    """Return what the case's wallets hold, by their keys, and the reasons for which it is listed."""
    held: dict[str, dict[str, int]] = {wallet_key(wallet): {} for wallet in case.wallets}
    reasons: dict[str, list[str]] = {}
    query = select(grants).where(grants.c.payment_id.in_(case.payment_ids), grants.c.status == "granted")
    with engine.connect() as connection:
        for row in connection.execute(query):
            items = held.setdefault(wallet_key(row.wallet), {})
            items[row.item] = items.get(row.item, 0) + row.quantity
        for line in list_attention(connection, PaymentFilter(limit=1000)):
            if line.payment_id in case.payment_ids:
                reasons.setdefault(line.payment_id, []).append(line.reason)
    return held, {payment_id: sorted(each) for payment_id, each in reasons.items()}
