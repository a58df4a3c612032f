"""Announcing: what a sweep does for those who are told of changes: it rings for what is due."""

from collections.abc import Iterator
from datetime import timedelta

import structlog
from celery import Celery
from sqlalchemy import Engine

from tasks.pipeline.bells import ring
from tasks.store import changes, endpoints, notification_order, sweeps
from tasks.store.clock import clock
from tasks.store.locking import number_changes

_log = structlog.get_logger(__name__)

#: Payments per transaction.
_LIMIT = 500
#: How often an endpoint is told of that is silent.
_TELL_EVERY = timedelta(hours=1)


def mend(app: Celery, engine: Engine) -> None:
    """See to what the former release has written and to what was missed; ring where there was any."""
    is_found = False
    while _number(engine):
        is_found = True
    if missed := sum(_repaired(engine)):
        _log.warning("notifications.repaired", payments=missed)
    if is_found or missed:
        announce(app, engine)


def announce(app: Celery, engine: Engine) -> None:
    """Ring for all that is due."""
    with engine.begin() as connection:
        now = clock(connection)
        due = endpoints.due(connection, now)
        silent = endpoints.silent(connection, now - endpoints.SILENCE)
        is_told = bool(silent) and sweeps.begin(connection, "silent-endpoints", _TELL_EVERY)
    if is_told:
        for name, since in silent:
            _log.error("endpoint.silent", endpoint=name, without_success_since=since.isoformat())
    if due:
        ring(app, due)


def _repaired(engine: Engine) -> Iterator[int]:
    with engine.begin() as connection:
        told = notification_order.told(connection)
    for endpoint, looked_to in told.items():
        with engine.begin() as connection:
            yield len(notification_order.repair(connection, endpoint, looked_to))


def _number(engine: Engine) -> bool:
    with engine.begin() as connection:
        behind = changes.unnumbered(connection, _LIMIT)
        number_changes(connection, behind)
    return bool(behind)
