"""What the rules read of an event, beside it; that of earlier events is extracted when it is needed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns, empty, which rewrites no table."""
    op.add_column("events", sa.Column("facts", sa.Text()))
    op.add_column("events", sa.Column("facts_version", sa.Integer()))


def downgrade() -> None:
    """Take them away again."""
    op.drop_column("events", "facts_version")
    op.drop_column("events", "facts")
