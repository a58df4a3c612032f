"""A discard beside fulfilment: what it says is true, and what pays later asks for a person."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from tasks.store import operations
from tasks.store.actions import Operator
from tasks.store.fulfilment import fulfil
from tasks.store.schema import dead_letters, grants
from tasks.store.states import RunState
from tests.integration.commands import read
from tests.integration.pipeline import delivery, reprice, run, states, take_in
from tests.integration.races import beside, on_postgres, wait_for_a_lock
from tests.waiting import PATIENCE

ADA = Operator("ada", "the buyer was paid back")
#: After the cheap one, by what it states.
LATER = {"created": "2026-09-02T10:00:00Z"}


def bury(engine: Engine, payment_id: str = "pay") -> int:
    """Let a payment that is too cheap be a dead letter; return the letter's id."""
    take_in(engine, delivery(payment_id, data__subtotal__cents=1))
    run(engine, [payment_id])
    with engine.connect() as connection:
        return int(connection.execute(select(func.max(dead_letters.c.id))).scalar_one())


def discard(engine: Engine, letter: int) -> RunState | None:
    with engine.begin() as connection:
        return operations.discard(connection, ADA, [letter], "USD")[letter]


def pay(engine: Engine, payment_id: str = "pay", **changes: Any) -> None:
    take_in(engine, delivery(payment_id, **{**LATER, **changes}))
    run(engine, [payment_id])


def held(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        return [(row.item, row.status) for row in connection.execute(select(grants))]


def asking() -> Any:
    return [(each["payment_id"], each["reason"]) for each in read("payments", "list", "--attention")]


def test_what_pays_after_a_discard_is_listed_with_both(engine: Engine) -> None:
    letter = bury(engine)
    assert discard(engine, letter) is RunState.DEAD
    assert asking() == []
    pay(engine)
    assert held(engine) == []
    (line,) = read("payments", "list", "--attention")
    assert (line["payment_id"], line["state"], line["reason"]) == ("pay", "refused", "discarded")
    for told in (ADA.who, str(ADA.why), "1 cents", "500 cents", LATER["created"]):
        assert told in line["message"]
    assert states(engine) == ["discarded", "done"]
    story = read("payments", "show", "pay")
    assert [each["payment_state"] for each in story["events"]] == ["refused", "refused"]
    assert [each["error"] for each in story["dead_letters"]] == ["PriceMismatch"]


@pytest.mark.parametrize("word", [["--item", "sword"], ["--accept-price"]])
def test_a_persons_word_grants_it_once(engine: Engine, word: list[str]) -> None:
    discard(engine, bury(engine))
    early = read("payments", "resolve", "pay", *word, "--reason", "too early")
    assert early["refusal"]
    pay(engine)
    resolved = read("payments", "resolve", "pay", *word, "--reason", "it is another payment")
    assert (resolved["state"], resolved["refusal"]) == ("granted", None)
    pay(engine, data__last4="1111")
    pay(engine, created="2026-09-03T10:00:00Z")
    assert held(engine) == [("sword", "granted")]
    assert "discarded" not in {reason for _, reason in asking()}


def test_a_replay_of_the_discarded_letter_grants_it_once(engine: Engine) -> None:
    letter = bury(engine)
    discard(engine, letter)
    pay(engine)
    with engine.begin() as connection:
        operations.replay(connection, ADA, [letter])
    run(engine, ["pay"])
    assert held(engine) == [("sword", "granted")]
    assert states(engine) == ["done", "done"]


def test_a_copy_of_what_was_given_up_asks_for_nobody(engine: Engine) -> None:
    discard(engine, bury(engine))
    pay(engine, data__subtotal__cents=1, data__last4="1111", created=delivered_at())
    assert (held(engine), asking()) == ([], [])


def delivered_at() -> str:
    return str(read("events", "show", "1")["created"])


def test_what_is_stored_and_not_looked_at_yet_counts_as_later(engine: Engine) -> None:
    letter = bury(engine)
    take_in(engine, delivery(**LATER))
    assert discard(engine, letter) is RunState.DEAD
    run(engine, ["pay"])
    assert (held(engine), asking()) == ([], [("pay", "discarded")])


def test_only_what_is_dead_is_discarded(engine: Engine) -> None:
    letter = bury(engine)
    with engine.begin() as connection:
        operations.replay(connection, ADA, [letter])
    assert discard(engine, letter) is RunState.PENDING
    assert states(engine) == ["pending"]
    reprice(engine, 1)
    run(engine, ["pay"])
    assert discard(engine, letter) is None
    assert held(engine) == [("sword", "granted")]


def test_a_letter_of_which_fulfilment_still_fails_can_be_given_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = bury(engine)

    def fails(*_arguments: Any, **_options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(operations, "fulfil", fails)
    assert discard(engine, letter) is RunState.DEAD
    assert states(engine) == ["discarded"]


# ---------------------------------------------------------------- at the same moment


@on_postgres
def test_a_discard_waits_for_a_fulfilment_and_says_that_it_came_too_late(engine: Engine) -> None:
    letter = bury(engine)
    take_in(engine, delivery(**LATER))
    with engine.connect() as connection, connection.begin() as transaction:
        fulfil(connection, ["pay"], "USD")
        with beside(lambda: discard(engine, letter)) as discarded:
            wait_for_a_lock(engine, connection)
            transaction.commit()
        assert discarded.result() is None
    assert held(engine) == [("sword", "granted")]
    assert states(engine) == ["done", "done"]


@on_postgres
def test_a_fulfilment_waits_for_a_discard_and_heeds_it(engine: Engine) -> None:
    letter = bury(engine)
    take_in(engine, delivery(**LATER))
    with engine.connect() as connection, connection.begin() as transaction:
        assert operations.discard(connection, ADA, [letter], "USD") == {letter: RunState.DEAD}
        with beside(lambda: run(engine, ["pay"])) as fulfilled:
            wait_for_a_lock(engine, connection)
            transaction.commit()
        fulfilled.result()
    assert (held(engine), asking()) == ([], [("pay", "discarded")])


@on_postgres
def test_whoever_comes_first_what_a_discard_says_is_true(engine: Engine) -> None:
    """Twelve payments, each paid once more, and discarded beside its fulfilment."""
    names = [f"pay-{number}" for number in range(12)]
    letters = {name: bury(engine, name) for name in names}
    take_in(engine, *(delivery(name, **LATER) for name in names))
    ready = threading.Barrier(len(names) + 3)

    def give_up(name: str) -> bool:
        ready.wait(PATIENCE)
        return discard(engine, letters[name]) is RunState.DEAD

    def grant(part: int) -> None:
        ready.wait(PATIENCE)
        # In another order than the letters': the locks are taken in one order all the same.
        run(engine, names[part::3][::-1])

    with ThreadPoolExecutor(len(names) + 3) as pool:
        granting = [pool.submit(grant, part) for part in range(3)]
        given_up = dict(zip(names, pool.map(give_up, names), strict=True))
        for each in granting:
            each.result()
    with engine.connect() as connection:
        granted = set(connection.scalars(select(grants.c.payment_id)))
    assert granted == {name for name in names if not given_up[name]}
    assert {name for name, reason in asking() if reason == "discarded"} == {
        name for name in names if given_up[name]
    }
