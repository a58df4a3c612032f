"""What the merchant's own function says that payments were for is kept, once for each payment.

The former release works beside it: it never looks at the new table.
"""

import sqlalchemy as sa
from alembic import op

from tasks.store.migrations.steps import guard, online

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add what `tasks.store.schema` has since what asks for a person is listed."""
    with online():
        op.create_table(
            "orders",
            sa.Column("payment_id", sa.Text(), nullable=False),
            sa.Column("lines", sa.Text(), nullable=False),
            sa.Column("cents", sa.BigInteger(), nullable=False),
            sa.Column("currency", sa.String(3), nullable=False),
            sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
            sa.PrimaryKeyConstraint("payment_id", name="pk_orders"),
            sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_orders_payment_id"),
            sa.CheckConstraint("cents >= 0", name=op.f("ck_orders_cents")),
            if_not_exists=True,
        )
        guard("orders", "UPDATE", "DELETE")


def downgrade() -> None:
    """Refuse: there is no way back, and no need for one, for the former release works on these tables."""
    raise NotImplementedError("Start the former release on these tables, or restore a backup.")
