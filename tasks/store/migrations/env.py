"""Alembic's environment: migrates the database that the tasks use."""

import sqlite3

from alembic import context
from sqlalchemy import event

from tasks.settings import Settings
from tasks.store.database import connect
from tasks.store.schema import metadata

#: What a statement waits for a lock: whoever comes after it waits as long. The release can be repeated.
_LOCK_TIMEOUT = "3s"


def _allow_rebuilds(connection: sqlite3.Connection, _record: object) -> None:
    # A table that is replaced by its copy must not take with it the rows that name its rows.
    connection.execute("PRAGMA foreign_keys=OFF")


engine = connect(Settings.load().database_url.get_secret_value())
if engine.dialect.name == "sqlite":
    event.listen(engine, "connect", _allow_rebuilds)
try:
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
            connection.commit()
        # Each migration ends its own transaction, for some do their work in several.
        context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
finally:
    engine.dispose()
