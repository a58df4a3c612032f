"""What a worker makes of its price list's file, with real databases and the program that it starts."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, select, text
from structlog.testing import capture_logs

from tasks.settings import Settings
from tasks.store.database import connect
from tasks.store.price_lists import accept, newest
from tasks.store.schema import price_lists
from tasks.worker import price_list_watch
from tasks.worker.price_list_acceptance import take
from tasks.worker.price_list_watch import PriceListWatch
from tests.services import free_port
from tests.waiting import wait_until

pytestmark = pytest.mark.long


def listed(cents: int) -> str:
    return f"[items.sword]\nprice = {{ cents = {cents} }}\n"


def in_force(engine: Engine) -> int | None:
    """Return what a sword costs."""
    with engine.begin() as connection:
        accepted = newest(connection)
    return accepted.prices.items["sword"].prices[0].cents if accepted else None


def apply(engine: Engine, cents: int) -> None:
    with engine.begin() as connection:
        accept(connection, listed(cents), "an operator")


class Worker:
    """What the watch asks of a worker, over a real file."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.engine = engine
        self.path = path
        self.hostname = "celery@shop"
        settings = SimpleNamespace(catalog_path=path)
        self.app = SimpleNamespace(collaborators=SimpleNamespace(engine=engine, settings=settings))
        self.watch: PriceListWatch | None = None

    def start(self) -> list[dict[str, Any]]:
        """Start the watch; return what is logged."""
        self.watch = PriceListWatch(self)
        with capture_logs() as logs:
            self.watch.create(self)
        return [dict(log) for log in logs]

    def look(self) -> bool:
        assert self.watch
        self.watch.look()
        return True

    def expect(self, cents: int, engine: Engine | None = None) -> None:
        """Look until a sword costs so much."""
        wait_until(
            lambda: self.look() and in_force(engine or self.engine) == cents,
            what=f"a sword costs {cents}",
        )


@pytest.fixture
def worker(migrated: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setattr(price_list_watch, "RETRY_AFTER", 0.0)
    monkeypatch.setenv("LOG_FORMAT", "json")
    path = tmp_path / "catalog.toml"
    path.write_text(listed(5))
    worker = Worker(migrated, path)
    yield worker
    if worker.watch:
        worker.watch.stop(worker)


def test_the_first_list_ever_is_accepted_at_a_start(worker: Worker) -> None:
    (log,) = worker.start()
    assert (log["event"], log["file"], log["items"]) == ("price_list.changed", str(worker.path), 1)
    assert in_force(worker.engine) == 5
    with worker.engine.connect() as connection:
        assert connection.execute(select(price_lists.c.accepted_by)).scalar_one() == "celery@shop"


def test_a_list_with_an_item_that_any_amount_buys_is_accepted_with_a_warning(worker: Worker) -> None:
    worker.path.write_text(listed(5) + "".join(f'[items.gift{n}]\nprice = "any"\n' for n in range(11)))
    _, log = worker.start()
    assert (log["event"], log["log_level"]) == ("price_list.any_amount", "warning")
    assert log["items"] == ", ".join([*(f"gift{n}" for n in range(10)), "..."])
    assert "JWT" in log["reason"]
    assert in_force(worker.engine) == 5


def test_a_start_beside_the_same_list_says_nothing(worker: Worker) -> None:
    apply(worker.engine, 5)
    assert worker.start() == []


def test_a_file_that_differs_at_a_start_is_reported_and_left_alone(worker: Worker) -> None:
    apply(worker.engine, 6)
    (log,) = worker.start()
    assert (log["event"], log["log_level"], log["file"]) == (
        "price_list.differs",
        "warning",
        str(worker.path),
    )
    assert "coinflowctl catalog apply" in log["next_step"]
    assert "price list " in log["in_force"]
    assert in_force(worker.engine) == 6


@pytest.mark.parametrize("text", ["[items.sword]\n", None])
def test_a_start_beside_a_broken_file_goes_on_with_the_list_in_force(
    worker: Worker, text: str | None
) -> None:
    apply(worker.engine, 6)
    worker.path.unlink()
    if text:
        worker.path.write_text(text)
    (log,) = worker.start()
    assert (log["event"], log["log_level"], log["line"]) == (
        "price_list.refused",
        "error",
        1 if text else None,
    )
    assert "price list " in log["in_force"]
    assert in_force(worker.engine) == 6


@pytest.mark.parametrize("text", ["[items.sword]\n", None])
def test_without_any_list_there_is_no_start(worker: Worker, text: str | None) -> None:
    worker.path.unlink()
    if text:
        worker.path.write_text(text)
    with pytest.raises(SystemExit) as exits:
        worker.start()
    complaint = f"{worker.path}, line 1: items.sword.price" if text else "CATALOG_PATH"
    assert complaint in str(exits.value)


class Said:
    """What the program that the watch starts has logged."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured
        self._lines: list[str] = []

    def __call__(self, event: str) -> list[dict[str, Any]]:
        self._lines += self._captured.readouterr().out.splitlines()
        return [json.loads(line) for line in self._lines if f'"{event}"' in line]


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Said:
    return Said(capfd)


def test_an_edit_while_the_worker_runs_is_accepted(worker: Worker, said: Said) -> None:
    apply(worker.engine, 6)
    worker.start()
    # Longer than what a pipe would hold.
    worker.path.write_text(listed(7) + "# a remark\n" * 20_000)
    worker.expect(7)
    (line,) = wait_until(lambda: said("price_list.changed"), what="it says so")
    assert (line["file"], line["logger"]) == (str(worker.path), "tasks.worker.price_list")


def test_a_broken_edit_changes_nothing_and_is_reported_once(worker: Worker, said: Said) -> None:
    worker.start()
    worker.path.write_text(listed(0))

    def refused() -> list[dict[str, Any]]:
        worker.look()
        return said("price_list.refused")

    (line,) = wait_until(refused, what="it is refused")
    assert (line["file"], line["line"]) == (str(worker.path), 2)
    assert line["reason"] == "items.sword.price.cents: what costs nothing needs a limit"
    assert in_force(worker.engine) == 5
    worker.path.write_text(listed(7))
    worker.expect(7)
    assert len(said("price_list.refused")) == 1


def test_a_worker_starts_without_its_database_and_accepts_the_first_list_later(
    worker: Worker, migrated: Engine, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Settings.load().database_url.get_secret_value()
    away = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none"
    monkeypatch.setenv("DATABASE_URL", away)
    worker.app.collaborators.engine = connect(away)
    (log,) = worker.start()
    assert (log["event"], log["log_level"]) == ("price_list.waiting", "warning")
    wait_until(lambda: worker.look() and len(said("price_list.waiting")) == 2, what="it tries again")
    monkeypatch.setenv("DATABASE_URL", there)
    worker.expect(5, migrated)
    # What differs later is an edit all the same.
    worker.path.write_text(listed(8))
    worker.expect(8, migrated)


@pytest.mark.parametrize(("revision", "said"), [("0001", "alembic upgrade head"), ("9999", "newer version")])
def test_a_worker_says_how_far_another_version_has_migrated_the_database_and_starts(
    worker: Worker, migrated: Engine, revision: str, said: str
) -> None:
    """Beside a release, the former version's workers go on, and the new ones wait."""
    with migrated.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :now"), {"now": revision})
    first, *_ = worker.start()
    assert first["event"] == "database.revision"
    assert revision in first["reason"]
    assert said in first["reason"]
    assert in_force(migrated) == 5


def test_a_start_that_had_to_wait_leaves_the_list_in_force_alone(
    worker: Worker, migrated: Engine, said: Said
) -> None:
    apply(migrated, 6)
    worker.app.collaborators.engine = connect(f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none")
    worker.start()
    wait_until(lambda: worker.look() and said("price_list.differs"), what="it is reported")
    assert in_force(migrated) == 6


def test_an_edit_to_what_is_in_force_changes_nothing(worker: Worker) -> None:
    apply(worker.engine, 6)
    with capture_logs() as logs:
        take(worker.engine, listed(6), worker.path, "celery@shop")
    assert [log["event"] for log in logs] == ["price_list.unchanged"]


def test_a_worker_that_fulfils_nothing_leaves_it_alone(worker: Worker) -> None:
    watch = PriceListWatch(worker)
    for queues, is_watching in {("notifications",): False, ("notifications", "fulfilment"): True}.items():
        worker.app.amqp = SimpleNamespace(queues=SimpleNamespace(consume_from=queues))
        assert watch.include_if(worker) is is_watching
