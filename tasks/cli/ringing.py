"""The bell: what a command has made due is told at once, and not at the next sweep."""

from tasks.cli.celery_app import celery_app
from tasks.cli.database import database
from tasks.store import endpoints
from tasks.store.clock import clock


def ring_for_what_is_due() -> None:
    """Let endpoints be told what is due, once that is committed; while the broker is away, a sweep rings."""
    with database() as connection:
        due = endpoints.due(connection, clock(connection))
    if due:
        app = celery_app()
        from tasks.pipeline.bells import ring  # noqa: PLC0415  # Celery comes with it

        ring(app, due)
