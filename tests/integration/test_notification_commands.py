"""What an operator sees of what endpoints are told, and does about it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update

from tasks import celery
from tasks.celery import Application
from tasks.notifications.outcome import Outcome, OutcomeKind
from tasks.notifications.turn import Ended
from tasks.store.schema import notifications
from tests.integration.commands import ctl, read
from tests.integration.pipeline import delivery, run, take_in
from tests.integration.telling import (
    AWAY,
    DONE,
    OPENED,
    REFUSED,
    N,
    happen,
    listen,
    rows,
    states,
    tell,
    turn,
)

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def _terminal(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands use the test's broker, and a terminal that cuts no column."""
    monkeypatch.setattr(celery, "app", app)
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def shop(engine: Engine) -> Engine:
    """Let a shop be told, which has been told nothing yet of a payment of two changes."""
    listen(engine, "shop")
    happen(engine, "pay", "Settled", OPENED)
    return engine


def rung() -> list[str]:
    """Take the bells that have been rung; return the endpoints."""
    found: list[str] = []
    with (
        celery.app.connection_for_read() as connection,
        connection.SimpleQueue("notifications") as queue,
    ):
        while queue.qsize():
            message = queue.get(timeout=1)
            message.ack()
            (endpoints,), _, _ = message.payload
            found += endpoints
    return found


def action() -> dict[str, Any]:
    """Return what an operator did last."""
    last: dict[str, Any] = read("actions", "list")[-1]
    return {name: last[name] for name in ("who", "what", "subject", "why", "before", "after")}


# ---------------------------------------------------------------- notifications


def test_notifications_are_listed_and_shown(shop: Engine) -> None:
    tell(shop, "shop", REFUSED)
    first, second = read("notifications", "list")
    assert (first["state"], first["outcome"], first["http_status"]) == ("pending", "refused", 404)
    assert read("notifications", "list", "--state", "done") == []
    assert read("notifications", "list", "--wallet", "alice", "--limit", "1") == [second]
    table = ctl("notifications", "list", "--payment-id", "pay", "--endpoint", "shop").stdout
    assert "refused" in table
    assert "404 Not Found" in table
    document = read("notifications", "show", str(first["id"]))
    assert json.loads(document["body"])["data"]["version"] == 1
    page = ctl("notifications", "show", f"n{first['id']}").stdout
    assert f"webhook-id: {document['webhook_id']}\n{document['body']}\n" in page
    assert "tried last: refused" in page


def test_the_body_names_where_the_sender_runs(shop: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "staging")
    monkeypatch.setenv("ALLOW_EMBEDDED", "true")
    body = json.loads(read("notifications", "show", str(rows(shop)[0].id))["body"])
    assert body["data"]["environment"] == "staging"


@pytest.mark.parametrize("unknown", ["99", "n99", "b1", str(10**30)])
@pytest.mark.usefixtures("shop")
def test_what_there_is_not_is_not_shown(unknown: str) -> None:
    refused = ctl("notifications", "show", unknown)
    assert refused.exit_code == 1
    assert "`coinflowctl notifications list` names them" in refused.stderr


def test_an_endpoint_that_there_is_not_is_no_empty_list(shop: Engine) -> None:
    for command in (["notifications", "list", "--endpoint"], ["endpoints", "pause"], ["endpoints", "resume"]):
        refused = ctl(*command, "shpo")
        assert refused.exit_code == 1
        assert refused.stderr == "Error: There is no endpoint 'shpo'. Did you mean 'shop'? Known: shop.\n"
    assert "Did you mean" not in ctl("endpoints", "pause", "zzz").stderr
    listen(shop)
    assert ctl("notifications", "list", "--endpoint", "shop").exit_code == 0


def test_where_nobody_is_told_it_says_how_to_begin() -> None:
    assert "NOTIFY_URL" in ctl("endpoints", "pause", "shop").stderr
    assert "NOTIFY_URL" in ctl("notifications", "resend", "--all").stderr
    assert ctl("endpoints", "list").stdout == "Endpoints: none\n"


# ---------------------------------------------------------------- endpoints


def test_a_pause_lets_what_is_being_tried_end_and_begins_nothing_new(shop: Engine) -> None:
    happen(shop, "other")
    ((claimed, _), *_) = turn(shop, "shop", most=1).claimed
    said = ctl("endpoints", "pause", "shop", "--as", "ada", "--why", "its disk is full").stdout
    assert said == "shop is paused; `coinflowctl endpoints resume shop` ends that. 1 in flight.\n"
    assert not turn(shop, "shop", Ended(claimed, DONE)).claimed
    assert states(shop) == ["done", "pending"]
    assert turn(shop, "shop").wait is None
    (line,) = read("endpoints", "list")
    assert (line["state"], line["paused_by"], line["reason"]) == ("paused", "ada", "its disk is full")
    assert action() == {
        "who": "ada",
        "what": "pause",
        "subject": "shop",
        "why": "its disk is full",
        "before": {"state": "open"},
        "after": {"state": "paused"},
    }
    assert rung() == []


def test_nothing_but_a_person_ends_a_persons_pause(shop: Engine) -> None:
    ((claimed, _),) = turn(shop, "shop").claimed
    ctl("endpoints", "pause", "shop", "--as", "ada")
    turn(shop, "shop", Ended(claimed, Outcome(OutcomeKind.GONE, 410, "410 Gone")))
    listen(shop)
    listen(shop, "shop", "another")
    again = ctl("endpoints", "pause", "shop", "--as", "bob").stdout
    assert "shop is paused already, by ada since " in again
    assert [each["what"] for each in read("actions", "list")] == ["pause"]
    assert not turn(shop, "shop").claimed
    assert ctl("endpoints", "resume", "shop", "--as", "bob").stdout == "shop was paused and is open.\n"
    assert action()["before"] == {"state": "paused"}
    assert rung() == ["shop"]
    assert tell(shop, "shop") == [1]


def test_a_person_takes_over_from_an_endpoint_that_paused_itself(shop: Engine) -> None:
    tell(shop, "shop", Outcome(OutcomeKind.GONE, 410, "410 Gone"))
    assert "is paused;" in ctl("endpoints", "pause", "shop", "--as", "ada").stdout
    (line,) = read("endpoints", "list")
    assert (line["paused_by"], line["reason"]) == ("ada", None)


def test_a_resume_opens_one_that_is_held_back(engine: Engine) -> None:
    listen(engine, "shop")
    for number in range(12):
        happen(engine, f"pay-{number}")
    happen(engine, "refused")
    tell(engine, "shop", AWAY)
    assert not turn(engine, "shop").claimed
    with engine.begin() as connection:
        connection.execute(
            update(notifications).where(N.payment_id == "refused").values(last_outcome="refused")
        )
    document = read("endpoints", "resume", "shop")
    assert (document["state"], document["allowance"], document["next_probe_at"]) == ("open", None, None)
    assert ctl("endpoints", "resume", "shop").stdout == "shop is open already.\n"
    assert [each["what"] for each in read("actions", "list")] == ["resume"]
    assert len(tell(engine, "shop")) == 12
    assert states(engine, "refused") == ["pending"]


def test_what_is_resumed_and_nobody_tells_is_warned_of(shop: Engine) -> None:
    ctl("endpoints", "pause", "shop")
    listen(shop)
    done = ctl("endpoints", "resume", "shop")
    assert (done.exit_code, "no process is configured to tell shop" in done.stderr) == (0, True)
    assert rung() == []


@pytest.mark.usefixtures("shop")
def test_while_the_broker_is_away_a_sweep_rings(app: Application, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("no database of SQLite's" * 1000)
    app.conf.broker_transport_options = {"path": str(tmp_path / "broken")}
    ctl("endpoints", "pause", "shop")
    done = ctl("endpoints", "resume", "shop")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "shop was paused and is open.\n", "")


# ---------------------------------------------------------------- payments


def test_what_a_person_says_of_a_payment_is_told_at_once(shop: Engine) -> None:
    for _ in range(2):
        tell(shop, "shop")
    take_in(shop, delivery("unnamed", event_type="Crypto Payin Funds Received"))
    run(shop, ["unnamed"])
    assert ctl("payments", "resolve", "pay", "--restore", "--reason", "the bank's letter").exit_code == 0
    assert rung() == ["shop"]
    assert tell(shop, "shop") == [3]
    assert ctl("payments", "resolve", "pay", "--done", "--reason", "nothing is left").exit_code == 0
    assert rung() == []
    assert ctl("payments", "match", "unnamed", "--item", "sword", "--wallet", "bob").exit_code == 0
    assert rung() == ["shop"]


def test_a_payment_shows_how_far_it_was_told(shop: Engine) -> None:
    tell(shop, "shop")
    assert read("payments", "show", "pay")["notifications"] == [
        {"endpoint": "shop", "told": 1, "newest": 2, "pending": 1, "dead": 0, "discarded": 0}
    ]
    assert "Told" in ctl("payments", "show", "pay").stdout


# ---------------------------------------------------------------- dead letters


@pytest.fixture
def dead(shop: Engine) -> str:
    """Let the first change be dead, while the second one waits; return the letter's id."""
    tell(shop, "shop", REFUSED, is_given_up=True)
    return f"n{rows(shop)[0].id}"


def test_a_dead_one_is_listed_and_shown_among_the_letters(shop: Engine, dead: str) -> None:
    happen(shop, "cheap", data__subtotal__cents=1)
    letter, told = read("dead-letters", "list")
    assert (letter["id"], letter["handler"]) == (1, "fulfilment")
    assert (told["id"], told["handler"], told["error"]) == (dead, "notify:shop", "Refused")
    assert (told["event_type"], told["message"]) == ("Settled", "404 Not Found")
    for chosen in (["--error", "Refused"], ["--type", "Settled", "--error", "Refused"], ["--state", "dead"]):
        assert told in read("dead-letters", "list", *chosen)
    for none in (["--state", "pending"], ["--type", "Refund"], ["--until", "2020-01-01"]):
        assert read("dead-letters", "list", *none) == []
    document = read("dead-letters", "show", dead)
    assert (document["attempts"], document["http_status"]) == (1, 404)
    assert [each["what"] for each in document["history"]] == ["noted", "tried last: refused", "dead"]
    page = ctl("dead-letters", "show", dead).stdout
    assert "404 Not Found" in page
    assert "notify:shop" in page
    assert ctl("dead-letters", "show", "n99").exit_code == 1


@pytest.mark.parametrize("which", ["id", "--all", "--error"])
def test_a_replay_tells_it_before_what_waits(shop: Engine, dead: str, which: str) -> None:
    chosen = {"id": [dead], "--all": ["--all"], "--error": ["--error", "Refused"]}[which]
    assert read("dead-letters", "replay", *chosen, "--dry-run") == {
        "matched": 1,
        "replayed": 0,
        "ids": [dead],
    }
    assert states(shop) == ["dead", "pending"]
    assert read("dead-letters", "replay", *chosen, "--as", "ada") == {
        "matched": 1,
        "replayed": 1,
        "ids": [dead],
    }
    assert rung() == ["shop"]
    assert action() == {
        "who": "ada",
        "what": "replay",
        "subject": dead,
        "why": None,
        "before": {"payment_id": "pay", "version": 1, "endpoint": "shop", "state": "dead"},
        "after": {"state": "pending"},
    }
    first, second = rows(shop)
    assert (first.attempts, first.first_tried_at, second.due_at) == (0, None, None)
    assert [tell(shop, "shop") for _ in range(3)] == [[1], [2], []]


def test_one_that_is_discarded_stays_and_can_be_replayed(shop: Engine, dead: str) -> None:
    asked = ctl("dead-letters", "discard", dead)
    assert (asked.exit_code, "--yes" in asked.stderr) == (1, True)
    done = read("dead-letters", "discard", "--all", "--yes")
    assert done == {"matched": 1, "discarded": 1, "ids": [dead], "kept": []}
    assert action()["after"] == {"state": "discarded"}
    assert read("dead-letters", "list") == []
    assert [each["id"] for each in read("dead-letters", "list", "--state", "discarded")] == [dead]
    assert read("dead-letters", "replay", "--all")["matched"] == 0
    assert read("dead-letters", "replay", dead)["replayed"] == 1
    assert states(shop) == ["pending", "pending"]


def test_what_is_not_dead_is_not_discarded_and_told_why(shop: Engine, dead: str) -> None:
    _, waiting = rows(shop)
    happen(shop, "other")
    tell(shop, "shop")
    other = rows(shop, "other")[0]
    ctl("dead-letters", "discard", dead, "--yes")
    asked = [f"n{waiting.id}", f"n{other.id}", dead, "n99"]
    done = ctl("dead-letters", "discard", *asked, "--yes", "--json")
    assert done.exit_code == 1
    kept = {each["id"]: each["why"] for each in json.loads(done.stdout)["kept"]}
    assert "Its endpoint was told" in kept[f"n{waiting.id}"]
    assert "Its endpoint was told" in kept[f"n{other.id}"]
    assert "discarded before" in kept[dead]
    assert "There is no such letter" in kept["n99"]
    refused = ctl("dead-letters", "replay", f"n{other.id}")
    assert (refused.exit_code, f"n{other.id}" in refused.stderr) == (1, True)


def test_a_person_is_shown_what_would_be_done(dead: str) -> None:
    table = ctl("dead-letters", "replay", "--all", "--dry-run").stdout
    assert "1 dead letters match." in table
    assert dead in table
    assert "notify:shop" in table
    assert dead in ctl("dead-letters", "discard", "--all", "--dry-run").stdout


def test_what_nobody_tells_any_more_is_not_replayed(shop: Engine, dead: str) -> None:
    listen(shop)
    done = ctl("dead-letters", "replay", "--all")
    assert (done.exit_code, "0 replayed." in done.stdout) == (1, True)
    assert f"Warning: {dead}: no process tells their endpoints" in done.stderr
    assert ctl("dead-letters", "replay", dead).exit_code == 1
    assert states(shop) == ["dead", "pending"]
    assert read("dead-letters", "discard", dead, "--yes")["discarded"] == 1


def test_a_discard_rings_for_what_it_may_have_changed(shop: Engine) -> None:
    happen(shop, "cheap", data__subtotal__cents=1)
    assert ctl("dead-letters", "discard", "1", "--yes").exit_code == 0
    assert rung() == ["shop"]


@pytest.mark.parametrize("has_died", [False, True])
def test_a_pause_does_not_count_towards_giving_up(engine: Engine, *, has_died: bool) -> None:
    """Nor where the worker died that tried it when the pause began."""
    listen(engine, "shop")
    happen(engine, "pay")
    if has_died:
        turn(engine, "shop")
    else:
        tell(engine, "shop", AWAY)
    ctl("endpoints", "pause", "shop")
    with engine.begin() as connection:
        long_ago = datetime.now(UTC) - timedelta(days=8)
        values = {"due_at": long_ago, "claimed_until": long_ago} if has_died else {}
        connection.execute(update(notifications).values(first_tried_at=long_ago, **values))
    ctl("endpoints", "resume", "shop")
    tell(engine, "shop", AWAY)
    assert states(engine, "pay") == ["pending"]
