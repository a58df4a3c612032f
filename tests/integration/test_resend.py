"""`notifications resend`: one, many by a filter, or each payment's newest change to who lost them all."""

import json
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, event, func, insert, select, update

from tasks import celery
from tasks.celery import Application
from tasks.notifications.turn import Ended
from tasks.store import notification_operations
from tasks.store.actions import Operator
from tasks.store.notification_operations import Batch
from tasks.store.schema import events, ledger_entries, notifications, payments
from tasks.store.views.notifications import NotificationFilter
from tests.integration.commands import ctl, read
from tests.integration.telling import (
    AWAY,
    DONE,
    OPENED,
    REFUSED,
    WON,
    N,
    happen,
    listen,
    of_wallet,
    rows,
    states,
    tell,
    turn,
    wait,
)

pytestmark = pytest.mark.long

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
MANY = 20_000


@pytest.fixture(autouse=True)
def _broker(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery, "app", app)


@pytest.fixture
def shop(engine: Engine) -> Engine:
    """Let a shop be told, to which a payment of two changes is done."""
    listen(engine, "shop")
    happen(engine, "pay", "Settled", OPENED)
    for _ in range(2):
        tell(engine, "shop")
    return engine


def resend(*arguments: str) -> int:
    """Resend; return how many, which are all that match."""
    done = read("notifications", "resend", *arguments)
    assert done["matched"] == done["resent"]
    return int(done["resent"])


def told(engine: Engine, endpoint: str = "shop") -> list[tuple[str, int]]:
    """Tell an endpoint all that is due, one after the other; return the payments and versions."""
    found = []
    while claimed := [each for each, _ in turn(engine, endpoint, most=1).claimed]:
        found += [(each.payment_id, each.version) for each in claimed]
        turn(engine, endpoint, *(Ended(each, DONE) for each in claimed), most=0)
    return found


# ---------------------------------------------------------------- by ID


def test_one_is_told_again_as_it_was(shop: Engine) -> None:
    number = rows(shop)[0].id
    before = read("notifications", "show", str(number))
    assert resend(str(number), "--as", "ada", "--reason", "a bug of ours") == 1
    assert states(shop) == ["pending", "done"]
    after = read("notifications", "show", f"n{number}")
    assert (after["webhook_id"], after["body"]) == (before["webhook_id"], before["body"])
    assert after["history"][-1]["what"] == "resend"
    (action,) = read("actions", "list")
    assert (action["subject"], action["who"], action["why"]) == (f"n{number}", "ada", "a bug of ours")
    assert action["before"] == {"payment_id": "pay", "version": 1, "endpoint": "shop", "state": "done"}
    assert tell(shop, "shop") == [1]


def test_several_are_told_in_order_and_before_what_waits(shop: Engine) -> None:
    happen(shop, "pay", WON)
    first, second, third = (row.id for row in rows(shop))
    assert resend(*map(str, [third, second, first])) == 3
    assert [tell(shop, "shop") for _ in range(4)] == [[1], [2], [3], []]


def test_what_is_pending_waits_no_longer_for_its_next_try(shop: Engine) -> None:
    happen(shop, "pay", WON)
    tell(shop, "shop", AWAY)
    assert tell(shop, "shop") == []
    assert resend("--state", "pending") == 1
    assert rows(shop)[2].attempts == 1
    assert tell(shop, "shop") == [3]


def test_what_is_being_tried_is_not_tried_twice(shop: Engine) -> None:
    happen(shop, "pay", WON)
    turn(shop, "shop")
    resend("--payment-id", "pay")
    assert not turn(shop, "shop").claimed


def test_what_there_is_not_is_not_resent(shop: Engine) -> None:
    number = str(rows(shop)[0].id)
    for unknown in ("99", "nobody"):
        refused = ctl("notifications", "resend", number, unknown)
        assert refused.exit_code == 1
        assert f"no such notification: {unknown}." in refused.stderr
    assert states(shop) == ["done", "done"]


def test_nobody_is_told_who_is_removed(shop: Engine) -> None:
    number = rows(shop)[0].id
    listen(shop, "app")
    refused = ctl("notifications", "resend", str(number))
    assert (refused.exit_code, "no process is configured to tell" in refused.stderr) == (1, True)
    refused = ctl("notifications", "resend", "--endpoint", "shop")
    assert (refused.exit_code, refused.stderr) == (1, "Error: No process is configured to tell shop.\n")
    assert resend("--payment-id", "pay") == 0
    assert states(shop) == ["done", "done"]


# ---------------------------------------------------------------- by a filter


@pytest.fixture
def shops(engine: Engine) -> Engine:
    """Let two endpoints have been told some of two payments: one is pending, one dead, one discarded."""
    listen(engine, "shop", "app")
    happen(engine, "one", "Settled", OPENED)
    happen(engine, "two", **of_wallet("bob"))
    tell(engine, "shop")
    tell(engine, "app", REFUSED, is_given_up=True)
    with engine.begin() as connection:
        connection.execute(update(notifications).where(N.payment_id == "one").values(created_at=NOON))
        (number,) = connection.execute(
            select(N.id).where(N.endpoint == "app", N.payment_id == "two")
        ).scalars()
        notification_operations.discard(connection, Operator("ada"), [number])
    return engine


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        (["--all"], 5),
        (["--wallet", "bob"], 1),
        (["--wallet", "alice"], 4),
        (["--payment-id", "one"], 4),
        (["--endpoint", "app"], 2),
        (["--state", "done"], 2),
        (["--state", "pending"], 2),
        (["--state", "dead"], 1),
        (["--state", "discarded"], 1),
        (["--since", "2026-09-01 12:00:01"], 1),
        (["--since", "2026-09-01", "--until", "2026-09-02", "--endpoint", "shop"], 2),
        (["--until", "2026-09-01"], 0),
        (["--payment-id", "nobody's"], 0),
    ],
)
def test_what_a_filter_means_is_told_again(shops: Engine, chosen: list[str], count: int) -> None:
    table = ctl("notifications", "resend", *chosen, "--dry-run").stdout
    assert table.startswith(f"{count} notifications match.\n")
    assert ("Would be resent" in table) == bool(count)
    assert read("notifications", "resend", *chosen, "--dry-run") == {"matched": count, "resent": 0}
    assert read("actions", "list")[1:] == []
    assert resend(*chosen) == count
    assert len(read("actions", "list")[1:]) == bool(count)
    assert len(_pending(shops)) == {"pending": 2, "dead": 3, "done": 4}.get(chosen[-1], len(_pending(shops)))


def _pending(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(select(N.id).where(N.state == "pending")).scalars())


def test_what_was_discarded_is_left_alone_unless_it_is_named(shops: Engine) -> None:
    resend("--all")
    assert states(shops, "two", "app") == ["discarded"]
    assert resend("--state", "discarded", "--endpoint", "app") == 1
    assert states(shops, "two", "app") == ["pending"]


def test_one_action_tells_of_all_and_names_no_buyer(shops: Engine) -> None:
    resend("--wallet", "alice", "--endpoint", "shop", "--since", "2026-09-01", "--as", "ada")
    action = read("actions", "list")[-1]
    assert (action["who"], action["what"], action["subject"]) == ("ada", "resend", "notifications")
    assert action["after"] == {
        "wallet": "(not kept)",
        "endpoint": "shop",
        "since": "2026-09-01 00:00:00+00:00",
        "count": 2,
    }
    assert "alice" not in json.dumps(action)
    assert states(shops, "one") == ["pending", "pending"]


@pytest.mark.parametrize(
    "which",
    [
        [],
        ["1", "--all"],
        ["--all", "--state", "done"],
        ["--newest"],
        ["1", "--newest"],
        ["--newest", "--state", "dead"],
        ["--newest", "--all", "--state", "dead"],
    ],
)
def test_it_must_be_said_which(shop: Engine, which: list[str]) -> None:
    assert ctl("notifications", "resend", *which).exit_code == 2
    assert states(shop) == ["done", "done"]


def test_many_are_told_in_batches(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notification_operations, "GROUP", 3)
    for number in range(10):
        happen(shop, f"pay-{number}", "Settled", OPENED)
    for _ in range(2):
        tell(shop, "shop")
    assert resend("--all") == 22
    found = told(shop)
    assert len(found) == 22
    assert [version for payment_id, version in found if payment_id == "pay-3"] == [1, 2]


# ---------------------------------------------------------------- the newest


def test_a_new_endpoint_gets_the_newest_of_each_payment(shop: Engine) -> None:
    happen(shop, "other")
    listen(shop, "shop", "app")
    assert resend("--newest", "--endpoint", "app") == 2
    assert sorted(told(shop, "app")) == [("other", 1), ("pay", 2)]
    assert states(shop) == ["done", "done"]
    happen(shop, "pay", WON)
    assert told(shop, "app") == [("pay", 3)]


def test_a_server_that_was_wiped_gets_it_again_and_nothing_else(shop: Engine) -> None:
    done = ctl("notifications", "resend", "--newest", "--all")
    assert done.stdout == "1 notifications match.\n1 resent.\n"
    assert "servers that store `usable`" in done.stderr
    assert states(shop) == ["done", "pending"]
    assert told(shop) == [("pay", 2)]
    assert resend("--newest", "--all") == 1
    assert len(rows(shop)) == 2


def test_what_is_yet_to_be_told_goes_first(shop: Engine) -> None:
    listen(shop, "app")
    happen(shop, "pay", WON)
    tell(shop, "app", AWAY)
    happen(shop, "pay", "Refund")
    listen(shop, "shop", "app")
    assert resend("--newest", "--all") == 2
    wait(shop)
    assert (told(shop, "app"), told(shop)) == ([("pay", 3), ("pay", 4)], [("pay", 4)])


def test_the_newest_is_chosen_by_payment_wallet_and_the_time_of_its_change(engine: Engine) -> None:
    for payment_id, wallet in (("one", "alice"), ("two", "bob"), ("three", "alice")):
        happen(engine, payment_id, **of_wallet(wallet))
    between = datetime.now(UTC)
    happen(engine, "two", OPENED)
    listen(engine, "shop")
    assert resend("--newest", "--payment-id", "nobody's") == 0
    assert resend("--newest", "--since", "2020-01-01", "--wallet", "bob") == 1
    assert told(engine) == [("two", 2)]
    assert resend("--newest", "--wallet", "alice", "--payment-id", "three") == 1
    assert told(engine) == [("three", 1)]
    assert read("actions", "list")[-1]["after"] == {
        "newest": True,
        "payment_id": "three",
        "wallet": "(not kept)",
        "count": 1,
    }
    assert read("notifications", "resend", "--newest", "--all", "--dry-run") == {"matched": 3, "resent": 0}
    with engine.connect() as connection:
        for since, until, count in ((between, None, 1), (None, between, 2), (None, NOON, 0)):
            chosen = NotificationFilter(endpoints=["shop"], since=since, until=until)
            assert notification_operations.how_many_newest(connection, chosen) == count


def test_what_changes_meanwhile_is_told_in_its_order(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notification_operations, "GROUP", 2)
    listen(engine, "shop")
    names = [f"pay-{number}" for number in range(10)]
    for each in names:
        happen(engine, each)
    heard: list[tuple[str, int]] = []
    is_over = threading.Event()

    def hear() -> None:
        while not is_over.is_set() or turn(engine, "shop", most=0).wait is not None:
            claimed = [each for each, _ in turn(engine, "shop", most=3).claimed]
            heard.extend((each.payment_id, each.version) for each in claimed)
            turn(engine, "shop", *(Ended(each, DONE) for each in claimed), most=0)

    with ThreadPoolExecutor() as threads:
        hearing = threads.submit(hear)
        resending = [threads.submit(_resend_newest, engine) for _ in range(2)]
        for day, event_type in enumerate((OPENED, WON, OPENED), start=2):
            for each in names:
                happen(engine, each, event_type, created=f"2026-09-0{day}T10:00:00Z")
        assert [each.result() for each in resending] == [len(names)] * 2
        is_over.set()
        hearing.result()
    for each in names:
        assert set(states(engine, each)) == {"done"}
        versions = [version for payment_id, version in heard if payment_id == each]
        assert list(dict.fromkeys(versions)) == [row.version for row in rows(engine, each)]


def _resend_newest(engine: Engine) -> int:
    chosen = NotificationFilter(endpoints=["shop"])
    done, resent = Batch("", 0), 0
    while done.last is not None:
        with engine.begin() as connection:
            done = notification_operations.resend_newest(connection, chosen, done.last)
        resent += done.size
    return resent


@pytest.fixture
def many(engine: Engine) -> int:
    """Let there be payments that nobody was told of, a quarter of them of two changes; return how many."""
    at = datetime.now(UTC)
    newest = {f"pay-{number:05}": 2 if number % 4 == 0 else 1 for number in range(MANY)}
    decided = {"decision": "granted", "updated_at": at}
    entry = {"item": "sword", "wallet": "alice", "quantity": 1, "status": "granted", "event_id": 1}
    with engine.begin() as connection:
        received = {"id": 1, "key": "key", "event_type": "Settled", "created": "", "body": "{}"}
        connection.execute(insert(events), {**received, "received_at": at})
        rows = [{"id": each, "version": version, **decided} for each, version in newest.items()]
        connection.execute(insert(payments), rows)
        entries = [
            {"payment_id": each, "version": version, "created_at": at, **entry}
            for each, last in newest.items()
            for version in range(1, last + 1)
        ]
        connection.execute(insert(ledger_entries), entries)
    listen(engine, "shop")
    return MANY


def test_many_payments_are_resent_in_bounded_memory_and_short_transactions(engine: Engine, many: int) -> None:
    commits: list[object] = []

    def note(connection: object) -> None:
        commits.append(connection)

    assert resend("--newest", "--payment-id", "pay-00000") == 1
    tracemalloc.start()
    event.listen(Engine, "commit", note)
    try:
        assert resend("--newest", "--endpoint", "shop") == many
        _, most = tracemalloc.get_traced_memory()
    finally:
        event.remove(Engine, "commit", note)
        tracemalloc.stop()
    # Bytes; all at once take seven times as many.
    assert most < 4_000_000
    assert len(commits) >= many // notification_operations.GROUP
    with engine.connect() as connection:
        query = select(N.version, func.count()).group_by(N.version).order_by(N.version)
        assert [tuple(row) for row in connection.execute(query)] == [(1, many * 3 // 4), (2, many // 4)]
        assert connection.execute(select(func.count()).where(N.due_at.is_not(None))).scalar_one() == many
