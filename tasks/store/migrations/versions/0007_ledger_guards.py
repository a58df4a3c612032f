"""The database guards the ledger: states and quantities, entries that stay, wallets with rows of their own.

The former release works beside it: it knows neither `wallets` nor the new columns, and leaves them NULL.
"""

import sqlalchemy as sa
from alembic import op

from tasks.store.migrations.steps import (
    add,
    batches,
    create_index,
    execute_all,
    guard,
    is_sqlite,
    online,
    run,
    transaction,
)
from tasks.store.triggers import forget_wallet

revision = "0007"
down_revision = "0006"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_GRANT_STATUS = "status IN ('granted', 'suspended', 'revoked')"
_DECISION = "decision IN ('nothing', 'unmatched', 'granted', 'suspended', 'revoked', 'refused')"

_LOCK = "SELECT id FROM payments WHERE id BETWEEN :start AND :end ORDER BY id FOR UPDATE"
_GRANTS = "payment_id BETWEEN :start AND :end AND wallet_id IS NULL"
_ENTRIES = "id BETWEEN :start AND :end AND delta IS NULL"
_NAMES = """
INSERT INTO wallets (key, name, created_at)
SELECT DISTINCT wallet, wallet, CURRENT_TIMESTAMP FROM {table} WHERE {rows} ORDER BY wallet
ON CONFLICT DO NOTHING
"""
_NAME_GRANTS = f"""
UPDATE grants SET wallet_id = (SELECT id FROM wallets WHERE name = grants.wallet) WHERE {_GRANTS}
"""  # noqa: S608  # composed of constants
_NAME_ENTRIES = f"""
UPDATE ledger_entries
SET delta = quantity, wallet_id = (SELECT id FROM wallets WHERE name = ledger_entries.wallet)
WHERE {_ENTRIES}
"""  # noqa: S608  # composed of constants


def upgrade() -> None:
    """Add what `tasks.store.schema` has since price lists."""
    with online():
        _make_wallets()
        _check()
        _name_grants()
        _name_entries()
        create_index("ix_grants_wallet_id", "grants", "wallet_id")
        guard("ledger_entries", "UPDATE", "DELETE")
        guard("grants", "DELETE")
        execute_all(forget_wallet(op.get_context().dialect.name))


def downgrade() -> None:
    """Refuse: there is no way back, and no need for one, for the former release works on these tables."""
    raise NotImplementedError("Start the former release on these tables, or restore a backup.")


def _make_wallets() -> None:
    op.create_table(
        "wallets",
        sa.Column("id", _ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_wallets"),
        sa.UniqueConstraint("name", name="uq_wallets_name"),
        if_not_exists=True,
    )
    op.create_index("ix_wallets_key", "wallets", ["key"], if_not_exists=True)


def _check() -> None:
    add("events", checks={"set_aside": "set_aside IN ('foreign', 'invalid')"})
    add(
        "payments",
        checks={"decision": _DECISION, "cents": "cents >= 0", "refunded_cents": "refunded_cents >= 0"},
    )
    add("matches", checks={"quantity": "quantity >= 1"})
    add(
        "grants",
        sa.Column("wallet_id", _ID),
        references={"wallet_id": "wallets"},
        checks={"quantity": "quantity >= 1", "status": _GRANT_STATUS},
    )
    add(
        "ledger_entries",
        sa.Column("delta", sa.BigInteger()),
        sa.Column("wallet_id", _ID),
        references={"wallet_id": "wallets"},
        checks={"status": _GRANT_STATUS},
    )
    states = "state IN ('pending', 'done', 'dead', 'discarded')"
    add("handler_runs", checks={"state": states, "starts": "starts >= 0"})
    add("dead_letters", checks={"attempts": "attempts >= 1"})
    add("dead_letter_attempts", checks={"tries": "tries >= 1"})


def _name_grants() -> None:
    for batch in batches("grants", "payment_id"):
        with transaction():
            if not is_sqlite():
                # As fulfilment does, and in its order, so that neither can wait for the other in a circle.
                run(_LOCK, batch)
            run(_NAMES.format(table="grants", rows=_GRANTS), batch)
            run(_NAME_GRANTS, batch)


def _name_entries() -> None:
    for batch in batches("ledger_entries", "id"):
        with transaction(lifting="ledger_entries"):
            run(_NAMES.format(table="ledger_entries", rows=_ENTRIES), batch)
            run(_NAME_ENTRIES, batch)
