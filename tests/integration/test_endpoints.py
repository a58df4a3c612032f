"""Which endpoints there are, as processes are configured; what sweeps do for them."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import Connection, Engine, delete, select, text, update

from tasks.celery import Application, Collaborators, create_app
from tasks.notifications.outcome import Outcome, OutcomeKind
from tasks.notifications.turn import Ended, Turn
from tasks.payments.change import GrantChange
from tasks.pipeline.announcing import announce, mend
from tasks.pipeline.bells import NOTIFY_TASK
from tasks.pipeline.dispatch import FULFILMENT_TASK
from tasks.pipeline.routing import ROUTES
from tasks.settings import Settings
from tasks.store import endpoints
from tasks.store.actions import Operator
from tasks.store.endpoint_operations import pause, resume
from tasks.store.endpoints import SILENCE
from tasks.store.schema import endpoints as rows
from tasks.store.schema import notifications, sweeps
from tasks.store.states import EndpointState
from tests.integration.messages import sweep, taken
from tests.integration.pipeline import delivery, run, take_in
from tests.integration.races import beside, on_postgres, wait_for_a_lock
from tests.integration.telling import AWAY, DONE, GONE, REFUSED, happen, listen, states, tell, turn, wait
from tests.waiting import wait_until

pytestmark = pytest.mark.long

NOW = datetime(2026, 9, 1, 10, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def give(_change: GrantChange) -> None:
    """Give what a change says."""


def configure(engine: Engine, **addresses: str) -> None:
    with engine.begin() as connection:
        endpoints.configure(connection, addresses, NOW)


def told(engine: Engine) -> list[str]:
    """Return the endpoints that a change now would be told."""
    with engine.connect() as connection:
        return list(endpoints.split_names(connection.execute(select(endpoints.NAMES)).scalar_one()))


def state(engine: Engine, name: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(select(rows.c.state).where(rows.c.name == name)).scalar_one()


def rings(app: Application) -> list[list[str]]:
    return [argument for task, argument in taken(app) if task == NOTIFY_TASK]


def test_those_of_the_environment_are_told_and_no_others(engine: Engine) -> None:
    assert told(engine) == []
    configure(engine, shop="https://shop.example", crm="https://crm.example")
    assert told(engine) == ["crm", "shop"]
    configure(engine, shop="https://shop.example")
    assert told(engine) == ["shop"]
    configure(engine, shop="https://shop.example", crm="https://crm.example")
    assert told(engine) == ["crm", "shop"]


def test_a_process_that_read_the_environment_earlier_changes_nothing(engine: Engine) -> None:
    earlier, later = NOW - timedelta(hours=1), NOW
    with engine.begin() as connection:
        endpoints.configure(connection, {"shop": "https://shop.example"}, NOW, later)
        endpoints.configure(connection, {}, NOW, earlier)
        endpoints.configure(connection, {"old": "https://old.example"}, NOW, earlier)
    assert told(engine) == ["shop"]
    with engine.begin() as connection:
        now = later + timedelta(seconds=1)
        endpoints.configure(connection, {}, now, now)
        endpoints.configure(connection, {"shop": "https://shop.example"}, now, later)
    assert told(engine) == []


def test_many_processes_configure_at_once(engine: Engine) -> None:
    threads = [
        threading.Thread(target=configure, args=[engine], kwargs={"shop": "https://shop.example"})
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told(engine) == ["shop"]


HELD, PAUSED, OPEN = EndpointState.HELD, EndpointState.PAUSED, EndpointState.OPEN


@pytest.mark.parametrize(
    ("before", "paused_by", "after"), [(PAUSED, None, OPEN), (PAUSED, "ada", PAUSED), (HELD, None, OPEN)]
)
def test_another_address_is_free_of_what_the_former_one_has_said(
    engine: Engine, before: EndpointState, paused_by: str | None, after: EndpointState
) -> None:
    configure(engine, shop="https://shop.example")
    with engine.begin() as connection:
        endpoints.save(connection, "shop", {"state": before, "paused_by": paused_by})
    configure(engine, shop="https://shop.example")
    assert state(engine, "shop") == before
    configure(engine, shop="https://new.example")
    assert state(engine, "shop") == after


PLAIN, MARKED = "https://shop.example", "https://shop.example?#1234abcd"


@pytest.mark.parametrize("state_before", [HELD, PAUSED])
@pytest.mark.parametrize(("before", "after"), [(PLAIN, MARKED), (MARKED, PLAIN)])
def test_an_address_whose_query_only_one_version_has_marked_is_the_same(
    engine: Engine, before: str, after: str, state_before: EndpointState
) -> None:
    configure(engine, shop=before)
    happen(engine, "pay")
    ((claimed, _),) = begin(engine, before).claimed
    begin(engine, before, Ended(claimed, AWAY))
    with engine.begin() as connection:
        endpoints.save(connection, "shop", {"state": state_before})
    configure(engine, shop=after)
    assert state(engine, "shop") == state_before
    with engine.begin() as connection:
        assert connection.scalar(select(rows.c.address)) == after
        endpoints.reset(connection, "shop", NOW)
    # What has failed waits for its next try, and who tells it by the other form is no former one.
    for address in (before, after):
        begun = begin(engine, address)
        assert (begun.claimed, begun.is_former) == ([], False)


@pytest.mark.parametrize(
    "after",
    ["https://shop.example?#5678abcd", "https://shop.example/hook", "https://shop.example/hook?#1234abcd"],
)
def test_one_that_has_another_mark_or_path_is_another(engine: Engine, after: str) -> None:
    configure(engine, shop=MARKED)
    with engine.begin() as connection:
        endpoints.save(connection, "shop", {"state": HELD})
    configure(engine, shop=after)
    assert state(engine, "shop") == OPEN
    assert begin(engine, MARKED).is_former


@on_postgres
def test_a_person_who_pauses_while_another_address_is_configured_is_heard(engine: Engine) -> None:
    configure(engine, shop="https://shop.example")
    with engine.connect() as connection, connection.begin() as transaction:
        pause(connection, Operator("ada", "its database moves"), "shop")
        with beside(lambda: configure(engine, shop="https://new.example")) as configured:
            wait_for_a_lock(engine, connection)
            transaction.commit()
        configured.result()
    assert state(engine, "shop") == PAUSED


@on_postgres
def test_of_processes_that_configure_at_once_the_one_that_started_last_is_heard(engine: Engine) -> None:
    def configure_as_of(connection: Connection, address: str, as_of: datetime) -> None:
        endpoints.configure(connection, {"shop": address}, NOW + timedelta(hours=1), as_of)

    def configure_earlier() -> None:
        with engine.begin() as connection:
            configure_as_of(connection, "https://old.example", NOW + timedelta(seconds=1))

    configure(engine, shop="https://shop.example")
    with engine.connect() as connection, connection.begin() as transaction:
        configure_as_of(connection, "https://new.example", NOW + timedelta(seconds=2))
        with beside(configure_earlier) as configured:
            wait_for_a_lock(engine, connection)
            transaction.commit()
        configured.result()
    with engine.connect() as connection:
        assert connection.scalar(select(rows.c.address)) == "https://new.example"


@pytest.mark.parametrize("outcome", [AWAY, REFUSED])
def test_what_has_failed_at_the_former_address_is_tried_at_the_new_one_at_once(
    engine: Engine, outcome: Outcome
) -> None:
    listen(engine, "shop")
    happen(engine, "pay")
    tell(engine, "shop", outcome)
    configure(engine, shop="https://new.example")
    assert [each.version for each, _ in begin(engine, "https://new.example").claimed] == [1]


def test_what_the_former_address_refused_is_tried_at_once_when_a_person_resumes(engine: Engine) -> None:
    listen(engine, "shop")
    happen(engine, "pay")
    tell(engine, "shop", REFUSED)
    with engine.begin() as connection:
        pause(connection, Operator("ada"), "shop")
    configure(engine, shop="https://new.example")
    assert begin(engine, "https://new.example").claimed == []
    with engine.begin() as connection:
        resume(connection, Operator("ada"), "shop")
    assert [each.version for each, _ in begin(engine, "https://new.example").claimed] == [1]


def test_what_has_waited_for_another_address_has_its_days_left(engine: Engine) -> None:
    listen(engine, "shop")
    happen(engine, "pay")
    tell(engine, "shop", GONE)
    with engine.begin() as connection:
        long_ago = datetime.now(UTC) - timedelta(days=30)
        connection.execute(update(notifications).values(first_tried_at=long_ago))
    configure(engine, shop="https://new.example")
    ((claimed, _),) = begin(engine, "https://new.example").claimed
    begin(engine, "https://new.example", Ended(claimed, AWAY))
    assert states(engine) == ["pending"]


def test_the_time_in_which_nobody_told_an_endpoint_is_none_of_its_days(engine: Engine) -> None:
    listen(engine, "shop")
    happen(engine, "pay")
    tell(engine, "shop", AWAY)
    configure(engine)
    with engine.begin() as connection:
        connection.execute(update(notifications).values(first_tried_at=NOW - timedelta(days=900)))
    configure(engine, shop="https://shop.example")
    wait(engine)
    tell(engine, "shop", AWAY)
    assert states(engine) == ["pending"]


@pytest.mark.parametrize("outcome", [AWAY, GONE])
def test_what_a_former_address_says_is_not_held_against_the_new_one(engine: Engine, outcome: Outcome) -> None:
    listen(engine, "shop")
    for number in range(12):
        happen(engine, f"pay-{number}")
    ended = [Ended(claimed, outcome) for claimed, _ in begin(engine, "https://shop.example").claimed]
    configure(engine, shop="https://new.example")
    former = begin(engine, "https://shop.example", *ended)
    assert (state(engine, "shop"), former.health, former.is_former) == (OPEN, None, True)
    with engine.connect() as connection:
        (row,) = connection.execute(select(rows))
    assert (row.failures, row.last_failure_at) == (0, None)


def test_a_process_of_a_former_address_leaves_everything_to_those_of_the_new_one(engine: Engine) -> None:
    listen(engine, "shop")
    happen(engine, "pay")
    configure(engine, shop="https://new.example")
    former = begin(engine, "https://shop.example")
    assert (former.claimed, former.wait, former.is_former) == ((), None, True)
    assert [each.version for each, _ in begin(engine, "https://new.example").claimed] == [1]


@pytest.mark.parametrize("outcome", [AWAY, REFUSED, GONE, Outcome(OutcomeKind.PERMANENT, reason="No.")])
def test_what_ends_badly_at_a_former_address_is_tried_at_the_new_one_at_once(
    engine: Engine, outcome: Outcome
) -> None:
    listen(engine, "shop")
    happen(engine, "pay")
    ((claimed, _),) = begin(engine, "https://shop.example").claimed
    configure(engine, shop="https://new.example")
    turn(engine, "shop", Ended(claimed, outcome), address="https://shop.example", give_up_days=0)
    assert states(engine) == ["pending"]
    assert [each.version for each, _ in begin(engine, "https://new.example").claimed] == [1]


def test_a_former_address_that_answers_does_not_open_the_new_one(engine: Engine) -> None:
    listen(engine, "shop")
    happen(engine, "pay")
    ((claimed, _),) = begin(engine, "https://shop.example").claimed
    configure(engine, shop="https://new.example")
    with engine.begin() as connection:
        endpoints.save(connection, "shop", {"state": HELD, "allowance": 19})
    begin(engine, "https://shop.example", Ended(claimed, DONE))
    assert (state(engine, "shop"), states(engine)) == (HELD, ["done"])


def begin(engine: Engine, address: str, *ended: Ended) -> Turn:
    """Take a turn of a process that tells an address."""
    return turn(engine, "shop", *ended, address=address)


def shown(engine: Engine) -> list[str]:
    return states(engine)


def test_a_process_notes_its_endpoints_before_its_first_task(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ROUTES.told, "@give", give)
    monkeypatch.setenv("NOTIFY_URL", "https://shop.example")
    monkeypatch.setenv("NOTIFY_SECRET", SECRET)
    configured = create_app(Settings.load())
    configured.conf.broker_transport_options = app.conf.broker_transport_options
    engine = app.collaborators.engine
    payment_ids = take_in(engine, delivery("a"))
    configured.loader.import_default_modules()
    try:
        configured.tasks[FULFILMENT_TASK](sorted(payment_ids))
        assert wait_until(lambda: rings(app), what="the bell rings") == [["@give", "default"]]
    finally:
        configured.collaborators.engine.dispose()
        configured.close()
    with engine.connect() as connection:
        query = select(notifications.c.endpoint, notifications.c.version)
        assert sorted(map(tuple, connection.execute(query))) == [("@give", 1), ("default", 1)]


def test_threads_that_come_at_once_prepare_their_process_once(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[Collaborators] = []

    def prepare(own: Collaborators) -> None:
        configure(own.engine, shop="https://shop.example")
        prepared.append(own)

    monkeypatch.setattr("tasks.celery.PREPARATIONS", [prepare])
    with ThreadPoolExecutor(8) as threads:
        given = [threads.submit(app.prepare) for _ in range(8)]
    assert len(prepared) == 1
    assert {id(each.result()) for each in given} == {id(prepared[0])}


def test_a_sweep_rings_for_what_is_due(app: Application) -> None:
    engine = app.collaborators.engine
    configure(engine, crm="https://crm.example", paused="https://x.example", shop="https://shop.example")
    run(engine, take_in(engine, delivery("a")))
    with engine.begin() as connection:
        endpoints.save(connection, "paused", {"state": EndpointState.PAUSED})
        connection.execute(
            update(notifications).where(notifications.c.endpoint == "crm").values(due_at=NOW + timedelta(99))
        )
    announce(app, engine)
    assert rings(app) == [["shop"]]


def test_a_sweep_releases_what_was_missed(app: Application) -> None:
    engine = app.collaborators.engine
    configure(engine, shop="https://shop.example")
    run(engine, take_in(engine, delivery("a")))
    with engine.begin() as connection:
        connection.execute(update(notifications).values(due_at=None))
    mend(app, engine)
    assert rings(app) == [["shop"]]


def test_a_sweep_tells_what_the_former_release_has_written(
    app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ROUTES.told, "@give", give)
    engine = app.collaborators.engine
    run(engine, take_in(engine, delivery("a")))
    with engine.begin() as connection:
        connection.execute(delete(notifications))
        if connection.dialect.name == "sqlite":
            connection.execute(text("DROP TRIGGER ledger_entries_refuse_renumber"))
        else:
            connection.execute(text("SET LOCAL coinflow.lifted = 'ledger_entries'"))
        connection.execute(text("UPDATE ledger_entries SET version = NULL"))
        connection.execute(text("UPDATE payments SET version = 0"))
    sweep(app)
    assert rings(app) == [["@give"]]


def test_five_days_without_a_success_are_told_of_once_an_hour(app: Application) -> None:
    engine = app.collaborators.engine
    configure(engine, shop="https://shop.example", quiet="https://quiet.example")
    now = datetime.now(UTC)
    with engine.begin() as connection:
        endpoints.save(connection, "shop", {"last_success_at": now - SILENCE, "last_failure_at": now})
    with structlog.testing.capture_logs() as said:
        announce(app, engine)
        announce(app, engine)
    silent = [line["endpoint"] for line in said if line["event"] == "endpoint.silent"]
    assert silent == ["shop"]
    with engine.begin() as connection:
        connection.execute(delete(sweeps))
        endpoints.save(connection, "shop", {"last_success_at": now})
    with structlog.testing.capture_logs() as said:
        announce(app, engine)
    assert [line for line in said if line["event"] == "endpoint.silent"] == []


def test_a_clock_that_was_ahead_keeps_nobody_from_configuring(engine: Engine) -> None:
    with engine.begin() as connection:
        endpoints.configure(connection, {"shop": "https://shop.example"}, NOW, NOW + timedelta(hours=2))
        endpoints.configure(connection, {"crm": "https://crm.example"}, NOW, NOW)
    assert told(engine) == ["crm"]
