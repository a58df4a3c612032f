"""How commands open the database."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from tasks.errors import TransientError
from tasks.settings import Settings
from tasks.store.database import connect
from tasks.store.faults import is_behind, is_known, told
from tasks.store.revision import difference, revision_of


@contextmanager
def database() -> Iterator[Connection]:
    """Open the event log and ledger in one transaction; what is written is kept if the block ends well."""
    with transactions() as engine, engine.begin() as connection:
        yield connection


@contextmanager
def transactions() -> Iterator[Engine]:
    """Open the event log and ledger; a fault becomes one line that says what to do."""
    settings = Settings.load()
    engine = connect(settings.database_url.get_secret_value(), pooler=settings.database_pooler)
    try:
        yield engine
    except TransientError as error:
        raise click.ClickException(str(error)) from None
    except SQLAlchemyError as error:
        if not is_known(error):
            raise
        said = _of_revision(engine) if is_behind(error) else None
        said = said or told(error, engine.url.username)
        raise click.ClickException(f"The database cannot be used. {said} Check DATABASE_URL.") from None
    finally:
        engine.dispose()


def _of_revision(engine: Engine) -> str | None:
    with suppress(SQLAlchemyError), engine.connect() as connection:
        return difference(revision_of(connection))
    return None
