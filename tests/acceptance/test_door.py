"""Every kind of bad request, over real HTTP: what is answered, what is stored, and what the wallet holds."""

import json
import os
import re
import signal
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tasks.store.schema import dead_letters, events, grants, handler_runs
from tasks.store.states import RunState
from tests.acceptance.requests import KEY, NEXT_KEY, Row, http, rows, settled
from tests.engines import connected
from tests.services import postgres_database
from tests.stack import Stack
from tests.waiting import PATIENCE, wait_until

ROWS = rows()
#: What is sent and then nothing, each on a connection of its own.
UNFINISHED = {
    "silence": b"",
    "half a request line": b"POST /webh",
    "half a head": http(b"{}")[:-6],
    "no body": http(length=100),
    "half a body": http(b"{", length=100),
    "a chunk that never ends": http(b"ffffffff\r\n{", "Transfer-Encoding: chunked", length=None),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of all rows on one database."""

    #: The answers on the row's connection, as bytes.
    answers: dict[str, bytes]
    #: What is stored, by the row that the event names.
    stored: dict[str, Any]
    log: str


@pytest.fixture(scope="module")
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Send all rows; on PostgreSQL those alone that are to be stored."""
    folder = tmp_path_factory.mktemp("door")
    with ExitStack() as servers:
        keys = f"{KEY.decode()},{NEXT_KEY.decode()}"
        environment = {"COINFLOW_VALIDATION_KEY": keys, "LOG_FORMAT": "json"}
        if request.param == "PostgreSQL":
            environment["DATABASE_URL"] = servers.enter_context(postgres_database())
        stack = servers.enter_context(Stack(folder, environment))
        stack.release()
        stack.start("web", "worker")
        slow = {}
        if request.param == "SQLite":
            slow = {name: servers.enter_context(send(stack, part)) for name, part in UNFINISHED.items()}
        answers = {
            row.name: converse(stack, row.parts)
            for row in ROWS
            if request.param == "SQLite" or row.outcome is not None
        }
        converse(stack, [http(settled("the last one"))])
        stored = wait_until(lambda: finished(stack), what="all are through", log=lambda: stack.log("worker"))
        answers |= {name: receive(connection) for name, connection in slow.items()}
        if request.param == "SQLite":
            # For a connection that stays open gunicorn waits, and then kills its worker.
            servers.enter_context(send(stack, b""))
        stack.kill("web", signal.SIGTERM)
        yield Outcome(answers, stored, stack.log("web") + stack.log("worker"))


def send(stack: Stack, part: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", stack.port), timeout=PATIENCE)
    connection.sendall(part)
    return connection


def receive(connection: socket.socket) -> bytes:
    """Return what comes until the receiver closes the connection."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def converse(stack: Stack, parts: Sequence[bytes]) -> bytes:
    """Return all answers; a part but the first is sent when the one before has been answered."""
    first, *others = parts
    with send(stack, first) as connection:
        before = b""
        for part in others:
            before += connection.recv(65_536)
            connection.sendall(part)
        return before + receive(connection)


def statuses_in(answers: bytes) -> list[int]:
    """Return the statuses of some answers."""
    return [int(status) for status in re.findall(rb"HTTP/1\.\d (\d{3}) ", answers)]


def finished(stack: Stack) -> dict[str, Any]:
    """Return the outcome of each row's event, once all have come and none is left to be handled."""
    url = stack.environment["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")
    query = (
        select(events.c.body, handler_runs.c.state, dead_letters.c.error, grants)
        .outerjoin_from(events, handler_runs, handler_runs.c.event_id == events.c.id)
        .outerjoin(dead_letters, dead_letters.c.event_id == events.c.id)
        .outerjoin(grants, grants.c.payment_id == events.c.payment_id)
        # What cannot be read goes to intake, which gives it up, and to fulfilment, which is through with it.
        .order_by(handler_runs.c.state == RunState.DEAD)
    )
    with connected(url) as engine, engine.connect() as connection:
        rows = connection.execute(query).all()
    found = {json.loads(row.body)["data"]["row"]: row for row in rows}
    expected = {"the last one", *(row.name for row in ROWS if row.outcome is not None)}
    through = found.keys() >= expected and all(row.state != "pending" for row in rows)
    return found if through else {}


#: PostgreSQL alone refuses some texts; it sees what is to be stored.
CASES = [
    pytest.param(database, row, id=f"{database}: {row.name}")
    for database in ("SQLite", "PostgreSQL")
    for row in ROWS
    if database == "SQLite" or row.outcome
]


@pytest.mark.parametrize(("outcome", "row"), CASES, indirect=["outcome"], scope="module")
def test_each_row(outcome: Outcome, row: Row) -> None:
    answers = outcome.answers[row.name]
    statuses = statuses_in(answers)
    assert statuses == row.statuses, answers
    if row.title:
        _explained(answers, row.title)
    event = outcome.stored.get(row.name)
    if row.outcome is None:
        assert event is None
        return
    assert event is not None
    if row.outcome == "granted":
        assert (event.state, event.error, event.item, event.quantity) == ("done", None, "sword", 1)
        assert event.wallet == json.loads(event.body)["data"]["rawCustomerId"]
    elif row.outcome == "unmatched":
        assert (event.state, event.error, event.wallet) == ("done", None, None)
    elif row.outcome == "no handler":
        assert (event.state, event.error, event.wallet) == (None, None, None)
    else:
        assert (event.state, event.error, event.wallet) == ("dead", row.outcome, None)


def _explained(answers: bytes, title: str) -> None:
    head, _, body = answers.rpartition(b"\r\n\r\n")
    assert b"application/json" in head
    document = json.loads(body)
    assert set(document) == {"title", "description"}
    assert document["title"] == title
    assert 10 < len(document["description"]) < 200


@pytest.mark.parametrize("outcome", ["SQLite"], indirect=True, scope="module")
@pytest.mark.parametrize("name", UNFINISHED)
def test_what_never_ends_is_ended(outcome: Outcome, name: str) -> None:
    assert outcome.answers[name].startswith(b"HTTP/1.1 408 ")
    _explained(outcome.answers[name], "Too slow")


@pytest.mark.parametrize("outcome", ["SQLite"], indirect=True, scope="module")
def test_the_log_counts_every_refusal_and_every_event_that_was_taken_in(outcome: Outcome) -> None:
    lines = [json.loads(line) for line in outcome.log.splitlines() if '"answers.counted"' in line]
    answers: Counter[int] = Counter()
    refusals: Counter[str] = Counter()
    for line in lines:
        answers.update({int(status): count for status, count in line["answers"].items()})
        refusals.update(line["refusals"])
    given = Counter(each for answer in outcome.answers.values() for each in statuses_in(answer))
    for status in {*given, *answers} - {100, 200, 400}:
        assert answers[status] == given[status], status
    # Where a body breaks off, the application makes an answer, too, which nobody hears.
    assert answers[400] >= given[400]
    assert refusals.total() == answers.total() - answers[200]
    assert refusals["not_http"] == b"".join(outcome.answers.values()).count(b'"Not HTTP"')
    assert {"no_credential", "wrong_key", "not_json", "not_an_event", "too_slow"} <= refusals.keys()
    # What the receiver took in last, its end tells.
    assert answers[200] == sum(line["events"] for line in lines) >= len(outcome.stored)


@pytest.mark.parametrize("outcome", ["SQLite"], indirect=True, scope="module")
def test_nothing_is_stored_but_what_was_answered_with_200(outcome: Outcome) -> None:
    expected = {row.name for row in ROWS if row.outcome is not None}
    assert outcome.stored.keys() == expected | {"the last one", "pipelined 1"}


@pytest.mark.parametrize("outcome", ["SQLite", "PostgreSQL"], indirect=True, scope="module")
def test_no_log_holds_a_traceback_a_credential_or_what_identifies_a_person(outcome: Outcome) -> None:
    for never in ("Traceback", KEY.decode(), NEXT_KEY.decode(), "tok_sample", "wallet key", "alice"):
        assert never not in outcome.log


def test_too_many_connections_are_closed_and_the_others_served(tmp_path: Path) -> None:
    few = {"GUNICORN_CMD_ARGS": "--worker-connections 5", "WEB_CONCURRENCY": "1"}
    with ExitStack() as opened:
        stack = opened.enter_context(Stack(tmp_path, few | {"COINFLOW_VALIDATION_KEY": KEY.decode()}))
        stack.start("web")
        connections = [opened.enter_context(send(stack, b"POST ")) for _ in range(8)]
        assert all(broken(each) for each in connections[5:])
        connections[0].sendall(http(settled("few")).removeprefix(b"POST "))
        assert receive(connections[0]).startswith(b"HTTP/1.1 200 ")


def test_a_crowd_that_comes_at_once_is_queued_and_not_turned_away(tmp_path: Path) -> None:
    with ExitStack() as opened:
        stack = opened.enter_context(Stack(tmp_path, {}))
        stack.start("web")
        # Nobody accepts meanwhile; beyond the queue the kernel would let callers wait for a second or more.
        os.killpg(stack.processes["web"].pid, signal.SIGSTOP)
        try:
            for _ in range(300):
                opened.enter_context(socket.create_connection(("127.0.0.1", stack.port), timeout=0.9))
        finally:
            os.killpg(stack.processes["web"].pid, signal.SIGCONT)


def broken(connection: socket.socket) -> bool:
    """Tell whether the receiver has closed the connection without an answer."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
