"""Databases with the product's tables, one per test."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from kombu.asynchronous import Hub
from sqlalchemy import Engine, make_url

from celeryconfig import task_queues
from tasks.celery import Application, create_app
from tasks.settings import Settings
from tasks.store.price_lists import accept
from tests.engines import connected
from tests.services import postgres_database
from tests.stack import ROOT

PRICE_LIST = (ROOT / "catalog.toml").read_text()


def migrate(url: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", url)
        command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated file; to copy one takes a hundredth of the time that it takes to make it."""
    path = tmp_path_factory.mktemp("template") / "coinflow.sqlite3"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[str]:
    """Return the name of a migrated database to copy."""
    # A pooler would keep a connection to it, and nobody may look at what is copied.
    with postgres_database(pooler="") as url:
        migrate(url)
        yield str(make_url(url).database)


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def migrated(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """Return connections to an empty, migrated database."""
    with ExitStack() as servers:
        if request.param == "PostgreSQL":
            template = request.getfixturevalue("postgres_template")
            url = servers.enter_context(postgres_database(template=template))
        else:
            url = f"sqlite:///{tmp_path}/coinflow.sqlite3"
            shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path)
        monkeypatch.setenv("DATABASE_URL", url)
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


@pytest.fixture
def loop() -> Iterator[Hub]:
    """Return an event loop as a worker has."""
    loop = Hub()
    yield loop
    loop.close()
