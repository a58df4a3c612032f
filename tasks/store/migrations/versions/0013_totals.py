"""What metrics count is kept, and how far each table has been counted.

The former release works beside it: it reads none of this, and what it writes is counted with the rest.
"""

import sqlalchemy as sa
from alembic import op

from tasks.store.migrations.steps import add, create_index, is_sqlite, online

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add what `tasks.store.schema` has since changes are told."""
    with online():
        add(
            "dead_letter_attempts",
            sa.Column("is_counted", sa.Boolean(), nullable=False, server_default=sa.false()),
        )
        op.create_table(
            "totals",
            sa.Column("name", sa.Text(), nullable=False),
            sa.Column("labels", sa.Text(), nullable=False),
            sa.Column("value", sa.Double(), nullable=False),
            sa.PrimaryKeyConstraint("name", "labels", name="pk_totals"),
            if_not_exists=True,
        )
        op.create_table(
            "total_marks",
            sa.Column("source", sa.Text(), nullable=False),
            sa.Column("counted_id", sa.BigInteger(), nullable=False),
            sa.Column("settling_id", sa.BigInteger(), nullable=False),
            sa.Column("settling_since", sa.DateTime(timezone=True), nullable=False),
            sa.Column("settling_transaction", sa.BigInteger(), nullable=False),
            sa.PrimaryKeyConstraint("source", name="pk_total_marks"),
            if_not_exists=True,
        )
        # As SQLAlchemy writes the condition of the schema's index.
        uncounted = "is_counted = 0" if is_sqlite() else "NOT is_counted"
        create_index("ix_dead_letter_attempts_uncounted", "dead_letter_attempts", "id", where=uncounted)


def downgrade() -> None:
    """Refuse: there is no way back, and no need for one, for the former release works on these tables."""
    raise NotImplementedError("Start the former release on these tables, or restore a backup.")
