"""How a migration changes the database of a running shop, in steps that can be repeated.

Heroku runs a release while the former version still works. So migrations only add, and on PostgreSQL each
step is a transaction of its own that holds no lock for long: what a release that was cut off has done stays,
and the next one goes on from there. SQLite has one writer at a time and copies a table to constrain it: there
a migration is one transaction, all or nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa
from alembic import op
from psycopg.pq import TransactionStatus

from tasks.store.triggers import lifted, refuse, triggers_of

#: Rows that one transaction of a back-fill changes.
BATCH = 5_000
#: Seconds that a statement waits for a lock: whoever comes after it waits as long. A release can be repeated.
LOCK_TIMEOUT = 3
#: Beginnings of statements that take locks which others wait behind.
_LOCKING = ("ALTER", "CREATE", "DROP")
_BOUND = f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'"


@contextmanager
def online() -> Iterator[None]:
    """Let each statement of the block be a transaction of its own on PostgreSQL."""
    if is_sqlite():
        yield
        return
    with op.get_context().autocommit_block():
        yield


@contextmanager
def transaction(*, lifting: str | None = None) -> Iterator[None]:
    """Join the statements of a block within `online`; `lifting` names a table whose guard they may pass."""
    guards = lifted(op.get_bind(), lifting) if lifting else nullcontext()
    if is_sqlite():
        with guards:
            yield
        return
    op.execute("BEGIN")
    try:
        op.execute(_BOUND)
        with guards:
            yield
    except BaseException:
        op.execute("ROLLBACK")
        raise
    op.execute("COMMIT")


def bound_locks(  # SQLAlchemy's signature
    connection: sa.Connection,
    cursor: Any,
    statement: str,
    parameters: Any,
    _context: object,
    _many: bool,  # noqa: FBT001  # by position
) -> tuple[str, Any]:
    """Return a statement that is a transaction of its own on PostgreSQL with what bounds its wait for locks.

    Not as a setting of the session, which a pooler would hand on to the shop. An index that is made
    concurrently waits for older transactions, which may take long, and holds nobody up.
    """
    alone = cursor.connection.info.transaction_status == TransactionStatus.IDLE
    is_own = alone and connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"
    if is_own and statement.lstrip().startswith(_LOCKING) and "CONCURRENTLY" not in statement:
        statement = f"{_BOUND}; {statement}"
    return statement, parameters


def is_sqlite() -> bool:
    """Tell which kind of database is migrated."""
    return op.get_context().dialect.name == "sqlite"


def add(
    table: str,
    *columns: sa.Column[object],
    references: Mapping[str, str] | None = None,
    checks: Mapping[str, str] | None = None,
) -> None:
    """Add columns, which may be NULL or have a default; let them name rows of other tables; add checks.

    `references` has the other table by the column that holds its `id`, `checks` a condition by what follows
    the table's name in the constraint's.
    """
    references, checks = references or {}, checks or {}
    if is_sqlite():
        _rebuild(table, columns, references, checks)
        return
    for column in columns:
        op.add_column(table, column, if_not_exists=True)
    constraints = {
        **{
            f"fk_{table}_{column}": f"FOREIGN KEY ({column}) REFERENCES {other} (id)"
            for column, other in references.items()
        },
        **{f"ck_{table}_{name}": f"CHECK ({condition})" for name, condition in checks.items()},
    }
    known = "SELECT conname FROM pg_constraint WHERE conrelid = CAST(:table AS regclass)"
    there = set(op.get_bind().scalars(sa.text(known), {"table": table}))
    for name, constraint in constraints.items():
        if name not in there:
            # New rows are held to it from now on, under a short lock; the old ones are looked at under none.
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {constraint} NOT VALID")
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def widen(table: str, name: str, condition: str) -> None:
    """Let a check hold for more than before; `name` is what follows the table's name in the constraint's."""
    constraint = f"ck_{table}_{name}"
    if is_sqlite():
        triggers = triggers_of(op.get_bind(), table)
        with op.batch_alter_table(table, recreate="always") as batch:
            batch.drop_constraint(op.f(constraint), type_="check")
            batch.create_check_constraint(op.f(constraint), sa.text(condition))
        for statement in triggers.values():
            op.execute(statement)
        return
    # One statement, so that no row is written between the two that neither allows.
    drop = f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint}"
    op.execute(f"{drop}, ADD CONSTRAINT {constraint} CHECK ({condition}) NOT VALID")
    op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")


def _rebuild(
    table: str,
    columns: Sequence[sa.Column[object]],
    references: Mapping[str, str],
    checks: Mapping[str, str],
) -> None:
    # Alembic copies no triggers.
    triggers = triggers_of(op.get_bind(), table)
    with op.batch_alter_table(table, recreate="always") as batch:
        for column in columns:
            batch.add_column(column)
        for column_name, other in references.items():
            batch.create_foreign_key(op.f(f"fk_{table}_{column_name}"), other, [column_name], ["id"])
        for name, condition in checks.items():
            batch.create_check_constraint(op.f(f"ck_{table}_{name}"), sa.text(condition))
    for statement in triggers.values():
        op.execute(statement)


def create_index(name: str, table: str, *columns: str, where: str | None = None) -> None:
    """Make an index while the table is written, of all rows or of those for which a condition holds."""
    condition = sa.text(where) if where else None
    if is_sqlite():
        op.create_index(name, table, columns, sqlite_where=condition)
        return
    cut_off = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid"
    if op.get_bind().scalar(sa.text(cut_off), {"name": name}):
        op.drop_index(name, table, postgresql_concurrently=True)
    op.create_index(
        name,
        table,
        columns,
        postgresql_concurrently=True,
        postgresql_where=condition,
        if_not_exists=True,
    )


def batches(table: str, key: str) -> Iterator[dict[str, object]]:
    """Yield `start` and `end` of one batch of a table's rows after the other, in the order of a column."""
    column: sa.ColumnClause[object] = sa.column(key)
    rows, bind = sa.table(table, column), op.get_bind()
    start = bind.scalar(sa.select(sa.func.min(column)).select_from(rows))
    while start is not None:
        batch = sa.select(column).select_from(rows).where(column >= start).order_by(column).limit(BATCH)
        end = bind.scalar(sa.select(sa.func.max(batch.subquery().c[key])))
        yield {"start": start, "end": end}
        start = bind.scalar(sa.select(sa.func.min(column)).select_from(rows).where(column > end))


def run(statement: str, values: Mapping[str, object]) -> None:
    """Execute a statement with values."""
    op.get_bind().execute(sa.text(statement), values)


def guard(table: str, *operations: str) -> None:
    """Refuse operations on a table's rows; `transaction` lifts it for a migration."""
    execute_all(refuse(op.get_context().dialect.name, table, *operations))


def execute_all(statements: Sequence[str]) -> None:
    """Execute statements as one transaction."""
    with transaction():
        for statement in statements:
            op.execute(statement)
