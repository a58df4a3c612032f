"""Alembic's environment: migrates the database that the tasks use, one release at a time."""

import sqlite3
import sys

from alembic import context
from sqlalchemy import Connection, event
from sqlalchemy.exc import SQLAlchemyError

import tasks.store.partial_indexes  # noqa: F401  # a part of the schema
from tasks.errors import TransientError
from tasks.settings import Settings
from tasks.store.database import connect
from tasks.store.faults import is_known, told
from tasks.store.migrations.steps import LOCK_TIMEOUT, bound_locks
from tasks.store.migrations.turn import turn
from tasks.store.revision import NEWEST, difference, is_newer, revision_of
from tasks.store.schema import metadata


def _allow_rebuilds(connection: sqlite3.Connection, _record: object) -> None:
    # A table that is replaced by its copy must not take with it the rows that name its rows.
    connection.execute("PRAGMA foreign_keys=OFF")


def _check_text(connection: Connection) -> None:
    """Refuse a database that cannot hold what buyers write. Raises SystemExit."""
    if connection.dialect.name != "postgresql":
        return
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        name = connection.engine.url.database
        raise SystemExit(
            f"The database {name} has the encoding {encoding}, which cannot hold what buyers write. Create "
            f"another one: CREATE DATABASE <name> ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0;"
        )


def _is_ours(connection: Connection) -> bool:
    """Tell whether there is something to migrate, not so where a newer version was. Raises SystemExit."""
    revision = revision_of(connection)
    connection.rollback()
    if revision is None or (revision.isdigit() and revision <= NEWEST):
        return True
    said = difference(revision)
    if not is_newer(revision):
        raise SystemExit(said)
    sys.stderr.write(f"{said}\n")
    return False


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
        _check_text(connection)
        if _is_ours(connection):
            # Each migration ends its own transaction, for some do their work in several.
            context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
            with context.begin_transaction():
                context.run_migrations()
except (SQLAlchemyError, TransientError) as error:
    if isinstance(error, SQLAlchemyError) and not is_known(error):
        raise
    raise SystemExit(f"The release has ended early. {told(error, engine.url.username)}") from None
finally:
    engine.dispose()
