"""Indexes that hold some rows of a table alone; a part of the schema that only migrations need.

To state one, SQLAlchemy loads the dialects of both kinds of database, which who reads one need not wait for.
"""

from typing import Any

from sqlalchemy import Column, ColumnElement, Index

from tasks.store.schema import (
    dead_letter_attempts,
    events,
    handler_runs,
    ledger_entries,
    notifications,
    payments,
)
from tasks.store.states import GIVEN_UP, NotificationState, RunState


def _index(name: str, *columns: Column[Any], where: ColumnElement[bool]) -> None:
    Index(name, *columns, postgresql_where=where, sqlite_where=where)


# Events that are set aside.
_index("ix_events_set_aside", events.c.id, where=events.c.set_aside.is_not(None))
# Payments that ask for a person.
_index("ix_payments_notes", payments.c.respond_by_date, where=payments.c.notes.is_not(None))
# What is yet to be numbered.
_index("ix_ledger_entries_unnumbered", ledger_entries.c.payment_id, where=ledger_entries.c.version.is_(None))
# What is unfinished, so that a sweep costs the same however much is finished.
_index(
    "ix_handler_runs_pending",
    handler_runs.c.due_at,
    where=handler_runs.c.state == RunState.PENDING.value,
)
# What is yet to be counted.
_index(
    "ix_dead_letter_attempts_uncounted",
    dead_letter_attempts.c.id,
    where=~dead_letter_attempts.c.is_counted,
)
_index(
    "ix_notifications_due",
    notifications.c.endpoint,
    notifications.c.due_at,
    where=notifications.c.due_at.is_not(None),
)
_index(
    "ix_notifications_claimed",
    notifications.c.endpoint,
    notifications.c.claimed_until,
    where=notifications.c.claimed_until.is_not(None),
)
# Those that wait for an earlier change of their payment.
_index(
    "ix_notifications_waiting",
    notifications.c.endpoint,
    notifications.c.created_at,
    where=(notifications.c.state == NotificationState.PENDING.value) & notifications.c.due_at.is_(None),
)
_index(
    "ix_notifications_given_up",
    notifications.c.endpoint,
    notifications.c.state,
    where=notifications.c.state.in_([state.value for state in GIVEN_UP]),
)
