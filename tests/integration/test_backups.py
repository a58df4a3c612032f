"""docs/how-to/back-up-and-restore.md, followed: what is told again after a restore is in the wallet once."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, make_url, select
from sqlalchemy.exc import DatabaseError

from tasks.embedded_broker.file import BrokerFile
from tasks.store.price_lists import accept
from tasks.store.schema import ledger_entries
from tests.documents import scripts
from tests.engines import connected
from tests.integration.commands import read
from tests.integration.conftest import PRICE_LIST, migrate
from tests.integration.pipeline import delivery, run, take_in
from tests.services import missing, postgres_database
from tests.stack import ROOT

PAGE = scripts(ROOT / "docs" / "how-to" / "back-up-and-restore.md")
BEFORE = [delivery(f"pay-{number}") for number in range(3)]
#: The last one takes back what was granted before the backup.
AFTER = [
    *(delivery(f"pay-{number}") for number in range(3, 6)),
    delivery("pay-0", "Card Payment Chargeback Lost"),
]


def follow(script: str, folder: Path, environment: Mapping[str, str] = {}) -> None:
    """Type what the page says."""
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def come(engine: Engine, *deliveries: Any) -> None:
    for each in deliveries:
        run(engine, take_in(engine, each))


def entries(engine: Engine) -> list[tuple[Any, ...]]:
    """Return what the ledger tells of each payment, in order."""
    columns = [ledger_entries.c[name] for name in ("payment_id", "version", "item", "delta", "status")]
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(ledger_entries.c.id))]


def sell(url: str) -> list[tuple[Any, ...]]:
    """Sell what comes after the backup; return what the ledger tells at the end."""
    with connected(url) as engine:
        come(engine, *AFTER)
        return entries(engine)


def open_shop(url: str) -> None:
    """Accept the price list, and sell what comes before the backup."""
    with connected(url) as engine:
        with engine.begin() as connection:
            accept(connection, PRICE_LIST, "a release")
        come(engine, *BEFORE)


def check_restored(url: str, known: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell everything again, twice; what comes of it is what was there before."""
    monkeypatch.setenv("DATABASE_URL", url)
    migrate(url)
    with connected(url) as engine:
        assert entries(engine) == known[: len(BEFORE)]
        come(engine, *BEFORE, *AFTER, *AFTER)
        assert entries(engine) == known
        # It also goes on from there.
        come(engine, delivery("pay-6"))
        with pytest.raises(DatabaseError), engine.begin() as connection:
            connection.execute(delete(ledger_entries))
    held = {each["payment_id"]: each["status"] for each in read("wallets", "show", "alice")["items"]}
    assert held == {"pay-0": "revoked"} | {f"pay-{number}": "granted" for number in range(1, 7)}
    assert read("payments", "list", "--attention") == []


def test_what_is_told_again_after_a_restore_of_sqlite_is_granted_once(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("sqlite3"):
        missing("sqlite3 is not installed")
    var = tmp_path / "var"
    var.mkdir()
    shutil.copy(sqlite_template, var)
    for name in (".env.example", "catalog.toml"):
        shutil.copy(ROOT / name, tmp_path / name.removesuffix(".example"))
    url = f"sqlite:///{var}/coinflow.sqlite3"
    open_shop(url)
    broker = BrokerFile(var / "broker.sqlite3")
    broker.put(["events"], '"in flight"', durable=True)
    with connected(url) as engine, engine.connect():
        # The product runs meanwhile.
        follow(PAGE["Back up SQLite"], tmp_path)
    broker.put(["events"], '"later"', durable=True)
    known = sell(url)
    follow(PAGE["Restore SQLite"], tmp_path)
    waiting = BrokerFile(var / "broker.sqlite3").read("SELECT payload FROM messages")
    assert waiting == [('"in flight"',)]
    copies = [*var.glob("*.sqlite3"), *(tmp_path / "backup").iterdir()]
    assert {path.stat().st_mode & 0o077 for path in copies} == {0}, copies
    check_restored(url, known, monkeypatch)


def test_what_is_told_again_after_a_restore_of_postgresql_is_granted_once(
    tmp_path: Path, postgres_template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("pg_dump", "pg_restore", "createdb", "dropdb"):
        if not shutil.which(program):
            missing(f"{program} is not installed")
    # No pooler before it, as the page says.
    monkeypatch.delenv("DATABASE_POOLER", raising=False)
    with postgres_database(template=postgres_template, pooler="") as lost:
        restored = make_url(lost).set(database=f"{make_url(lost).database}_restored")
        urls = {"DATABASE_URL": lost, "RESTORED_URL": restored.render_as_string(hide_password=False)}
        open_shop(driven(lost))
        follow(PAGE["Back up PostgreSQL"], tmp_path, urls)
        known = sell(driven(lost))
        restore = PAGE["Restore PostgreSQL"].replace("coinflow_restored", str(restored.database))
        try:
            follow(restore, tmp_path, urls)
            check_restored(driven(urls["RESTORED_URL"]), known, monkeypatch)
        finally:
            drop = ["dropdb", "--if-exists", "--force", f"--maintenance-db={lost}", str(restored.database)]
            subprocess.run(drop, check=True, capture_output=True)


def driven(url: str) -> str:
    """Return a database's URL as settings have it."""
    return make_url(url).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
