"""Connections to a database that end with the test, however it ends."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from tasks.store.database import connect


@contextmanager
def connected(url: str) -> Iterator[Engine]:
    """Return the product's connections to a database."""
    engine = connect(url)
    try:
        yield engine
    finally:
        engine.dispose()
