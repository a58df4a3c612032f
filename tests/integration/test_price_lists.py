"""Accepted price lists in real databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from uuid import uuid4

import pytest
from sqlalchemy import Engine, event, func, insert, select

from tasks.errors import PriceListUnusable
from tasks.payments.price_list import AcceptedPriceList, PriceListError
from tasks.store.price_lists import accept, newest
from tasks.store.schema import price_lists


@pytest.fixture
def engine(migrated: Engine) -> Engine:
    """Return a database in which no list was ever accepted."""
    return migrated


def listed(cents: int) -> str:
    return f"[items.sword]\nprice = {{ cents = {cents} }}\n"


def take(engine: Engine, content: str, *, only_first: bool = False) -> AcceptedPriceList | None:
    with engine.begin() as connection:
        return accept(connection, content, "alice@shop", only_first=only_first)


def in_force(engine: Engine) -> AcceptedPriceList | None:
    with engine.begin() as connection:
        return newest(connection)


def cents(accepted: AcceptedPriceList | None) -> int:
    assert accepted
    return accepted.prices.items["sword"].prices[0].cents


def test_the_list_that_was_accepted_last_is_in_force(engine: Engine) -> None:
    begun = datetime.now(UTC)
    for price in (5, 6, 5):
        accepted = take(engine, listed(price))
        assert accepted == in_force(engine)
        assert cents(accepted) == price
    assert accepted
    assert accepted.accepted_by == "alice@shop"
    assert begun <= accepted.accepted_at <= datetime.now(UTC)
    with engine.connect() as connection:
        kept = connection.execute(select(price_lists).order_by(price_lists.c.id)).all()
    assert [row.text for row in kept] == [listed(5), listed(6), listed(5)]
    assert kept[0].content_hash == kept[2].content_hash == accepted.content_hash


def test_the_list_in_force_is_not_accepted_again(engine: Engine) -> None:
    accepted = take(engine, listed(5))
    assert take(engine, listed(5)) is None
    assert in_force(engine) == accepted


def test_what_takes_only_the_first_list_leaves_another_in_force(engine: Engine) -> None:
    assert cents(take(engine, listed(5), only_first=True)) == 5
    assert take(engine, listed(6), only_first=True) is None
    assert cents(in_force(engine)) == 5


def test_a_broken_list_is_never_accepted(engine: Engine) -> None:
    take(engine, listed(5))
    with pytest.raises(PriceListError, match="line 2"):
        take(engine, listed(0))
    assert cents(in_force(engine)) == 5


def test_a_transaction_that_fails_accepts_nothing(engine: Engine) -> None:
    take(engine, listed(5))
    with engine.connect() as connection:
        accept(connection, listed(6), "alice@shop")
        assert cents(newest(connection)) == 6
        connection.rollback()
    assert cents(in_force(engine)) == 5


def test_many_that_accept_the_same_list_at_once_accept_it_once(engine: Engine) -> None:
    together = Barrier(4, timeout=30)

    def work(_: int) -> AcceptedPriceList | None:
        together.wait()
        return take(engine, listed(5))

    with ThreadPoolExecutor(4) as pool:
        accepted = list(pool.map(work, range(4)))
    assert len([each for each in accepted if each]) == 1
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(price_lists)).scalar_one() == 1


def test_the_text_of_a_list_is_read_once(engine: Engine) -> None:
    take(engine, f"{listed(7)}# {uuid4()}")
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    for _ in range(3):
        assert cents(in_force(engine)) == 7
    looks = [each for each in statements if "price_lists" in each]
    assert [".text" in each for each in looks] == [False, True, False, False]


def test_a_list_that_this_version_cannot_read_says_what_to_do(engine: Engine) -> None:
    row = {"content_hash": "a" * 64, "text": "[things]\n", "accepted_at": datetime.now(UTC)}
    with engine.begin() as connection:
        connection.execute(insert(price_lists), {**row, "accepted_by": "a newer version"})
    with pytest.raises(PriceListUnusable, match=r"aaaaaaaa .*line 1.*catalog apply"):
        in_force(engine)
    assert take(engine, listed(5))
    assert cents(in_force(engine)) == 5
