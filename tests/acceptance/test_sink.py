"""`coinflowctl sink` as a developer runs it, and as a client meets it."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.documents import PAGES, commands
from tests.notifications import Notification, Notifier, headers, held, history, new_secret
from tests.services import Server, free_port
from tests.stack import ROOT
from tests.waiting import wait_until

SECRET = new_secret()
LINE = ("alice", "sword")
#: Three versions of one payment: granted, suspended, granted again.
TOLD = list(history("pay-1", {LINE: 2}, {LINE: 0}, {LINE: 2}))


@dataclass(frozen=True)
class Sink:
    """A running sink, and a client of it."""

    server: Server
    client: Notifier

    def post(self, notification: Notification = TOLD[0]) -> int:
        return self.client.post(notification).status_code

    def said(self) -> str:
        return self.server.log.read_text()

    def wallets(self) -> dict[str, dict[str, int]]:
        wallets: dict[str, dict[str, int]] = self.client.read("/inventory")["wallets"]
        return wallets


#: Runs a sink with further arguments.
Run = Callable[..., Sink]


@contextmanager
def running(folder: Path, *arguments: str, environment: Mapping[str, str] = {}) -> Iterator[Sink]:
    port = free_port()
    command = [sys.executable, "-m", "tasks.cli", "sink", "--port", str(port), *arguments]
    variables = {"PYTHONPATH": str(ROOT), "NOTIFY_SECRET": SECRET, **environment}
    server = Server(command, port, folder / "sink.log", variables, stop_signal=signal.SIGINT)
    server.start()
    with Notifier(port, SECRET) as client:
        try:
            yield Sink(server, client)
        finally:
            server.stop()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with ExitStack() as exits:
        yield lambda *arguments, **given: exits.enter_context(running(tmp_path, *arguments, **given))


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    with running(tmp_path_factory.mktemp("sink")) as sink:
        yield sink


def refused(*arguments: str, environment: Mapping[str, str] = {}) -> tuple[int, str]:
    """Return the exit code of a sink that does not start, and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "tasks.cli", "sink", *arguments],
        env={"PATH": "", "PYTHONPATH": str(ROOT), "PYTHON_DOTENV_DISABLED": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    # click folds it to the terminal's width.
    return done.returncode, " ".join(done.stderr.split())


# ---------------------------------------------------------------- verifying


def test_what_the_secret_signed_is_taken(sink: Sink) -> None:
    assert sink.post() == 204


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (lambda: headers(new_secret(), json.dumps(TOLD[0])), "No matching signature found"),
        (lambda: headers(SECRET, "another body"), "No matching signature found"),
        (lambda: headers(SECRET, json.dumps(TOLD[0]), age=timedelta(minutes=6)), "Message timestamp too old"),
        (
            lambda: headers(SECRET, json.dumps(TOLD[0])) | {"webhook-signature": "v1"},
            "Signature or body cannot be read",
        ),
        (dict, "Missing required headers"),
    ],
)
def test_what_it_did_not_sign_is_answered_401_with_the_reason(
    sink: Sink, sent: Callable[[], dict[str, str]], why: str
) -> None:
    # Signed now: what was signed when the tests were collected may be too old.
    answer = sink.client.send(json.dumps(TOLD[0]), sent())
    assert (answer.status_code, answer.text) == (401, f"{why}\n")
    assert f"unverified -> 401: {why}\n" in sink.said()


def test_during_a_rotation_either_secret_verifies(run: Run) -> None:
    later = new_secret()
    sink = run("--secret", f"{later}, {SECRET}", environment={"NOTIFY_SECRET": new_secret()})
    assert [sink.client.post(TOLD[0], secret=each).status_code for each in (SECRET, later)] == [204, 204]
    assert sink.client.post(TOLD[0], secret=new_secret()).status_code == 401


def test_the_secret_may_stand_in_the_file_env(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"NOTIFY_SECRET={SECRET}\n")
    port = free_port()
    # What the environment sets, if only to nothing, wins over the file.
    command = f"cd {tmp_path}; unset NOTIFY_SECRET; exec {sys.executable} -m tasks.cli sink --port {port}"
    variables = {"PYTHONPATH": str(ROOT), "PYTHON_DOTENV_DISABLED": ""}
    server = Server(["/bin/sh", "-c", command], port, tmp_path / "sink.log", variables)
    server.start()
    try:
        with Notifier(port, SECRET) as client:
            assert client.post(TOLD[0]).status_code == 204
    finally:
        server.stop()


# ---------------------------------------------------------------- printing and keeping


def test_each_notification_is_one_line(run: Run) -> None:
    sink = run()
    cart = history("pay-2", {LINE: 1, ("bob", "potion"): 3}, {("bob", "potion"): 1})
    for each in (*cart, TOLD[1], TOLD[0], TOLD[1]):
        assert sink.post(each) == 204
    listening, *lines = sink.said().splitlines()
    assert listening == f"Listening on http://127.0.0.1:{sink.server.port}"
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} ", line) for line in lines)
    assert [line[13:] for line in lines] == [
        "pay-2 v1 Settled: alice sword +1 (1 usable), bob potion +3 (3 usable) -> 204",
        "pay-2 v2 Settled: alice sword -1 (0 usable), bob potion -2 (1 usable) -> 204",
        "pay-1 v2 Settled: alice sword -2 (0 usable) -> 204",
        "pay-1 v1 Settled: alice sword +2 (2 usable) -> 204, older than v2",
        "pay-1 v2 Settled: alice sword -2 (0 usable) -> 204, told before",
    ]


def test_what_comes_cannot_act_on_the_terminal(run: Run) -> None:
    hostile = "x\x1b[8m\n\r\u202eevil"
    sink = run()
    for each in history(hostile, {(hostile, hostile): 1}):
        assert sink.post(each | {"data": each["data"] | {"cause": hostile}}) == 204
        assert sink.post(each | {"type": hostile}) == 204
        assert sink.post(each | {"data": {hostile: 1}}) == 400
    assert sink.wallets() == {hostile: {hostile: 1}}
    sink.server.stop()
    said = sink.said()
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", said)
    assert said.count(r"x\x1b[8m\n\r\u202eevil") > 6


def test_a_notification_of_another_type_is_passed_over(sink: Sink) -> None:
    assert sink.post({"type": "endpoint.test", "data": {}}) == 204
    assert "another type, endpoint.test -> 204\n" in sink.said()


def test_what_is_no_notification_is_answered_400_with_the_reason(sink: Sink) -> None:
    body = "[]"
    assert sink.client.send(body, headers(SECRET, body)).status_code == 400
    (told,) = history("pay-1", {LINE: 1})
    del told["data"]["items"][0]["usable"]
    answer = sink.client.post(told)
    assert (answer.status_code, answer.text) == (400, "items.0.usable: Field required\n")


def test_ctrl_c_prints_what_was_answered_and_what_is_held(run: Run) -> None:
    sink = run()
    for each in (*TOLD, *history("pay-2", {LINE: 1, ("bob", "potion"): 3}, {LINE: 1})):
        sink.post(each)
    sink.server.stop()
    assert sink.server.exit_code == 0
    _, _, tables = sink.said().partition("Answers")
    rows = [line.split() for line in tables.splitlines() if "--" not in line and line.strip()]
    assert rows == [
        ["answer", "notifications"],
        ["204", "5"],
        ["Inventory"],
        ["wallet", "item", "usable"],
        ["alice", "sword", "3"],
    ]


def test_quiet_prints_no_notification_and_no_inventory(run: Run) -> None:
    sink = run("--quiet")
    sink.post()
    assert sink.wallets() == {"alice": {"sword": 2}}
    sink.server.stop()
    assert "204" in sink.said()
    assert "sword" not in sink.said()


def test_the_inventory_is_told_line_by_line(run: Run) -> None:
    sink = run()
    for each in TOLD:
        sink.post(each)
    line = {"payment_id": "pay-1", "wallet": "alice", "item": "sword", "version": 3, "usable": 2}
    assert sink.client.read("/inventory") == {"wallets": {"alice": {"sword": 2}}, "lines": [line]}


def test_a_file_keeps_the_inventory_of_a_sink_that_is_killed(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "inventory.sqlite3"
    sink = run("--inventory", str(file))
    for each in TOLD:
        assert sink.post(each) == 204
        sink.server.stop(signal.SIGKILL)
        sink.server.start()
        assert sink.wallets() == held([each])
    assert sink.post(TOLD[0]) == 204
    assert "204, older than v3" in sink.said()


# ---------------------------------------------------------------- failing


def test_a_status_is_answered_and_nothing_is_stored(run: Run) -> None:
    sink = run(
        "--fail",
        "1",
        "--how",
        "status:503",
        "--how",
        "status:429",
        "--how",
        "status:500",
        "--retry-after",
        "7",
    )
    answers = [sink.client.post(TOLD[0]) for _ in range(50)]
    asked = {(answer.status_code, answer.headers.get("retry-after")) for answer in answers}
    assert asked == {(503, "7"), (429, "7"), (500, None)}
    assert sink.wallets() == {}
    assert "-> 503 on purpose\n" in sink.said()


def test_a_reset_connection_is_reset_and_nothing_is_stored(run: Run) -> None:
    sink = run("--fail", "1", "--how", "reset")
    with pytest.raises(httpx2.ReadError):
        sink.post()
    with connection(sink) as raw:
        raw.sendall(request(TOLD[0]))
        with pytest.raises(ConnectionResetError):
            raw.recv(1)
    assert sink.wallets() == {}


def test_a_lost_answer_is_lost_and_its_notification_stored(run: Run) -> None:
    sink = run("--fail", "1", "--how", "lost")
    with connection(sink) as raw:
        raw.sendall(request(TOLD[0]))
        assert raw.recv(1) == b""
    assert sink.wallets() == held(TOLD[:1])


def test_a_delayed_answer_outlasts_the_client_and_its_notification_is_stored(run: Run) -> None:
    sink = run("--fail", "1", "--how", "delay")
    with connection(sink) as raw:
        raw.sendall(request(TOLD[0]))
        # Meanwhile it serves others.
        assert sink.wallets() == held(TOLD[:1])
        raw.settimeout(0.5)
        with pytest.raises(TimeoutError):
            raw.recv(1)
    assert "-> 204 after 15 s on purpose\n" in sink.said()


def test_a_delay_may_be_named_and_its_answer_comes(run: Run) -> None:
    sink = run("--fail", "1", "--how", "delay:0.2")
    answer = sink.client.post(TOLD[0])
    assert answer.status_code == 204
    assert answer.elapsed > timedelta(seconds=0.2)


def test_every_answer_may_take_a_while(run: Run) -> None:
    answer = run("--delay", "0.2").client.post(TOLD[0])
    assert answer.status_code == 204
    assert answer.elapsed > timedelta(seconds=0.2)


def test_a_share_fails_and_the_same_seed_fails_the_same_ones(run: Run) -> None:
    arguments = ("--fail", "0.5", "--how", "status:500", "--seed", "3")
    first, second = run(*arguments), run(*arguments)
    answered = [[sink.post() for _ in range(40)] for sink in (first, second)]
    assert answered[0] == answered[1]
    assert set(answered[0]) == {204, 500}


def test_what_is_told_until_it_is_answered_is_held_in_the_end(run: Run) -> None:
    ways = ("status:500", "status:503", "delay:0.1", "reset", "lost")
    sink = run("--fail", "0.5", "--seed", "1", *(each for way in ways for each in ("--how", way)))
    told = [each for number in range(20) for each in history(f"pay-{number}", {LINE: 2}, {LINE: 1})]

    def is_taken(notification: Notification) -> bool:
        try:
            return sink.post(notification) == 204
        except httpx2.TransportError:
            return False

    for notification in told:
        wait_until(partial(is_taken, notification), what="it is answered")
    assert sink.wallets() == held(told) == {"alice": {"sword": 20}}
    said = sink.said()
    failed = [
        f"-> {each} on purpose" for each in ("500", "503", "204 after 0.1 s", "reset", "stored, answer lost")
    ]
    assert [each for each in failed if each not in said] == []
    # What was stored without an answer was told again.
    assert ", told before\n" in said


@pytest.mark.parametrize(
    "line",
    [
        command.line
        for page in PAGES
        for command in commands(page)
        if command.line.startswith(".venv/bin/coinflowctl sink")
    ],
)
def test_it_runs_as_the_pages_say(run: Run, line: str) -> None:
    assert run(*shlex.split(line)[2:]).wallets() == {}


# ---------------------------------------------------------------- HTTP


@contextmanager
def connection(sink: Sink) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", sink.server.port), timeout=60) as raw:
        yield raw


def request(notification: Notification) -> bytes:
    body = json.dumps(notification)
    lines = [f"{name}: {value}" for name, value in headers(SECRET, body).items()]
    return "\r\n".join(["POST / HTTP/1.1", f"Content-Length: {len(body)}", *lines, "", body]).encode()


def test_one_connection_carries_many_requests(sink: Sink) -> None:
    with connection(sink) as raw, raw.makefile("rb") as answers:
        for _ in range(3):
            raw.sendall(request(TOLD[0]) * 2)
            for _ in range(2):
                assert answers.readline() == b"HTTP/1.1 204 No Content\r\n"
                assert answers.readline() == b"\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("GET / HTTP/1.1", 404),
        ("GET /inventory/alice HTTP/1.1", 404),
        ("POST / HTTP/1.1\r\nContent-Length: 1048577", 413),
        ("POST / HTTP/1.1\r\nContent-Length: -1", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked", 411),
        ("POST / HTTP/1.1\r\nX: " + "x" * (1 << 16), 431),
        ("nonsense", 400),
    ],
)
def test_an_odd_request_is_answered(sink: Sink, sent: str, status: int) -> None:
    with connection(sink) as raw, raw.makefile("rb") as answer:
        raw.sendall(f"{sent}\r\n\r\n".encode())
        assert answer.readline().startswith(f"HTTP/1.1 {status} ".encode())


def test_a_client_that_goes_away_disturbs_nobody(sink: Sink) -> None:
    for length in (0, 10, 200):
        with connection(sink) as raw:
            raw.sendall(request(TOLD[0])[:length])
    assert sink.post() == 204
    assert "Traceback" not in sink.said()


# ---------------------------------------------------------------- starting


def test_a_taken_port_is_named_with_its_holder(sink: Sink) -> None:
    port = sink.server.port
    code, said = refused("--port", str(port), "--secret", SECRET)
    assert code == 1
    assert re.search(rf"Port {port} is taken by process \d+ \(python.*choose another --port", said)


def test_an_address_of_another_machine_is_refused() -> None:
    code, said = refused("--address", "192.0.2.1", "--secret", SECRET)
    assert code == 1
    assert "--address" in said


@pytest.mark.parametrize("secret", ["", " , "])
def test_without_a_secret_it_says_where_to_name_one(secret: str) -> None:
    code, said = refused(environment={"NOTIFY_SECRET": secret})
    assert code == 2
    assert "--secret, or NOTIFY_SECRET" in said


def test_a_malformed_secret_is_refused_and_not_shown() -> None:
    code, said = refused("--secret", f"{SECRET},whsec_hidden!")
    assert code == 2
    assert "whsec_ and base64" in said
    assert "hidden" not in said
    assert SECRET not in said


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    for file in (tmp_path / "missing" / "inventory.sqlite3", ROOT / "README.md"):
        code, said = refused("--secret", SECRET, "--inventory", str(file))
        assert code == 1
        assert "cannot hold an inventory" in said


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--how", "lost"), "--fail"),
        (("--fail", "1", "--how", "status:200"), "status:CODE"),
        (("--fail", "1.5"), "1.5 is not in the range"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...], why: str) -> None:
    code, said = refused("--secret", SECRET, *arguments)
    assert code == 2
    assert why in said
