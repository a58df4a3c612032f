"""Replicas that start together run the release step at the same moment, each its own."""

import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.services import pgbouncer, postgres_database
from tests.stack import Stack, procfile
from tests.waiting import PATIENCE

pytestmark = pytest.mark.long


def release_at_once(stack: Stack, replicas: int = 4) -> list[tuple[int, str]]:
    """Return the exit code of each, and what it wrote."""
    processes = [
        subprocess.Popen(
            ["/bin/sh", "-c", procfile()["release"]],
            cwd=stack.folder / "app",
            env=stack.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(replicas)
    ]
    said = [process.communicate(timeout=2 * PATIENCE)[0] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL", "PgBouncer"])
def test_four_releases_at_once_make_one_schema_and_accept_one_price_list(
    tmp_path: Path, database: str
) -> None:
    with ExitStack() as servers:
        environment = {}
        if database != "SQLite":
            url = servers.enter_context(postgres_database(pooler=""))
            if database == "PgBouncer":
                # The one that migrates has two, and whoever waits asks by a third.
                url = servers.enter_context(pgbouncer(url, servers=3))
                environment["DATABASE_POOLER"] = "true"
            environment["DATABASE_URL"] = url
        with Stack(tmp_path, environment) as stack:
            done = release_at_once(stack)
            assert [code for code, _ in done] == [0] * 4, "\n".join(text for _, text in done)
            said = [text for _, text in done]
            assert sum("is in force now" in text for text in said) == 1
            assert sum("is in force already" in text for text in said) == 3
            assert sum("Running upgrade" in text for text in said) <= 1
            assert stack.read("catalog", "show")["price_list"]["accepted_by"]
