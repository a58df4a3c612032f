"""The bell: what a command has made due is told at once, and not at the next sweep."""

from tasks import celery
from tasks.cli.output import database
from tasks.pipeline.bells import ring
from tasks.store import endpoints
from tasks.store.clock import clock


def ring_for_what_is_due() -> None:
    """Let endpoints be told what is due, once that is committed; while the broker is away, a sweep rings."""
    with database() as connection:
        due = endpoints.due(connection, clock(connection))
    # Without an endpoint nothing of Celery is loaded.
    if due:
        ring(celery.app, due)
