"""Databases with the product's tables, one per test."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from celeryconfig import task_queues
from tasks.celery import Application, create_app
from tasks.settings import Settings
from tasks.store.price_lists import accept
from tests.engines import connected
from tests.services import postgres_database
from tests.stack import ROOT

PRICE_LIST = (ROOT / "catalog.toml").read_text()


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def migrated(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """Return connections to an empty, migrated database."""
    with ExitStack() as servers:
        url = f"sqlite:///{tmp_path}/coinflow.sqlite3"
        if request.param == "PostgreSQL":
            url = servers.enter_context(postgres_database())
        monkeypatch.setenv("DATABASE_URL", url)
        command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
        yield servers.enter_context(connected(Settings.load().database_url.get_secret_value()))


@pytest.fixture
def engine(migrated: Engine) -> Engine:
    """Return the same with a price list in force, as after a release."""
    with migrated.begin() as connection:
        accept(connection, PRICE_LIST, "a release")
    return migrated


@pytest.fixture
def app(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:  # noqa: ARG001  # it names the database
    """Return the product on the test's database and an embedded broker of its own."""
    (tmp_path / "catalog.toml").write_text(PRICE_LIST)
    monkeypatch.setenv("CATALOG_PATH", str(tmp_path / "catalog.toml"))
    app = create_app(Settings.load())
    try:
        app.conf.broker_transport_options = {"path": str(tmp_path / "broker.sqlite3")}
        app.loader.import_default_modules()
        with app.connection_for_write() as connection:
            for queue in task_queues:
                queue(connection.default_channel).declare()
        yield app
    finally:
        app.collaborators.engine.dispose()
        app.close()
