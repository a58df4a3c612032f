"""A payment can be filtered, and paid by another one than who gets it.

The former release works beside it: it knows neither, and leaves the new column NULL.
"""

import sqlalchemy as sa

from tasks.store.migrations.steps import add, create_index, online, widen

revision = "0010"
down_revision = "0009"

_DECISION = "decision IN ('nothing', 'unmatched', 'granted', 'suspended', 'revoked', 'refused', 'filtered')"


def upgrade() -> None:
    """Add what `tasks.store.schema` has since the merchant's own orders."""
    with online():
        add("payments", sa.Column("payer", sa.Text()))
        widen("payments", "decision", _DECISION)
        create_index("ix_payments_payer", "payments", "payer")


def downgrade() -> None:
    """Refuse: there is no way back, and no need for one, for the former release works on these tables."""
    raise NotImplementedError("Start the former release on these tables, or restore a backup.")
