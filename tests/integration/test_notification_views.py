"""What is read of notifications and endpoints, whoever shows it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, update

from tasks.notifications.outcome import Outcome, OutcomeKind
from tasks.payments.change import notification_id
from tasks.payments.resolution import Resolution
from tasks.payments.states import ResolutionKind
from tasks.store import changes, endpoint_operations, notification_operations, operations
from tasks.store import endpoints as endpoint_store
from tasks.store.actions import Operator
from tasks.store.schema import notifications, payments
from tasks.store.states import NotificationState
from tasks.store.views.dead_notifications import ERRORS, dead_states, dead_story, list_dead
from tasks.store.views.endpoints import MOST, EndpointLine, list_endpoints
from tasks.store.views.letters import LetterFilter
from tasks.store.views.notifications import (
    NotificationFilter,
    list_notifications,
    notification_number,
    notification_story,
)
from tasks.store.views.payment_story import payment_story
from tests.integration.commands import ctl
from tests.integration.telling import (
    AWAY,
    DONE,
    OPENED,
    REFUSED,
    N,
    happen,
    listen,
    of_wallet,
    rows,
    tell,
    turn,
    wait,
)

pytestmark = pytest.mark.long

ADA = Operator("ada", "the server is back")
ADDRESS = "0x52908400098527886E0F7030069857D2E4169EE7"
NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
DEAD = NotificationState.DEAD


def listed(engine: Engine, limit: int = 100, **chosen: Any) -> list[tuple[str, int, str]]:
    with engine.connect() as connection:
        lines = list_notifications(connection, NotificationFilter(**chosen), limit)
    return [(line.payment_id, line.version, line.endpoint) for line in lines]


def fared(engine: Engine, name: str = "shop") -> EndpointLine:
    with engine.connect() as connection:
        return {each.name: each for each in list_endpoints(connection)}[name]


def test_a_page_of_notifications_is_the_newest_of_those_that_are_meant(engine: Engine) -> None:
    listen(engine, "shop", "app")
    happen(engine, "one", "Settled", OPENED)
    happen(engine, "two", **of_wallet("bob"))
    for endpoint in ("app", "shop"):
        tell(engine, endpoint)
    app, shop = [("one", 1, "app"), ("one", 2, "app")], [("one", 1, "shop"), ("one", 2, "shop")]
    everything = [app[0], shop[0], app[1], shop[1], ("two", 1, "app"), ("two", 1, "shop")]
    assert listed(engine) == everything
    assert listed(engine, limit=2) == everything[-2:]
    assert listed(engine, payment_id="one", endpoint="shop") == shop
    assert listed(engine, endpoints=["app"]) == [*app, ("two", 1, "app")]
    assert listed(engine, states=[NotificationState.PENDING]) == [app[1], shop[1]]
    assert listed(engine, states=[NotificationState.DONE, DEAD], payment_id="two") == everything[-2:]
    assert listed(engine, endpoint="nobody's") == []
    with engine.begin() as connection:
        connection.execute(update(notifications).values(created_at=NOON + timedelta(hours=1)))
        connection.execute(update(notifications).where(N.version == 2).values(created_at=NOON))
    assert listed(engine, until=NOON) == []
    assert listed(engine, since=NOON, until=NOON + timedelta(hours=1)) == [app[1], shop[1]]
    assert len(listed(engine, since=NOON)) == 6


def test_notifications_are_found_by_any_wallet_that_ever_held_something(engine: Engine) -> None:
    listen(engine, "shop")
    for payment_id, wallet in (("a", "alice"), ("b", ADDRESS), ("c", "Zoe\u0301")):
        happen(engine, payment_id, **of_wallet(wallet))
    with engine.begin() as connection:
        said = Resolution(ResolutionKind.WALLET, wallet="carol")
        operations.resolve(connection, ADA, "a", said, "USD")
    assert (
        listed(engine, wallet="carol")
        == listed(engine, wallet="alice")
        == [("a", 1, "shop"), ("a", 2, "shop")]
    )
    assert listed(engine, wallet=ADDRESS.lower()) == [("b", 1, "shop")]
    assert listed(engine, wallet="Zo\u00e9") == [("c", 1, "shop")]
    assert listed(engine, wallet="ALICE") == []


def test_a_line_says_how_the_last_try_ended(engine: Engine) -> None:
    listen(engine, "shop")
    happen(engine, "pay", "Settled", OPENED)
    tell(engine, "shop", REFUSED)
    with engine.connect() as connection:
        first, second = list_notifications(connection, NotificationFilter())
    assert (first.state, first.outcome, first.http_status, first.reason) == (
        "pending",
        "refused",
        404,
        "404 Not Found",
    )
    assert first.due_at
    assert first.last_tried_at
    assert (second.state, second.outcome, second.due_at, second.attempts) == ("pending", None, None, 0)


def test_a_story_has_what_is_sent_to_the_byte_and_what_became_of_it(engine: Engine) -> None:
    listen(engine, "shop")
    happen(engine, "pay", "Settled", OPENED)
    tell(engine, "shop")
    for _ in range(2):
        tell(engine, "shop", AWAY)
        wait(engine)
    tell(engine, "shop", AWAY, is_given_up=True)
    number = rows(engine)[1].id
    with engine.begin() as connection:
        notification_operations.replay(connection, ADA, [number])
        sent = changes.told(connection, [("pay", 2)], "test")["pay", 2].body()
        story = notification_story(connection, number, "test")
        assert notification_story(connection, number + 1, "test") is None
    assert story
    assert (story.version, story.state, story.cause) == (2, "pending", OPENED)
    assert story.webhook_id == notification_id("pay", 2, "shop")
    assert story.body.encode() == sent
    assert [(each.what, each.reason, each.who) for each in story.history] == [
        ("noted", None, None),
        ("tried last: transient", AWAY.reason, None),
        ("replay", ADA.why, "ada"),
    ]


def test_the_first_try_and_the_end_are_told(engine: Engine) -> None:
    listen(engine, "shop")
    happen(engine, "pay")
    tell(engine, "shop", AWAY)
    wait(engine)
    tell(engine, "shop")
    with engine.connect() as connection:
        story = notification_story(connection, rows(engine)[0].id, "test")
    assert story
    assert [each.what for each in story.history] == ["noted", "tried first", "tried last: done", "done"]
    assert (story.attempts, story.claimed_until) == (2, None)


@pytest.mark.parametrize(
    ("text", "number"), [("12", 12), ("n12", 12), ("nn1", None), ("b1", None), ("0", None)]
)
def test_an_id_is_a_number_with_or_without_its_letter(text: str, number: int | None) -> None:
    assert notification_number(text) == number


def test_an_endpoint_is_told_with_what_waits_for_it(engine: Engine) -> None:
    listen(engine, "shop", "app")
    happen(engine, "one", "Settled", OPENED)
    happen(engine, "two")
    turn(engine, "shop", most=1)
    line = fared(engine)
    assert (line.state, line.address, line.reason) == ("open", "https://shop.example", None)
    assert (line.pending, line.waiting, line.in_flight, line.dead) == (3, 1, 1, 0)
    assert line.due_at == rows(engine, "two")[0].due_at
    assert (line.last_success_at, line.last_failure_at, line.last_error) == (None, None, None)
    tell(engine, "shop", REFUSED, is_given_up=True)
    tell(engine, "app")
    line, other = fared(engine), fared(engine, "app")
    assert (line.dead, line.last_error) == (1, "404 Not Found")
    assert line.last_failure_at
    assert (other.pending, other.waiting, other.in_flight, other.due_at is None) == (1, 0, 0, False)
    assert other.last_success_at


def test_an_endpoint_that_is_held_says_when_it_is_probed(engine: Engine) -> None:
    listen(engine, "shop")
    for number in range(10):
        happen(engine, f"pay-{number}")
    tell(engine, "shop", AWAY)
    line = fared(engine)
    assert (line.state, line.allowance) == ("held", 0)
    assert line.next_probe_at
    assert line.next_probe_at > line.since
    assert line.reason
    assert "10 failures in a row" in line.reason


def test_an_endpoint_that_is_paused_says_by_whom_and_a_removed_one_that_it_is(engine: Engine) -> None:
    listen(engine, "shop", "app")
    with engine.begin() as connection:
        endpoint_operations.pause(connection, ADA, "shop")
    happen(engine, "pay")
    tell(engine, "app", Outcome(OutcomeKind.GONE, 410, "410 Gone"))
    shop, app = fared(engine), fared(engine, "app")
    assert (shop.state, shop.paused_by, shop.reason) == ("paused", "ada", ADA.why)
    assert (app.state, app.paused_by, app.reason) == ("paused", None, "410 Gone")
    listen(engine, "app")
    shop = fared(engine)
    assert (shop.state, shop.pending) == ("removed", 1)
    with engine.connect() as connection:
        assert [each.name for each in list_endpoints(connection)] == ["app", "shop"]


def many(engine: Engine, count: int, **row: Any) -> None:
    """Let there be something to tell of as many payments."""
    at = datetime.now(UTC)
    with engine.begin() as connection:
        payment = {"decision": "granted", "updated_at": at, "version": 1}
        rows: Sequence[dict[str, Any]] = [{"id": f"pay-{each}", **payment} for each in range(count)]
        connection.execute(insert(payments), rows)
        told = {"version": 1, "endpoint": "shop", "created_at": at, **row}
        connection.execute(insert(notifications), [{"payment_id": each["id"], **told} for each in rows])


@pytest.mark.parametrize("state", ["claimable", "waiting", "dead"])
def test_counts_end_where_they_say(engine: Engine, state: str) -> None:
    listen(engine, "shop")
    row = {"state": "dead" if state == "dead" else "pending"}
    many(engine, MOST + 1, **row, due_at=NOON if state == "claimable" else None)
    line = fared(engine)
    expected = {"claimable": (MOST, 0, 0), "waiting": (MOST, MOST, 0), "dead": (0, 0, MOST)}
    assert (line.pending, line.waiting, line.dead) == expected[state]
    assert f"{MOST}+" in ctl("endpoints", "list").stdout


def test_a_payment_tells_its_versions_and_how_far_each_endpoint_was_told(engine: Engine) -> None:
    listen(engine, "shop", "app")
    happen(engine, "pay", "Settled", OPENED)
    tell(engine, "shop")
    tell(engine, "app", REFUSED, is_given_up=True)
    tell(engine, "app")
    with engine.connect() as connection:
        story = payment_story(connection, "pay", "USD")
    assert story
    assert [entry.version for entry in story.ledger_entries] == [1, 2]
    assert [
        (each.endpoint, each.told, each.newest, each.pending, each.dead) for each in story.notifications
    ] == [("app", 2, 2, 0, 1), ("shop", 1, 2, 1, 0)]
    happen(engine, "new")
    listen(engine)
    happen(engine, "untold")
    with engine.connect() as connection:
        new, untold = (payment_story(connection, each, "USD") for each in ("new", "untold"))
    assert new
    assert [(each.told, each.pending) for each in new.notifications] == [(None, 1), (None, 1)]
    assert untold
    assert untold.notifications == ()


@pytest.mark.parametrize(
    ("endpoint", "outcome", "error"),
    [
        ("shop", REFUSED, "Refused"),
        ("shop", Outcome(OutcomeKind.GONE, 410, "410 Gone"), "Gone"),
        ("shop", Outcome(OutcomeKind.TRANSIENT, 503, "503"), "ServerError"),
        ("shop", AWAY, "NoAnswer"),
        ("@give", AWAY, "FunctionFailed"),
        ("@give", Outcome(OutcomeKind.PERMANENT, None, "never"), "PermanentError"),
    ],
)
def test_a_dead_one_is_read_as_a_letter(engine: Engine, endpoint: str, outcome: Outcome, error: str) -> None:
    listen(engine, endpoint)
    happen(engine, "pay")
    tell(engine, endpoint, outcome, is_given_up=True)
    number = rows(engine, endpoint=endpoint)[0].id
    with engine.connect() as connection:
        (letter,) = list_dead(connection, LetterFilter(error=error))
        story = dead_story(connection, number)
    assert (letter.id, letter.handler, letter.error) == (f"n{number}", f"notify:{endpoint}", error)
    assert (letter.event_type, letter.payment_id, letter.version) == ("Settled", "pay", 1)
    assert (letter.message, letter.attempts, letter.state) == (outcome.reason, 1, "dead")
    assert story
    assert story.http_status == outcome.status
    assert story.first_tried_at == story.last_tried_at
    assert [each.what for each in story.history] == ["noted", f"tried last: {outcome.kind}", "dead"]


def test_every_outcome_that_can_be_dead_has_an_error_of_its_own() -> None:
    # A time-out and a 503 are both transient, and so is a function that failed.
    assert len(set(ERRORS)) == len(set(OutcomeKind) - {OutcomeKind.DONE}) + 2


def test_dead_ones_are_chosen_as_letters_are(engine: Engine) -> None:
    listen(engine, "shop", "app")
    happen(engine, "one", "Settled", OPENED)
    happen(engine, "two")
    for _ in range(2):
        tell(engine, "shop", REFUSED, is_given_up=True)
    tell(engine, "app", AWAY, is_given_up=True)
    with engine.begin() as connection:
        said = Resolution(ResolutionKind.REVOKE)
        operations.resolve(connection, ADA, "two", said, "USD")
    tell(engine, "shop", REFUSED, is_given_up=True)
    with engine.begin() as connection:
        connection.execute(update(notifications).where(N.state == DEAD).values(finished_at=NOON))
        later = NOON + timedelta(hours=1)
        connection.execute(
            update(notifications).where(N.state == DEAD, N.payment_id == "two").values(finished_at=later)
        )

        def ids(**chosen: Any) -> list[int]:
            found = [int(each.id[1:]) for each in list_dead(connection, LetterFilter(**chosen))]
            if not chosen.get("ids") and not chosen.get("limit"):
                assert sorted(found) == sorted(dead_states(connection, LetterFilter(**chosen)))
            return found

        of = {(row.payment_id, row.version, row.endpoint): row.id for row in connection.execute(_all())}
        one, two = of["one", 1, "shop"], of["two", 1, "shop"]
        assert ids()[-3:] == sorted([two, of["two", 1, "app"], of["two", 2, "shop"]])
        assert ids(limit=1) == [of["two", 2, "shop"]]
        assert ids(event_type=OPENED) == [of["one", 2, "shop"]]
        assert ids(event_type="operator") == [of["two", 2, "shop"]]
        assert ids(error="NoAnswer") == [of["one", 1, "app"], of["two", 1, "app"]]
        assert ids(until=later) == sorted([one, of["one", 1, "app"], of["one", 2, "shop"]])
        assert ids(since=later, error="Refused") == [two, of["two", 2, "shop"]]
        assert ids(ids=[f"n{one}", str(two), "b0", "nobody"]) == [one]
        notification_operations.discard(connection, ADA, [one])
        assert ids(states=[NotificationState.DISCARDED]) == [one]
        assert one not in ids(states=[DEAD])
        assert one in ids()
        done = of["two", 2, "app"]
        assert dead_states(connection, LetterFilter(ids=[f"n{done}"])) == {done: NotificationState.PENDING}
        assert dead_story(connection, done) is None


def _all() -> Any:
    return notifications.select()


def test_what_a_removed_endpoint_was_told_stays_to_be_read(engine: Engine) -> None:
    listen(engine, "shop")
    happen(engine, "pay")
    tell(engine, "shop", DONE)
    listen(engine)
    assert listed(engine) == [("pay", 1, "shop")]
    with engine.connect() as connection:
        assert endpoint_store.due(connection, datetime.now(UTC)) == []
