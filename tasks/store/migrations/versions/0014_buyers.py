"""Events keep the customer that they name, so that a buyer is found before anything is paid.

The former release works beside it. What is stored already, and what it stores, names nobody here until
`coinflowctl events reread`.
"""

import sqlalchemy as sa

from tasks.store.migrations.steps import add, create_index, online

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add what `tasks.store.schema` has since totals are kept."""
    with online():
        add("events", sa.Column("buyer", sa.Text()))
        create_index("ix_events_buyer", "events", "buyer")
        create_index("ix_payments_wallet", "payments", "wallet")


def downgrade() -> None:
    """Refuse: there is no way back, and no need for one, for the former release works on these tables."""
    raise NotImplementedError("Start the former release on these tables, or restore a backup.")
