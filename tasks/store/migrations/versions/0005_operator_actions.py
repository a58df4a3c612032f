"""What operators did; the action that caused a ledger entry; an index for the newest payments."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_REFUSAL = "operator_actions is append-only"


def upgrade() -> None:
    """Add what `tasks.store.schema` has since dead letters' history."""
    _index_payments()
    op.create_table(
        "operator_actions",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
        sa.Column("why", sa.Text()),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", sa.Text()),
        sa.Column("after", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_operator_actions"),
    )
    op.create_index("ix_operator_actions_subject", "operator_actions", ["subject"])
    # One statement, so that PostgreSQL need not look through the entries. Alembic's would leave out the name.
    op.execute(
        f"ALTER TABLE ledger_entries ADD COLUMN action_id {'BIGINT' if _is_postgresql() else 'INTEGER'} "
        "CONSTRAINT fk_ledger_entries_action_id REFERENCES operator_actions (id)"
    )
    _refuse_changes()


def downgrade() -> None:
    """Take it away again; what it held is lost."""
    op.drop_column("ledger_entries", "action_id")
    op.drop_table("operator_actions")
    if _is_postgresql():
        op.execute("DROP FUNCTION refuse_change_of_operator_actions")
    op.drop_index("ix_payments_updated_at", "payments")


def _is_postgresql() -> bool:
    return op.get_context().dialect.name == "postgresql"


def _index_payments() -> None:
    """Make the index without keeping anybody from writing; first, for what was done before is committed."""
    if not _is_postgresql():
        op.create_index("ix_payments_updated_at", "payments", ["updated_at"])
        return
    with op.get_context().autocommit_block():
        # One that was cut off is there and not valid.
        op.drop_index("ix_payments_updated_at", "payments", if_exists=True, postgresql_concurrently=True)
        op.create_index("ix_payments_updated_at", "payments", ["updated_at"], postgresql_concurrently=True)


def _refuse_changes() -> None:
    """Let the table grow and nothing else."""
    if not _is_postgresql():
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER operator_actions_refuse_{change.lower()} "
                f"BEFORE {change} ON operator_actions BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_change_of_operator_actions() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER operator_actions_refuse_change "
        "BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_operator_actions()"
    )
