"""What commands import: most of the time that one takes."""

import json
import subprocess
import sys

import pytest
from sqlalchemy import Engine

from tests.integration.commands import typed
from tests.integration.pipeline import delivery, run, take_in
from tests.stack import ROOT

#: Commands that only read the database, those that need the rules last.
READING = [
    "--version",
    "wallets show alice --json",
    "payments list",
    "payments list --attention",
    "events list",
    "events types",
    "subscriptions list",
    "notifications list",
    "endpoints list",
    "actions list",
    "events show 1",
    "payments show pay-1",
    "find alice",
    "export alice",
    "catalog show",
    "catalog price --item sword",
    "dead-letters list",
]
#: Each takes as long to import as such a command may take.
WORLDS = [
    "alembic",
    "celery",
    "httpx2",
    "psycopg",
    "pydantic_settings",
    "redis",
    "rich",
    "sqlalchemy.dialects.postgresql",
    "structlog",
]


@pytest.mark.parametrize("migrated", ["SQLite"], indirect=True)
def test_what_only_reads_does_not_import_the_workers_world(engine: Engine) -> None:
    run(engine, take_in(engine, delivery("pay-1")))
    program = [sys.executable, "-m", "tests.programs.imported", json.dumps(READING), json.dumps(WORLDS)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == {line: [] for line in READING}
    assert "pay-1" in done.stdout, "they have read something"


@pytest.mark.parametrize("migrated", ["SQLite"], indirect=True)
def test_what_a_command_logs_is_no_part_of_its_answer(engine: Engine) -> None:
    run(engine, take_in(engine, delivery("pay-1", data__webhookInfo={})))
    done = typed("payments", "match", "pay-1", "--item", "sword", "--json")
    assert [grant["item"] for grant in json.loads(done.stdout)["grants"]] == ["sword"]
