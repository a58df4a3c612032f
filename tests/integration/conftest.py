"""Databases with the product's tables, one per test."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from tasks.settings import Settings
from tasks.store.database import connect
from tests.services import postgres_database
from tests.stack import ROOT


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def engine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Engine]:
    """Return connections to an empty, migrated database."""
    with ExitStack() as servers:
        url = f"sqlite:///{tmp_path}/coinflow.sqlite3"
        if request.param == "PostgreSQL":
            url = servers.enter_context(postgres_database())
        monkeypatch.setenv("DATABASE_URL", url)
        command.upgrade(Config(toml_file=ROOT / "pyproject.toml"), "head")
        engine = connect(Settings.load().database_url.get_secret_value())
        yield engine
        engine.dispose()
