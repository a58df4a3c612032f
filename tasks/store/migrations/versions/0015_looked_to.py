"""Endpoints keep how far sweeps have looked at what waits, and no server's words, which may name a buyer.

The former release works beside it. What it writes meanwhile is replaced by the next failure.
"""

import sqlalchemy as sa

from tasks.store.migrations.steps import add, execute_all, is_sqlite, online

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add what `tasks.store.schema` has since events keep their buyers."""
    with online():
        add("endpoints", sa.Column("looked_to", sa.DateTime(timezone=True)))
        execute_all([_cut("last_error"), f"{_cut('reason')} AND paused_by IS NULL"])


def downgrade() -> None:
    """Refuse: there is no way back, and no need for one, for the former release works on these tables."""
    raise NotImplementedError("Start the former release on these tables, or restore a backup.")


def _cut(column: str) -> str:
    # What is not ours comes after a colon.
    place = f"instr({column}, ': ')" if is_sqlite() else f"strpos({column}, ': ')"
    return f"UPDATE endpoints SET {column} = substr({column}, 1, {place} - 1) WHERE {place} > 0"  # noqa: S608  # of names
