"""The tables of what is told of changes; a part of the schema."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from tasks.store.checks import at_least, one_of
from tasks.store.column_types import Id, Names, Timestamp
from tasks.store.metadata import metadata
from tasks.store.states import EndpointState, NotificationState

#: Whom changes are told: the merchant's own servers and functions, and how they fare.
endpoints = Table(
    "endpoints",
    metadata,
    Column("name", Text, primary_key=True),
    # What it is known by, without anything that may be secret.
    Column("address", Text, nullable=False),
    Column("added_at", Timestamp, nullable=False),
    # When the process started by whose environment it is, or is not, told.
    Column("configured_at", Timestamp, nullable=False),
    # Since when no process is configured to tell it, or NULL.
    Column("removed_at", Timestamp),
    Column("state", String(16), nullable=False),
    Column("since", Timestamp, nullable=False),
    # Why it is held or paused, and who has paused it: a person, or NULL for its own answer.
    Column("reason", Text),
    Column("paused_by", Text),
    # Transient failures in a row, and of which payments, at most three.
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("failed_payments", Names),
    # While it is held: how many tries may be in flight, when the next may begin, and the wait before it, in
    # seconds.
    Column("allowance", Integer),
    Column("probe_at", Timestamp),
    Column("probe_wait", Integer),
    Column("last_success_at", Timestamp),
    Column("last_failure_at", Timestamp),
    Column("last_error", Text),
    # When the last one was written of the waiting changes that sweeps have looked at; NULL before the first.
    Column("looked_to", Timestamp),
    one_of("state", EndpointState),
)

#: What each endpoint is told: one row for each change of a payment.
notifications = Table(
    "notifications",
    metadata,
    Column("id", Id, primary_key=True),
    Column("payment_id", Text, ForeignKey("payments.id"), nullable=False),
    Column("version", BigInteger, nullable=False),
    # No foreign key: it would wait for whoever holds the endpoint, and that one may wait for the payment.
    Column("endpoint", Text, nullable=False),
    Column("state", String(16), nullable=False),
    # When it may be tried; NULL where it is finished, or an earlier change of the payment goes first.
    Column("due_at", Timestamp),
    # Until when the one that tries it now may take, or NULL.
    Column("claimed_until", Timestamp),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("first_tried_at", Timestamp),
    Column("last_tried_at", Timestamp),
    # What the last try came to, with its HTTP status where there was one.
    Column("last_outcome", String(16)),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("created_at", Timestamp, nullable=False),
    Column("finished_at", Timestamp),
    one_of("state", NotificationState),
    at_least(1, "version"),
    UniqueConstraint("payment_id", "endpoint", "version"),
)
