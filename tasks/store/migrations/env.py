"""Alembic's environment: migrates the database that the tasks use, one release at a time."""

import sqlite3

from alembic import context
from sqlalchemy import event

from tasks.settings import Settings
from tasks.store.database import connect
from tasks.store.migrations.steps import LOCK_TIMEOUT, bound_locks
from tasks.store.migrations.turn import turn
from tasks.store.schema import metadata


def _allow_rebuilds(connection: sqlite3.Connection, _record: object) -> None:
    # A table that is replaced by its copy must not take with it the rows that name its rows.
    connection.execute("PRAGMA foreign_keys=OFF")


settings = Settings.load()
url = settings.database_url.get_secret_value()
# Whether a pooler is there or not: what a migration executes once gains nothing from being prepared.
engine = connect(url, pooler=True, connections=2, lock_timeout=LOCK_TIMEOUT)
if engine.dialect.name == "sqlite":
    event.listen(engine, "connect", _allow_rebuilds)
else:
    event.listen(engine, "before_cursor_execute", bound_locks, retval=True)
try:
    # Whoever waited for its turn finds done what the one before has done.
    with turn(engine), engine.connect() as connection:
        # Each migration ends its own transaction, for some do their work in several.
        context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
finally:
    engine.dispose()
