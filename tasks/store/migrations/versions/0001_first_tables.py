"""The first tables: events, payments, grants, ledger entries, handler runs, dead letters."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables of `tasks.store.schema`."""
    _make_events()
    _make_ledger()
    _make_runs()


def _make_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", _ID, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("payment_id", sa.Text()),
        sa.Column("created", sa.Text(), nullable=False),
        sa.Column("received_at", _TIME, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.UniqueConstraint("key", name="uq_events_key"),
    )
    op.create_index("ix_events_payment_id", "events", ["payment_id"])
    op.create_index("ix_events_event_type_id", "events", ["event_type", "id"])
    op.create_index("ix_events_received_at", "events", ["received_at"])


def _make_ledger() -> None:
    op.create_table(
        "payments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_payments"),
    )
    op.create_table(
        "grants",
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("wallet", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("granted_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("payment_id", "item", name="pk_grants"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_grants_payment_id"),
    )
    op.create_index("ix_grants_wallet", "grants", ["wallet"])
    op.create_table(
        "ledger_entries",
        sa.Column("id", _ID, nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("wallet", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_entries"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_ledger_entries_payment_id"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_ledger_entries_event_id"),
    )
    op.create_index("ix_ledger_entries_payment_id_id", "ledger_entries", ["payment_id", "id"])


def _make_runs() -> None:
    op.create_table(
        "handler_runs",
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("handler", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sent_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME),
        sa.PrimaryKeyConstraint("event_id", "handler", name="pk_handler_runs"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_handler_runs_event_id"),
    )
    op.create_index(
        "ix_handler_runs_pending",
        "handler_runs",
        ["sent_at"],
        postgresql_where=sa.text("state = 'pending'"),
        sqlite_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", _ID, nullable=False),
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("handler", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("traceback", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
        sa.UniqueConstraint("event_id", "handler", name="uq_dead_letters_event_id_handler"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_dead_letters_event_id"),
    )
    op.create_index("ix_dead_letters_failed_at", "dead_letters", ["failed_at"])


def downgrade() -> None:
    """Drop them; what they held is lost."""
    for table in ("dead_letters", "handler_runs", "ledger_entries", "grants", "payments", "events"):
        op.drop_table(table)
