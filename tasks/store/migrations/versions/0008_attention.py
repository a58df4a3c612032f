"""What price lists said is kept, what persons say is folded in, and what asks for a person is listed.

The former release works beside it: it leaves the new columns NULL, and compares wallets by their names.
"""

import sqlalchemy as sa
from alembic import op

from tasks.payments.wallet import wallet_key
from tasks.store.migrations.steps import add, batches, create_index, guard, online, run, transaction

revision = "0008"
down_revision = "0007"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KINDS = "kind IN ('item', 'wallet', 'accept_price', 'revoke', 'restore', 'done')"
_NAMES = sa.text("SELECT id, key, name FROM wallets WHERE id BETWEEN :start AND :end")


def upgrade() -> None:
    """Add what `tasks.store.schema` has since the ledger's guards."""
    with online():
        add(
            "payments",
            sa.Column("verdicts", sa.Text()),
            sa.Column("notes", sa.Text()),
            sa.Column("respond_by_date", sa.DateTime(timezone=True)),
            sa.Column("is_done", sa.Boolean(), nullable=False, server_default=sa.false()),
            sa.Column("order_id", sa.Text()),
            sa.Column("paid_at", sa.DateTime(timezone=True)),
        )
        create_index("ix_payments_order_id", "payments", "order_id")
        create_index("ix_payments_notes", "payments", "respond_by_date", where="notes IS NOT NULL")
        _make_resolutions()
        guard("resolutions", "DELETE")
        _compare_wallets()


def downgrade() -> None:
    """Refuse: there is no way back, and no need for one, for the former release works on these tables."""
    raise NotImplementedError("Start the former release on these tables, or restore a backup.")


def _make_resolutions() -> None:
    op.create_table(
        "resolutions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("item", sa.Text()),
        sa.Column("quantity", sa.BigInteger()),
        sa.Column("wallet", sa.Text()),
        sa.Column("known", sa.Text(), nullable=False),
        sa.Column("action_id", _ID, nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_resolutions"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_resolutions_payment_id"),
        sa.ForeignKeyConstraint(["action_id"], ["operator_actions.id"], name="fk_resolutions_action_id"),
        sa.CheckConstraint(_KINDS, name=op.f("ck_resolutions_kind")),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_resolutions_quantity")),
        if_not_exists=True,
    )
    op.create_index("ix_resolutions_payment_id", "resolutions", ["payment_id"], if_not_exists=True)


def _compare_wallets() -> None:
    for batch in batches("wallets", "id"):
        with transaction():
            for row in op.get_bind().execute(_NAMES, batch).all():
                if row.key != (key := wallet_key(row.name)):
                    run("UPDATE wallets SET key = :key WHERE id = :id", {"key": key, "id": row.id})
