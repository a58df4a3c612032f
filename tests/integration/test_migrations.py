"""From any former revision to tables that guard the ledger, rows in all of them; cut off and repeated."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command, op
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, FromClause, MetaData, func, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

import tasks.store.partial_indexes  # noqa: F401  # a part of the schema
from tasks.payments.grants import Entry, Grant
from tasks.payments.states import DecisionStatus, GrantStatus
from tasks.payments.wallet import wallet_key
from tasks.settings import Settings
from tasks.store.ledger import Move, append, held_grants
from tasks.store.migrations.steps import BATCH, transaction
from tasks.store.schema import (
    grants,
    ledger_entries,
    metadata,
    operator_actions,
    orders,
    payments,
    resolutions,
    wallets,
)
from tests.engines import connected
from tests.services import postgres_database
from tests.stack import ROOT

pytestmark = pytest.mark.long

CONFIG = Config(toml_file=ROOT / "pyproject.toml")
NOW = datetime(2026, 9, 1, 10, tzinfo=UTC)
REVISIONS = [each.revision for each in ScriptDirectory.from_config(CONFIG).walk_revisions()][::-1]
#: The last one without wallets.
FORMER = REVISIONS[REVISIONS.index("0007") - 1]
#: The last one that compares wallets by their names.
COMPARED_BY_NAME = "0007"

#: Lets the first row of a second batch fail.
FAULT = f"""
CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'out of luck'; END $$;
CREATE TRIGGER fault BEFORE UPDATE ON grants FOR EACH ROW
WHEN (NEW.payment_id = 'pay-{BATCH + 1:05}') EXECUTE FUNCTION fault();
"""

#: The same for wallets.
WALLET_FAULT = FAULT.replace("ON grants", "ON wallets").replace(
    f"NEW.payment_id = 'pay-{BATCH + 1:05}'", f"NEW.id = {BATCH + 1}"
)

Database = Callable[[], Engine]


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def empty(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """Return what makes an empty database; `migrate` works on the last one."""
    with ExitStack() as servers:

        def make() -> Engine:
            url = f"sqlite:///{tmp_path}/{len(list(tmp_path.iterdir()))}.sqlite3"
            if request.param == "PostgreSQL":
                url = servers.enter_context(postgres_database())
            monkeypatch.setenv("DATABASE_URL", url)
            return servers.enter_context(connected(Settings.load().database_url.get_secret_value()))

        yield make


def migrate(revision: str = "head") -> None:
    command.upgrade(CONFIG, revision)


def fill(engine: Engine, count: int = 3) -> None:
    """Put rows into every table that there is, as the release of its revision would."""
    there = MetaData()
    there.reflect(engine)
    numbers = range(1, count + 1)
    rows: dict[str, Callable[[int], dict[str, Any]]] = {
        "events": lambda number: {
            "id": number,
            "key": f"key-{number}",
            "event_type": "Settled",
            "payment_id": f"pay-{number:05}",
            "created": "",
            "received_at": NOW,
            "body": "{}",
        },
        "payments": lambda number: {"id": f"pay-{number:05}", "decision": "granted", "updated_at": NOW},
        "price_lists": lambda number: {
            "content_hash": f"{number:064}",
            "text": "[items]",
            "accepted_at": NOW,
            "accepted_by": "somebody",
        },
        "operator_actions": lambda number: {
            "at": NOW,
            "who": "ada",
            "what": "match",
            "subject": f"pay-{number:05}",
            "after": "{}",
        },
        # As the release that made them does: the name is the key.
        "wallets": lambda number: {
            "key": spelling(number),
            "name": spelling(number),
            "created_at": NOW,
        },
        "resolutions": lambda number: {
            "payment_id": f"pay-{number:05}",
            "kind": "item",
            "item": "sword",
            "quantity": 1,
            "known": "[]",
            "action_id": number,
            "said_at": NOW,
        },
        "matches": lambda number: {
            "payment_id": f"pay-{number:05}",
            "item": "sword",
            "quantity": 1,
            "matched_at": NOW,
        },
        "orders": ordered,
        "sweeps": lambda number: {"name": f"sweep-{number}", "began_at": NOW},
        "subscriptions": lambda number: {
            "id": f"sub-{number}",
            "state": "active",
            "position": "",
            "event_id": number,
        },
        "grants": lambda number: granted(number) | {"granted_at": NOW},
        "ledger_entries": lambda number: granted(number) | {"event_id": number, "created_at": NOW},
        "handler_runs": lambda number: {
            "event_id": number,
            "handler": "fulfilment",
            "state": "done",
            "sent_at": NOW,
        },
        "dead_letters": lambda number: letter(number) | {"id": number, "traceback": "", "attempts": 1},
        "dead_letter_attempts": lambda number: letter(number) | {"tries": 1},
        "totals": lambda number: {"name": "events", "labels": f'["{number}"]', "value": number},
        "total_marks": lambda number: {
            "source": f"table-{number}",
            "counted_id": number,
            "settling_id": number,
            "settling_since": NOW,
            "settling_transaction": number,
        },
    }
    with engine.begin() as connection:
        for name, row in rows.items():
            if name in there.tables:
                connection.execute(there.tables[name].insert(), [row(number) for number in numbers])


def say(engine: Engine) -> None:
    """Let a person and the merchant say something, which the former revisions have no table for."""
    with engine.begin() as connection:
        action = {"at": NOW, "who": "ada", "what": "resolve", "subject": "pay-00001", "after": {}}
        action_id = connection.execute(operator_actions.insert(), action).inserted_primary_key
        assert action_id
        word = {"payment_id": "pay-00001", "kind": "revoke", "known": "[]", "said_at": NOW}
        connection.execute(resolutions.insert(), {**word, "action_id": action_id[0]})
        connection.execute(orders.insert(), ordered(1))


def ordered(number: int) -> dict[str, Any]:
    line = '[{"item":"sword","quantity":1}]'
    order = {"payment_id": f"pay-{number:05}", "lines": line, "cents": 500, "currency": "USD"}
    return {**order, "answered_at": NOW}


def granted(number: int) -> dict[str, Any]:
    return {
        "payment_id": f"pay-{number:05}",
        "item": "sword",
        "wallet": f"wallet-{number % 2}",
        "quantity": 1,
        "status": "granted",
    }


def spelling(number: int) -> str:
    """Return an address whose capitals are a checksum."""
    return f"0xA{number:039}"


def letter(number: int) -> dict[str, Any]:
    return {"event_id": number, "handler": "fulfilment", "error": "E", "message": "", "failed_at": NOW}


def count(connection: Connection, table: FromClause, *conditions: Any) -> int:
    return connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()


def check_names(engine: Engine, expected: int) -> None:
    """Compare what the new columns say of every row with what the former ones do."""
    with engine.begin() as connection:
        assert count(connection, wallets) == min(2, expected)
        named = wallets.c.id == grants.c.wallet_id
        assert count(connection, grants.join(wallets, named), grants.c.wallet == wallets.c.name) == expected
        named = wallets.c.id == ledger_entries.c.wallet_id
        right = (
            ledger_entries.c.wallet == wallets.c.name,
            ledger_entries.c.delta == ledger_entries.c.quantity,
        )
        assert count(connection, ledger_entries.join(wallets, named), *right) == expected
        if engine.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []


def check_attention(engine: Engine, expected: int) -> None:
    """Compare what the newest columns say with what the former release's rows mean."""
    new = (payments.c.verdicts, payments.c.notes, payments.c.respond_by_date, payments.c.order_id)
    with engine.begin() as connection:
        unknown = [column.is_(None) for column in (*new, payments.c.paid_at)]
        assert count(connection, payments, payments.c.is_done.is_(False), *unknown) == expected
        for row in connection.execute(select(wallets.c.key, wallets.c.name)):
            assert row.key == wallet_key(row.name)


def description(engine: Engine) -> dict[str, Any]:
    """Return what alembic does not compare, too: constraints, triggers, and the functions they call."""
    queries = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": (
            "SELECT tgname, pg_get_triggerdef(pg_trigger.oid) || pg_get_functiondef(tgfoid) "
            "FROM pg_trigger WHERE NOT tgisinternal"
        ),
    }
    there = inspect(engine)
    with engine.connect() as connection:
        triggers = connection.execute(text(queries[engine.dialect.name])).all()
        not_validated = (
            connection.execute(text("SELECT conname FROM pg_constraint WHERE NOT convalidated")).all()
            if engine.dialect.name == "postgresql"
            else []
        )

    def listed(found: list[Any]) -> list[str]:
        return sorted(json.dumps(each, sort_keys=True, default=str) for each in found)

    tables = {
        name: [
            str(sorted(there.get_pk_constraint(name).items())),
            listed(there.get_check_constraints(name)),
            listed(there.get_foreign_keys(name)),
            listed(there.get_unique_constraints(name)),
            listed(there.get_indexes(name)),
            {
                each["name"]: (str(each["type"]), each["nullable"], each["default"])
                for each in there.get_columns(name)
            },
        ]
        for name in there.get_table_names()
        if name != "alembic_version"
    }
    return {"triggers": sorted(map(tuple, triggers)), "not validated": not_validated, **tables}


def test_the_migrations_make_what_the_schema_states(empty: Database) -> None:
    stated = empty()
    metadata.create_all(stated)
    migrated = empty()
    migrate()
    with migrated.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert description(migrated) == description(stated)


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_rows_of_every_former_revision_come_along(empty: Database, revision: str) -> None:
    engine = empty()
    migrate(revision)
    fill(engine)
    migrate()
    if revision in REVISIONS[: REVISIONS.index(FORMER) + 1]:
        check_names(engine, 3)
    if revision in REVISIONS[: REVISIONS.index(COMPARED_BY_NAME) + 1]:
        check_attention(engine, 3)
    before = description(engine)
    migrate()
    assert description(engine) == before


def test_a_release_that_fails_half_way_is_repeated(empty: Database) -> None:
    """A row breaks a constraint of a late table: what a fault anywhere else would do, too."""
    engine = empty()
    migrate(FORMER)
    fill(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE dead_letters SET attempts = 0 WHERE id = 1"))
    for _ in range(2):
        with pytest.raises(IntegrityError, match="ck_dead_letters_attempts"):
            migrate()
    with engine.begin() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == FORMER
        connection.execute(text("UPDATE dead_letters SET attempts = 1 WHERE id = 1"))
    migrate()
    check_names(engine, 3)


@pytest.mark.parametrize("empty", ["PostgreSQL"], indirect=True)
def test_a_back_fill_that_is_cut_off_goes_on_where_it_was(empty: Database) -> None:
    """A fault of the database in the second batch."""
    engine = empty()
    migrate(FORMER)
    fill(engine, BATCH + 1)
    with engine.begin() as connection:
        connection.execute(text(FAULT))
    with pytest.raises(DBAPIError, match="out of luck"):
        migrate()
    with engine.begin() as connection:
        assert count(connection, grants, grants.c.wallet_id.is_not(None)) == BATCH
        connection.execute(text("DROP FUNCTION fault CASCADE"))
    # An index that was cut off is there and not valid; this one can never be.
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with pytest.raises(IntegrityError, match="ix_grants_wallet_id"), autocommit.connect() as connection:
        connection.execute(text("CREATE UNIQUE INDEX CONCURRENTLY ix_grants_wallet_id ON grants (wallet)"))
    migrate()
    check_names(engine, BATCH + 1)
    (index,) = [each for each in inspect(engine).get_indexes("grants") if "wallet_id" in each["column_names"]]
    assert not index["unique"]
    # All was done but to note it.
    command.stamp(CONFIG, FORMER)
    migrate()
    check_names(engine, BATCH + 1)


@pytest.mark.parametrize("empty", ["PostgreSQL"], indirect=True)
def test_wallets_whose_comparison_was_cut_off_are_compared_all_the_same(empty: Database) -> None:
    """A fault of the database in the second batch, beside a release that goes on naming wallets."""
    engine = empty()
    migrate(COMPARED_BY_NAME)
    fill(engine, BATCH + 1)
    with engine.begin() as connection:
        connection.execute(text(WALLET_FAULT))
    with pytest.raises(DBAPIError, match="out of luck"):
        migrate()
    with engine.begin() as connection:
        assert count(connection, wallets, wallets.c.key != wallets.c.name) == BATCH
        connection.execute(text("DROP FUNCTION fault CASCADE"))
        name = spelling(BATCH + 2)
        connection.execute(wallets.insert(), {"key": name, "name": name, "created_at": NOW})
    migrate()
    check_attention(engine, BATCH + 1)
    # All was done but to note it.
    command.stamp(CONFIG, COMPARED_BY_NAME)
    migrate()
    check_attention(engine, BATCH + 1)


def test_spellings_of_one_account_share_a_key_from_then_on(empty: Database) -> None:
    engine = empty()
    migrate(COMPARED_BY_NAME)
    names = [spelling(1), spelling(1).lower(), "Zoe\u0301", "Zo\u00e9", "alice", "Alice"]
    with engine.begin() as connection:
        rows = [{"key": name, "name": name, "created_at": NOW} for name in names]
        connection.execute(wallets.insert(), rows)
    migrate()
    with engine.connect() as connection:
        stored = connection.execute(select(wallets.c.key, wallets.c.name).order_by(wallets.c.id)).all()
    assert [row.name for row in stored] == names
    keys = [row.key for row in stored]
    assert (keys[0], keys[2]) == (keys[1], keys[3])
    assert len(set(keys)) == 4


@pytest.mark.parametrize("empty", ["PostgreSQL"], indirect=True)
def test_a_release_gives_up_before_it_holds_the_shop_up(empty: Database) -> None:
    """A transaction that ends late keeps a constraint from being added; all that comes after it waits."""
    engine = empty()
    migrate(FORMER)
    fill(engine)
    with engine.begin() as somebody:
        somebody.execute(select(payments.c.id).with_for_update())
        with pytest.raises(SystemExit, match=r"lock timeout.*can be tried again"):
            migrate()
    migrate()
    check_names(engine, 3)


def test_ledger_rows_stay_as_they_are(empty: Database) -> None:
    engine = empty()
    migrate(FORMER)
    fill(engine)
    migrate()
    say(engine)
    refused = [
        "UPDATE ledger_entries SET quantity = 2",
        "DELETE FROM ledger_entries",
        "DELETE FROM grants",
        "DELETE FROM resolutions",
        "UPDATE orders SET cents = 1",
        "DELETE FROM orders",
        *(
            [f"TRUNCATE {name}" for name in ("ledger_entries", "grants", "resolutions", "orders")]
            if engine.dialect.name == "postgresql"
            else []
        ),
    ]
    for statement in refused:
        with pytest.raises(IntegrityError, match="what stands there stays"), engine.begin() as connection:
            connection.execute(text(statement))
    check_names(engine, 3)


def test_a_migration_lifts_the_guard_for_its_own_transaction(empty: Database) -> None:
    engine = empty()
    migrate()
    fill(engine)
    correct = "UPDATE ledger_entries SET quantity = 2"
    level = "AUTOCOMMIT" if engine.dialect.name == "postgresql" else "SERIALIZABLE"
    with engine.execution_options(isolation_level=level).connect() as connection:
        with (
            Operations.context(MigrationContext.configure(connection)),
            transaction(lifting="ledger_entries"),
        ):
            op.execute(correct)
        connection.commit()
    with engine.begin() as connection:
        assert count(connection, ledger_entries, ledger_entries.c.quantity == 2) == 3
    with pytest.raises(IntegrityError, match="what stands there stays"), engine.begin() as connection:
        connection.execute(text(correct))


def test_states_and_quantities_that_nobody_knows_are_refused(empty: Database) -> None:
    engine = empty()
    migrate(FORMER)
    fill(engine)
    migrate()
    say(engine)
    for change in (
        "events SET set_aside = 'odd'",
        "payments SET decision = 'odd'",
        "payments SET cents = -1",
        "payments SET refunded_cents = -1",
        "matches SET quantity = 0",
        "grants SET quantity = 0",
        "grants SET status = 'odd'",
        "grants SET wallet_id = 99",
        "handler_runs SET state = 'odd'",
        "handler_runs SET starts = -1",
        "dead_letters SET attempts = 0",
        "dead_letter_attempts SET tries = 0",
        "resolutions SET kind = 'odd'",
        "resolutions SET quantity = 0",
        "resolutions SET action_id = 99",
        "resolutions SET payment_id = 'nobody'",
        "payments SET is_done = NULL",
    ):
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(text(f"UPDATE {change}"))
    odd = granted(1) | {"status": "odd", "event_id": 1, "created_at": NOW}
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(ledger_entries.insert(), odd)
    for faulty in ({"cents": -1}, {"payment_id": "nobody"}):
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(orders.insert(), ordered(2) | faulty)


def test_what_the_former_release_writes_meanwhile_is_read_by_its_names(empty: Database) -> None:
    engine = empty()
    migrate()
    own = Grant("pay-00001", "sword", "alice", 1, GrantStatus.GRANTED)
    with engine.begin() as connection:
        connection.execute(
            payments.insert(), {"id": "pay-00001", "decision": DecisionStatus.GRANTED, "updated_at": NOW}
        )
        event = {
            "id": 1,
            "key": "key",
            "event_type": "Settled",
            "created": "",
            "received_at": NOW,
            "body": "{}",
        }
        connection.execute(metadata.tables["events"].insert(), event)
        append(connection, [Move(Entry(own, 1), 1, 1)], NOW)
        assert held_grants(connection, ["pay-00001"]) == {"pay-00001": {"sword": own}}
        # As the former release moves it to another wallet: it knows no `wallet_id`.
        connection.execute(text("UPDATE grants SET wallet = 'bob'"))
        former = {"payment_id": "pay-00001", "item": "shield", "wallet": "bob", "quantity": 2}
        connection.execute(grants.insert(), {**former, "status": "granted", "granted_at": NOW})
        held = held_grants(connection, ["pay-00001"])["pay-00001"]
        assert {(each.item, each.wallet) for each in held.values()} == {("sword", "bob"), ("shield", "bob")}
        # And back by this release.
        append(connection, [Move(Entry(own, 1), 1, 1)], NOW)
        assert held_grants(connection, ["pay-00001"])["pay-00001"]["sword"].wallet == "alice"
        assert count(connection, grants, grants.c.wallet_id.is_(None)) == 1
        entry = connection.execute(select(ledger_entries).order_by(ledger_entries.c.id)).first()
        assert entry
        assert (entry.wallet, entry.delta, entry.quantity) == ("", 1, 1)
