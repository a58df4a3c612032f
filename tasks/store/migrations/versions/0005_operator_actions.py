"""What operators did; the action that caused a ledger entry; an index for the newest payments."""

import sqlalchemy as sa
from alembic import op

from tasks.store.migrations.steps import add, create_index, guard, online

revision = "0005"
down_revision = "0004"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add what `tasks.store.schema` has since events' facts."""
    with online():
        create_index("ix_payments_updated_at", "payments", "updated_at")
        op.create_table(
            "operator_actions",
            sa.Column("id", _ID, nullable=False),
            sa.Column("at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("who", sa.Text(), nullable=False),
            sa.Column("what", sa.String(16), nullable=False),
            sa.Column("why", sa.Text()),
            sa.Column("subject", sa.Text(), nullable=False),
            sa.Column("before", sa.Text()),
            sa.Column("after", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("id", name="pk_operator_actions"),
            if_not_exists=True,
        )
        op.create_index("ix_operator_actions_subject", "operator_actions", ["subject"], if_not_exists=True)
        add("ledger_entries", sa.Column("action_id", _ID), references={"action_id": "operator_actions"})
        guard("operator_actions", "UPDATE", "DELETE")


def downgrade() -> None:
    """Refuse: there is no way back, and no need for one, for the former release works on these tables."""
    raise NotImplementedError("Start the former release on these tables, or restore a backup.")
