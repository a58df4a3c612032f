"""The price lists that were accepted, and the one by which each payment was last checked."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add what `tasks.store.schema` has since operators' actions."""
    op.create_table(
        "price_lists",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_price_lists"),
    )
    op.add_column("payments", sa.Column("price_list_id", sa.BigInteger()))


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("payments", "price_list_id")
    op.drop_table("price_lists")
