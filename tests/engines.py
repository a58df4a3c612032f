"""Connections to a database that end with the test, however it ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from tasks.store.database import connect


@contextmanager
def connected(url: str) -> Iterator[Engine]:
    """Return the product's connections to a database, as many as a test's threads may want."""
    engine = connect(url, pooler=bool(os.environ.get("DATABASE_POOLER")), connections=20)
    try:
        yield engine
    finally:
        engine.dispose()
