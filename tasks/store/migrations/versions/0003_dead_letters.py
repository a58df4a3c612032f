"""Dead letters' history; when a run is due again, and how often it began without an end."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)
_PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    """Add what `tasks.store.schema` has since the life of a payment."""
    op.add_column("handler_runs", sa.Column("due_at", _TIME))
    op.add_column("handler_runs", sa.Column("starts", sa.Integer(), nullable=False, server_default="0"))
    # What is finished is never due, so the many finished runs stay untouched.
    op.execute("UPDATE handler_runs SET due_at = sent_at WHERE state = 'pending'")
    op.drop_index("ix_handler_runs_pending", "handler_runs")
    op.create_index(
        "ix_handler_runs_pending",
        "handler_runs",
        ["due_at"],
        postgresql_where=_PENDING,
        sqlite_where=_PENDING,
    )
    op.create_table(
        "dead_letter_attempts",
        sa.Column("id", _ID, nullable=False),
        sa.Column("event_id", _ID, nullable=False),
        sa.Column("handler", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("failed_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letter_attempts"),
        sa.ForeignKeyConstraint(
            ["event_id", "handler"],
            ["dead_letters.event_id", "dead_letters.handler"],
            name="fk_dead_letter_attempts_event_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_dead_letter_attempts_event_id_handler", "dead_letter_attempts", ["event_id", "handler"]
    )
    op.execute(
        "INSERT INTO dead_letter_attempts (event_id, handler, error, message, tries, failed_at) "
        "SELECT event_id, handler, error, message, attempts, failed_at FROM dead_letters"
    )


def downgrade() -> None:
    """Take it away again; what was discarded is dead again."""
    op.execute("UPDATE handler_runs SET state = 'dead' WHERE state = 'discarded'")
    op.drop_table("dead_letter_attempts")
    op.drop_index("ix_handler_runs_pending", "handler_runs")
    op.create_index(
        "ix_handler_runs_pending",
        "handler_runs",
        ["sent_at"],
        postgresql_where=_PENDING,
        sqlite_where=_PENDING,
    )
    for column in ("due_at", "starts"):
        op.drop_column("handler_runs", column)
