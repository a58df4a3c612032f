"""How commands end, as docs/reference/coinflowctl.md says."""

import re
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from tasks import celery
from tasks.celery import Application
from tasks.store import runs
from tasks.store.schema import dead_letters
from tests.integration.commands import ctl, typed
from tests.integration.pipeline import delivery, run, take_in
from tests.stack import ROOT

PAGE = ROOT / "docs" / "reference" / "coinflowctl.md"
BROKEN = "broken.toml"
ENDS = {
    0: ["events list", "wallets show nobody", "payments list --attention", "payments --help"],
    1: [
        "events show 9",
        "export nobody",
        "endpoints pause nobody",
        f"catalog check {BROKEN}",
        # Nobody says yes.
        "erase alice --reason asked",
    ],
    2: [
        "payments",
        "nonsense",
        "events list --nonsense",
        "events list --limit 0",
        "events show one",
        "payments resolve pay --done",
        "payments resolve pay --reason nothing",
        "dead-letters discard",
        "catalog check missing.toml",
    ],
}


@pytest.mark.parametrize("migrated", ["SQLite"], indirect=True)
@pytest.mark.parametrize(("code", "line"), [(code, line) for code in ENDS for line in ENDS[code]])
@pytest.mark.usefixtures("engine")
def test_a_command_ends_as_the_page_says(
    code: int, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(BROKEN).write_text("items = 1")
    done = ctl(*line.split())
    assert done.exit_code == code, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


@pytest.fixture
def _no_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "broker"
    path.write_text("no database of SQLite's" * 1000)
    monkeypatch.setitem(celery.app.conf.broker_transport_options, "path", str(path))


@pytest.mark.parametrize("migrated", ["SQLite"], indirect=True)
@pytest.mark.usefixtures("_no_broker")
def test_where_the_broker_could_not_be_looked_at_an_answer_is_no_whole_one(engine: Engine) -> None:
    run(engine, take_in(engine, delivery(data__subtotal__cents=1)))
    for line in ("list", "replay --error None --yes", "replay --all --dry-run", "discard --error None --yes"):
        done = ctl("dead-letters", *line.split())
        assert (done.exit_code, "the broker's dead messages are left out" in done.stderr) == (1, True)
    assert "PriceMismatch" in ctl("dead-letters", "list").stdout
    # Nothing of it can be the broker's.
    for line in ("list --state discarded", "show 1", "replay 1 --dry-run", "discard 1 --yes"):
        done = ctl("dead-letters", *line.split())
        assert (done.exit_code, done.stderr) == (0, ""), line
    for line in ("show b1", "replay b1 --yes", "discard b1 --yes"):
        done = ctl("dead-letters", *line.split())
        assert (done.exit_code, "the broker alone can tell of b1" in done.stderr) == (1, True)


@pytest.mark.parametrize("migrated", ["SQLite"], indirect=True)
@pytest.mark.parametrize("which", ["--all", "1 2"])
def test_a_replay_of_what_goes_nowhere_any_more_says_so(
    engine: Engine, app: Application, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celery, "app", app, raising=False)
    run(engine, take_in(engine, delivery(data__subtotal__cents=1)))
    with engine.begin() as connection:
        runs.add(connection, [(1, "former_handler")])
        runs.give_up(connection, [1], "former_handler", LookupError(), attempts=1)
    done = ctl("dead-letters", "replay", *which.split(), "--yes")
    assert (done.exit_code, "1 replayed." in done.stdout) == (1, True)
    assert "Warning: 2 is dead again: HandlerMissing" in done.stderr
    assert "1 were not replayed" in done.stderr


@pytest.mark.parametrize("migrated", ["SQLite"], indirect=True)
def test_without_all_of_the_merchants_modules_no_letter_is_touched(engine: Engine) -> None:
    take_in(engine, delivery())
    with engine.begin() as connection:
        runs.add(connection, [(1, "is_never_through")])
        runs.give_up(connection, [1], "is_never_through", LookupError(), attempts=1)
    handlers = {"HANDLERS": "tests.merchants.unreachable,tests.merchants.impatient"}
    listed = typed("dead-letters", "list", **handlers)
    assert (listed.returncode, "LookupError" in listed.stdout) == (0, True), listed.stderr
    done = typed("dead-letters", "replay", "--type", "Settled", "--yes", **handlers)
    assert done.returncode == 1
    assert "a module of HANDLERS cannot be imported (ConnectionRefusedError" in done.stderr
    assert "Traceback" not in done.stderr
    with engine.connect() as connection:
        letters = connection.execute(select(dead_letters.c.error, dead_letters.c.attempts)).all()
    assert letters == [("LookupError", 1)]


def test_an_environment_that_is_refused_is_no_empty_dead_queue(tmp_path: Path) -> None:
    nowhere = tmp_path / "broker.sqlite3"
    refused = {"ENVIRONMENT": "production", "EMBEDDED_BROKER_PATH": str(nowhere)}
    done = typed("dead-letters", "show", "b123", **refused)
    assert (done.returncode, "BROKER_URL: without a broker" in done.stderr) == (1, True), done.stderr
    assert not nowhere.exists()


def test_the_page_tells_of_every_code() -> None:
    assert {int(code) for code in re.findall(r"^- `(\d)`:", PAGE.read_text(), re.MULTILINE)} == set(ENDS)
