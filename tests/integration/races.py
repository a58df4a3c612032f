"""Two transactions at the same moment: one takes a step while the other is held at a certain point."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.event import listen, remove

from tests.waiting import wait_until

#: SQLite has one writer at a time.
on_postgres = pytest.mark.parametrize("migrated", ["PostgreSQL"], indirect=True)
_WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE :holder = ANY (pg_blocking_pids(pid))")


@contextmanager
def beside(step: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Take a step in another thread, which ends after the block."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(step)


def wait_for_a_lock(engine: Engine, holder: Connection, *others: Future[Any]) -> None:
    """Return once somebody waits for what a transaction holds, or one of the others is through."""
    process = holder.exec_driver_sql("SELECT pg_backend_pid()").scalar()

    def is_waited_for() -> Any:
        # A transaction of its own, for within one the answer stays the same.
        with engine.connect() as connection:
            return connection.scalar(_WAITING, {"holder": process}) or any(each.done() for each in others)

    wait_until(is_waited_for, what="the other one waits")


@contextmanager
def interrupted(
    engine: Engine, held: Connection | Engine, at: int, step: Callable[[], Any]
) -> Iterator[Sequence[Future[Any]]]:
    """Let another thread take a step before a connection's statement of this number, counted from 0.

    The statement is executed once the step is done, or waits for the connection's transaction. What became of
    the step is there after the block, and nothing where there was no such statement. Instead of a connection
    it may be an engine of its own, of `engine.execution_options()`.
    """
    numbers = count()
    taken: list[Future[Any]] = []
    with ThreadPoolExecutor(1) as pool:

        def go_before(connection: Connection, *_details: Any) -> None:
            if next(numbers) == at:
                taken.append(pool.submit(step))
                wait_for_a_lock(engine, connection, *taken)

        listen(held, "before_cursor_execute", go_before)
        try:
            yield taken
        finally:
            remove(held, "before_cursor_execute", go_before)
