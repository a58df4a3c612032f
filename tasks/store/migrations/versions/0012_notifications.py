"""The changes of a payment are numbered, and each endpoint is told of them.

The former release works beside it: it numbers nothing. What it writes is numbered with the payment's next
change, or by a sweep.
"""

import sqlalchemy as sa
from alembic import op

from tasks.store.migrations.steps import (
    add,
    batches,
    create_index,
    execute_all,
    is_sqlite,
    online,
    run,
    transaction,
)
from tasks.store.triggers import keep_entries

revision = "0012"
down_revision = "0011"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = ("payment_id", "endpoint", "version")
_TIME = sa.DateTime(timezone=True)

_LOCK = "SELECT id FROM payments WHERE id BETWEEN :start AND :end ORDER BY id FOR UPDATE"
# The entries that one decision has written together have one time.
_NUMBER = """
UPDATE ledger_entries SET version = numbered.version
FROM (
    SELECT id, newest + SUM(is_first) OVER (PARTITION BY payment_id ORDER BY id) AS version
    FROM (
        SELECT ledger_entries.id, payment_id, payments.version AS newest, CASE
            WHEN created_at = LAG(created_at) OVER (PARTITION BY payment_id ORDER BY ledger_entries.id)
            THEN 0 ELSE 1
        END AS is_first
        FROM ledger_entries JOIN payments ON payments.id = payment_id
        WHERE payment_id BETWEEN :start AND :end AND ledger_entries.version IS NULL
    ) AS marked
) AS numbered
WHERE numbered.id = ledger_entries.id
"""
_NEWEST = """
UPDATE payments SET version = newest.version
FROM (
    SELECT payment_id, MAX(version) AS version FROM ledger_entries
    WHERE payment_id BETWEEN :start AND :end GROUP BY payment_id
) AS newest
WHERE newest.payment_id = payments.id AND payments.version <> newest.version
"""


def upgrade() -> None:
    """Add what `tasks.store.schema` has since sweeps are noted."""
    with online():
        add("payments", sa.Column("version", sa.BigInteger(), nullable=False, server_default="0"))
        add(
            "ledger_entries",
            sa.Column("units", sa.BigInteger()),
            sa.Column("version", sa.BigInteger()),
            checks={"units": "units >= 1", "version": "version >= 1"},
        )
        execute_all(keep_entries(op.get_context().dialect.name))
        _make_endpoints()
        _make_notifications()
        _number()
        create_index("ix_ledger_entries_unnumbered", "ledger_entries", "payment_id", where="version IS NULL")


def downgrade() -> None:
    """Refuse: there is no way back, and no need for one, for the former release works on these tables."""
    raise NotImplementedError("Start the former release on these tables, or restore a backup.")


def _make_endpoints() -> None:
    op.create_table(
        "endpoints",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("added_at", _TIME, nullable=False),
        sa.Column("configured_at", _TIME, nullable=False),
        sa.Column("removed_at", _TIME),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("paused_by", sa.Text()),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("failed_payments", sa.Text()),
        sa.Column("allowance", sa.Integer()),
        sa.Column("probe_at", _TIME),
        sa.Column("probe_wait", sa.Integer()),
        sa.Column("last_success_at", _TIME),
        sa.Column("last_failure_at", _TIME),
        sa.Column("last_error", sa.Text()),
        sa.PrimaryKeyConstraint("name", name="pk_endpoints"),
        sa.CheckConstraint("state IN ('open', 'held', 'paused')", name=op.f("ck_endpoints_state")),
        if_not_exists=True,
    )


def _make_notifications() -> None:
    states = "state IN ('pending', 'done', 'dead', 'discarded')"
    op.create_table(
        "notifications",
        sa.Column("id", _ID, nullable=False),
        sa.Column("payment_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at", _TIME),
        sa.Column("claimed_until", _TIME),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("first_tried_at", _TIME),
        sa.Column("last_tried_at", _TIME),
        sa.Column("last_outcome", sa.String(16)),
        sa.Column("last_status", sa.Integer()),
        sa.Column("last_error", sa.Text()),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("finished_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name="fk_notifications_payment_id"),
        sa.UniqueConstraint(*_KEY, name="uq_notifications_" + "_".join(_KEY)),
        sa.CheckConstraint(states, name=op.f("ck_notifications_state")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_notifications_version")),
        if_not_exists=True,
    )
    indexes = {
        "due": (("endpoint", "due_at"), "due_at IS NOT NULL"),
        "claimed": (("endpoint", "claimed_until"), "claimed_until IS NOT NULL"),
        "waiting": (("endpoint", "created_at"), "state = 'pending' AND due_at IS NULL"),
        "given_up": (("endpoint", "state"), "state IN ('dead', 'discarded')"),
    }
    for name, (columns, condition) in indexes.items():
        create_index(f"ix_notifications_{name}", "notifications", *columns, where=condition)


def _number() -> None:
    for batch in batches("payments", "id"):
        with transaction():
            if not is_sqlite():
                # As fulfilment does, and in its order, so that neither can wait for the other in a circle.
                run(_LOCK, batch)
            run(_NUMBER, batch)
            run(_NEWEST, batch)
