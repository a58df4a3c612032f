"""A savepoint: what fails after it takes nothing with it of what was done before."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection


class Undone(Exception):  # it names what has become of a block, not a mistake
    """What was done since the savepoint is undone, and nothing else; its cause says why."""


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Keep what was done before a block that fails. Raises Undone then.

    Where nothing is kept, what the block failed with is raised: the connection is lost, or the database has
    undone all by itself, as SQLite may when its disk is full.
    """
    since = connection.begin_nested()
    try:
        yield
        since.commit()
    except Exception as error:
        try:
            since.rollback()
        except Exception:  # noqa: BLE001  # whatever it is, the first error tells what to do
            raise error from None
        if connection.invalidated:
            raise
        raise Undone from error
