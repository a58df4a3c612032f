"""Files that hold personal data are for their owner alone, whatever the umask says."""

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tasks.embedded_broker.file import BrokerFile, QueueLimits
from tasks.store.database import connect
from tests.checkout import copy_checkout
from tests.make_run import Run
from tests.stack import ROOT, Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def _loose() -> Iterator[None]:
    """Let everybody read what is made, unless its maker says otherwise."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def readable(folder: Path) -> list[str]:
    """Return what others than the owner could read, or look into, in a folder and below."""
    return [str(path) for path in [folder, *folder.rglob("*")] if mode(path) & 0o077]


def write_broker(file: Path) -> BrokerFile:
    broker = BrokerFile(file)
    broker.declare("events", QueueLimits(None, None, None, None))
    broker.put(["events"], "{}", durable=True)
    return broker


def test_the_embedded_brokers_files(tmp_path: Path) -> None:
    file = tmp_path / "var" / "broker.sqlite3"
    write_broker(file)
    assert {each.name for each in file.parent.iterdir()} > {file.name, f"{file.name}-wal", f"{file.name}-shm"}
    assert readable(file.parent) == []


def test_the_ledgers_files(tmp_path: Path) -> None:
    file = tmp_path / "var" / "ledger.sqlite3"
    engine = connect(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE wallets (name TEXT)")
        assert Path(f"{file}-wal").exists()
        assert readable(file.parent) == []
    engine.dispose()


@pytest.mark.parametrize(
    ("before", "after"), [(0o644, 0o600), (0o666, 0o600), (0o664, 0o660), (0o660, 0o660), (0o640, 0o640)]
)
def test_what_everybody_could_read_is_closed_and_what_a_group_was_given_stays(
    tmp_path: Path, before: int, after: int
) -> None:
    ledger = tmp_path / "ledger.sqlite3"
    names = [tmp_path / "broker.sqlite3", ledger, Path(f"{ledger}-wal")]
    for each in names:
        each.touch()
        each.chmod(before)
    write_broker(names[0])
    connect(f"sqlite:///{ledger}").dispose()
    assert [mode(each) for each in names] == [after] * 3


def test_a_file_that_cannot_be_made_is_sqlites_to_name(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    engine = connect(f"sqlite:///{tmp_path / 'folder'}")
    with pytest.raises(Exception, match="unable to open database file"), engine.connect():
        pass
    engine.dispose()


def test_a_database_in_memory_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("sqlite://", "sqlite:///:memory:"):
        engine = connect(url)
        with engine.connect() as connection, closing(connection):
            connection.exec_driver_sql("SELECT 1")
        engine.dispose()
    assert not any(tmp_path.iterdir())


def test_beats_schedule(tmp_path: Path) -> None:
    with Stack(tmp_path, {}) as stack:
        stack.start("beat")
        var = tmp_path / "app" / "var"
        wait_until(lambda: list(var.glob("celerybeat-schedule*")), what="beat has written its schedule")
        assert readable(var) == []


@pytest.mark.parametrize("existing", [False, True])
def test_make_run(tmp_path: Path, *, existing: bool) -> None:
    copy_checkout(tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    private = [tmp_path / ".env", tmp_path / "var"]
    if existing:
        private[0].write_text((ROOT / ".env.example").read_text())
        private[1].mkdir()
        assert [mode(each) for each in private] == [0o644, 0o755]
    run = Run(tmp_path)
    run.start()
    try:
        wait_until(run.ready, what="make run is ready", log=run.log.read_text)
        assert [mode(each) for each in private] == [0o600, 0o700]
        assert readable(private[1]) == []
    finally:
        run.stop()
