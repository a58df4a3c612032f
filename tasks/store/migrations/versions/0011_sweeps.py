"""When the last sweep of each name began is kept; events that are set aside have an index of their own.

The former release works beside it: it reads neither, and its sweeps begin as ever.
"""

import sqlalchemy as sa
from alembic import op

from tasks.store.migrations.steps import create_index, online

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add what `tasks.store.schema` has since a payment can be filtered."""
    with online():
        op.create_table(
            "sweeps",
            sa.Column("name", sa.Text(), nullable=False),
            sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
            sa.PrimaryKeyConstraint("name", name="pk_sweeps"),
            if_not_exists=True,
        )
        create_index("ix_events_set_aside", "events", "id", where="set_aside IS NOT NULL")


def downgrade() -> None:
    """Refuse: there is no way back, and no need for one, for the former release works on these tables."""
    raise NotImplementedError("Start the former release on these tables, or restore a backup.")
