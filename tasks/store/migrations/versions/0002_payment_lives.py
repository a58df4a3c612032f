"""The life of a payment: what was paid and refunded, matches by hand, subscriptions, events set aside."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add what `tasks.store.schema` has since the first tables."""
    op.add_column("events", sa.Column("set_aside", sa.String(16)))
    op.add_column("payments", sa.Column("wallet", sa.Text()))
    op.add_column("payments", sa.Column("cents", sa.BigInteger()))
    op.add_column("payments", sa.Column("currency", sa.Text()))
    op.add_column(
        "payments", sa.Column("refunded_cents", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.create_index("ix_payments_decision_updated_at", "payments", ["decision", "updated_at"])
    op.create_table(
        "matches",
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("wallet", sa.Text()),
        sa.Column("matched_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("payment_id", name="pk_matches"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_matches_payment_id"),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("plan_code", sa.Text()),
        sa.Column("wallet", sa.Text()),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("event_id", _ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_subscriptions"),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_subscriptions_event_id"),
    )
    op.create_index("ix_subscriptions_wallet", "subscriptions", ["wallet"])
    # Refunds, disputes and the like were stored and not acted on; the next sweep folds them in.
    op.execute(
        "INSERT INTO handler_runs (event_id, handler, state, sent_at) "
        "SELECT id, 'fulfilment', 'pending', received_at FROM events WHERE payment_id IS NOT NULL "
        "AND NOT EXISTS (SELECT 1 FROM handler_runs WHERE event_id = events.id)"
    )


def downgrade() -> None:
    """Take it away again; what it held is lost."""
    op.drop_table("subscriptions")
    op.drop_table("matches")
    op.drop_index("ix_payments_decision_updated_at", "payments")
    for column in ("refunded_cents", "currency", "cents", "wallet"):
        op.drop_column("payments", column)
    op.drop_column("events", "set_aside")
