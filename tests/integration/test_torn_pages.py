"""A SQLite file with a torn page fails loudly, for everybody, until it is recovered."""

import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import kombu.exceptions
import pytest
from kombu import Connection
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from structlog.testing import capture_logs

from tasks.embedded_broker import file as broker_file
from tasks.embedded_broker.file import BrokerFile
from tasks.embedded_broker.shared_file import FileDamaged
from tasks.worker.kinds import Kind
from tasks.worker.retries import kind
from tests.engines import connected
from tests.integration.work_queue import DEAD_QUEUE, WORK, embedded, publish
from tests.services import missing

PAGE = 4096
MESSAGES = 60


def overwrite(path: Path, page: int, *, start: int = 0) -> None:
    """Fill a page, counted from 1, with noise."""
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE + start)
        file.write(random.Random(page).randbytes(PAGE - start))


def page_of(path: Path, name: str) -> int:
    """Return where a table or an index begins."""
    with closing(sqlite3.connect(path)) as file:
        return int(file.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0])


def overwrite_text(path: Path) -> None:
    """Overwrite what SQLite does not look at: a part of a message's text."""
    place = path.read_bytes().index(b'"mark-30"')
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b'"\xff\x00')


#: What of the file is torn.
TORN: dict[str, Callable[[Path], None]] = {
    "messages": lambda path: overwrite(path, path.read_bytes().index(b'"mark-30"') // PAGE + 1),
    "a text": overwrite_text,
    "the tree of messages": lambda path: overwrite(path, page_of(path, "messages")),
    "an index": lambda path: overwrite(path, page_of(path, "messages_ready")),
    "the schema": lambda path: overwrite(path, 1, start=100),
    "the header": lambda path: overwrite(path, 1),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "broker.sqlite3"


@pytest.fixture
def connection(path: Path) -> Iterator[Connection]:
    """Return a connection to a broker with messages that have been written back to its file."""
    with embedded(path) as connection:
        DEAD_QUEUE(connection.default_channel).declare()
        for number in range(MESSAGES):
            publish(connection, "x" * 700, headers={"mark": f"mark-{number}"})
        with closing(sqlite3.connect(path)) as file:
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        yield connection


def take_all(connection: Connection) -> Iterator[str]:
    queue = WORK(connection.default_channel)
    while message := queue.get():
        message.ack()
        yield message.headers["mark"]


@pytest.mark.parametrize("torn", TORN)
@pytest.mark.parametrize("is_open", [True, False], ids=["while it is used", "before it is opened"])
def test_a_torn_page_stops_everybody_until_the_file_is_recovered(
    connection: Connection, path: Path, torn: str, *, is_open: bool
) -> None:
    if not shutil.which("sqlite3"):
        missing("sqlite3 is not installed")
    other_process = BrokerFile(path)
    if is_open:
        other_process.check()
    else:
        connection.release()
        broker_file._files.clear()  # noqa: SLF001  # as a process that starts
    TORN[torn](path)
    taken: list[str] = []
    with suppress(*connection.connection_errors, kombu.exceptions.OperationalError):
        taken.extend(take_all(connection))
    # A process that has read the schema goes on, until another one starts.
    with pytest.raises(FileDamaged) as damaged:
        BrokerFile(path).check()
    with pytest.raises(FileDamaged) as refused:
        other_process.put(["work"], "{}", durable=True)
    assert str(refused.value) == str(damaged.value)
    command = str(damaged.value).partition("run: ")[2]
    recovered = subprocess.run(["/bin/sh", "-c", command], check=False, capture_output=True)
    if torn in {"the schema", "the header"} and b"no .recover" in recovered.stdout:
        # Nothing can be saved so without the first page, and nothing is changed.
        assert recovered.returncode
        with pytest.raises(FileDamaged):
            other_process.check()
        return
    connection.release()
    with suppress(sqlite3.OperationalError):
        other_process.check()
    other_process.check()
    # The torn page's messages are gone; a page holds two of these.
    found = len(taken) + len(list(take_all(connection)))
    assert found >= MESSAGES - 4 or (torn == "the tree of messages" and b"no .recover" in recovered.stdout)
    assert path.with_name(f"{path.name}.torn").exists()
    publish(connection, "new", headers={"mark": "new"})
    assert list(take_all(connection)) == ["new"]
    assert DEAD_QUEUE(connection.default_channel).get() is None or torn == "a text"


def test_a_file_that_was_replaced_is_opened_anew(connection: Connection, path: Path) -> None:
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)
    with pytest.raises(sqlite3.OperationalError, match="replaced"):
        publish(connection, "old")
    publish(connection, "new", headers={"mark": "new"})
    with closing(sqlite3.connect(path)) as file:
        assert "new" in str(file.execute("SELECT payload FROM messages ORDER BY id DESC LIMIT 1").fetchone())


@pytest.mark.parametrize("state", ["locked", "full"])
def test_what_passes_by_itself_condemns_no_file(connection: Connection, path: Path, state: str) -> None:
    file = BrokerFile(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, suppress(sqlite3.OperationalError):
        if state == "locked":
            other.execute("BEGIN IMMEDIATE")
        with file.transaction() as transaction:
            transaction.execute("PRAGMA max_page_count = 1")
            transaction.execute("INSERT INTO messages (queue, payload) VALUES ('work', ?)", ("x" * 100_000,))
    file.put(["work"], "{}", durable=True)
    assert connection.connected is not None


def test_a_torn_ledger_makes_no_dead_letter_and_says_what_to_do(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.sqlite3"
    with connected(f"sqlite:///{path}") as engine:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE things (name TEXT)"))
            connection.execute(text("INSERT INTO things VALUES (:name)"), [{"name": "x" * 900}] * 50)
        engine.dispose()
        overwrite(path, page_of(path, "things"))
        with (
            capture_logs() as logs,
            pytest.raises(DatabaseError) as torn,
            engine.begin() as connection,
        ):
            connection.execute(text("SELECT count(name) FROM things"))
        assert kind(torn.value) is Kind.TRANSIENT
        (said,) = logs
        assert said["log_level"] == "error"
        assert f"sqlite3 {path} .recover" in said["next_step"]
