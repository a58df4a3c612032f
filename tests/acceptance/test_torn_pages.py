"""A torn page of the embedded broker's file is refused and said, not slept through."""

import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from tests.acceptance.purchases import buy, granted
from tests.services import missing
from tests.stack import Stack
from tests.waiting import wait_until

PAGE = 4096


def test_a_torn_page_is_refused_until_what_is_left_of_the_file_is_recovered(tmp_path: Path) -> None:
    path = tmp_path / "broker.sqlite3"
    with Stack(tmp_path, {}) as stack:
        stack.release()
        stack.start("web", "worker")
        buy(stack, "before")
        granted(stack, "before")
        os.kill(stack.processes["worker"].pid, signal.SIGSTOP)
        wallets = [f"torn-{number}" for number in range(10)]
        for wallet in wallets:
            buy(stack, wallet)
        tear(path)
        os.kill(stack.processes["worker"].pid, signal.SIGCONT)
        mark = path.with_name(f"{path.name}.damaged")
        wait_until(mark.exists, what="the torn page is noticed", log=lambda: stack.log("worker"))
        buy(stack, "refused", status="503")
        assert stack.get("/readyz") == 503
        assert f"sqlite3 {path} .recover" in stack.log("worker")
        assert f"sqlite3 {path} .recover" in stack.log("web")
        recover(mark)
        wait_until(lambda: stack.get("/readyz") == 200, what="the receiver is ready")
        buy(stack, "after")
        granted(stack, "after")
        # The torn page held three of the messages at most.
        wait_until(
            lambda: sum(bool(stack.wallet(wallet)) for wallet in wallets) >= len(wallets) - 3,
            what="what was recovered is granted",
            log=lambda: stack.log("worker"),
        )
        assert stack.processes["worker"].poll() is None
        # It waits between two tries to connect.
        assert stack.log("worker").count("is damaged") < 30


def tear(path: Path) -> None:
    """Overwrite a page that holds a message in the middle of the queue."""
    with closing(sqlite3.connect(path)) as file:
        query = "SELECT payload FROM messages WHERE queue = 'events' ORDER BY id LIMIT 1 OFFSET 5"
        text = file.execute(query).fetchone()[0].encode()
        assert file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    place = path.read_bytes().index(text[:200])
    with path.open("r+b") as opened:
        opened.seek(place - place % PAGE)
        opened.write(os.urandom(PAGE))


def recover(mark: Path) -> None:
    command = mark.read_text().partition("run: ")[2]
    try:
        subprocess.run(["/bin/sh", "-c", command], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        if b"sqlite3: not found" in error.stderr:
            missing("sqlite3 is not installed")
        raise
