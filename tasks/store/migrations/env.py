"""Alembic's environment: migrates the database that the tasks use."""

from alembic import context

from tasks.settings import Settings
from tasks.store.database import connect
from tasks.store.schema import metadata

engine = connect(Settings.load().database_url.get_secret_value())
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
