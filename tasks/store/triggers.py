"""What the database itself sees to: rows that are only ever added, and names that the former release writes.

Each function returns a dialect's statements; schema and migrations execute the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, MetaData, text

#: Names the table that a transaction on PostgreSQL may change although its rows are guarded.
LIFTED = "coinflow.lifted"

_REASON = "what stands there stays. Append what corrects it."
_REFUSE = f"""
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('{LIFTED}', true) IS DISTINCT FROM TG_TABLE_NAME THEN
        RAISE EXCEPTION USING
            MESSAGE = TG_TABLE_NAME || ' refuses ' || TG_OP || ': {_REASON}', ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""
#: All columns of an entry but its number.
_ENTRY = (
    "id, payment_id, item, wallet, delta, wallet_id, quantity, units, status, event_id, action_id, created_at"
)
_FORGET = """
CREATE OR REPLACE FUNCTION forget_wallet() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.wallet_id := NULL;
    RETURN NEW;
END $$
"""
_RENAMED = "NEW.wallet <> OLD.wallet AND NEW.wallet_id = OLD.wallet_id"
_FORGET_ON_SQLITE = f"""
CREATE TRIGGER grants_forget_wallet AFTER UPDATE OF wallet ON grants WHEN {_RENAMED} BEGIN
    UPDATE grants SET wallet_id = NULL WHERE payment_id = NEW.payment_id AND item = NEW.item;
END
"""  # noqa: S608  # composed of constants
_FORGET_ON_POSTGRESQL = f"""
CREATE TRIGGER grants_forget_wallet BEFORE UPDATE OF wallet ON grants
FOR EACH ROW WHEN ({_RENAMED}) EXECUTE FUNCTION forget_wallet()
"""


def refuse(dialect: str, table: str, *operations: str) -> list[str]:
    """Refuse operations (UPDATE, DELETE) on a table; on PostgreSQL the one that empties it, too."""
    if dialect == "sqlite":
        return [_refuse_on_sqlite(table, operation) for operation in operations]
    refused = " OR ".join((*operations, "TRUNCATE"))
    create = f"CREATE TRIGGER {table}_refuse BEFORE {refused} ON {table} EXECUTE FUNCTION refuse_change()"
    return [_REFUSE, f"DROP TRIGGER IF EXISTS {table}_refuse ON {table}", create]


def _refuse_on_sqlite(table: str, operation: str, event: str = "", when: str = "") -> str:
    return (
        f"CREATE TRIGGER {table}_refuse_{operation.lower()} BEFORE {event or operation} ON {table} {when} "
        f"BEGIN SELECT RAISE(ABORT, '{table} refuses {operation}: {_REASON}'); END"
    )


def keep_entries(dialect: str) -> list[str]:
    """Let an entry of the ledger be numbered once, and refuse whatever else would change it."""
    table = "ledger_entries"
    if dialect == "sqlite":
        return [
            *(f"DROP TRIGGER IF EXISTS {table}_refuse_{each}" for each in ("update", "delete", "renumber")),
            _refuse_on_sqlite(table, "UPDATE", f"UPDATE OF {_ENTRY}"),
            _refuse_on_sqlite(table, "RENUMBER", "UPDATE OF version", "WHEN OLD.version IS NOT NULL"),
            _refuse_on_sqlite(table, "DELETE"),
        ]
    renumber = "BEFORE UPDATE OF version ON ledger_entries FOR EACH ROW WHEN (OLD.version IS NOT NULL)"
    return [
        *refuse(dialect, table, f"UPDATE OF {_ENTRY}", "DELETE"),
        f"DROP TRIGGER IF EXISTS {table}_refuse_renumber ON {table}",
        f"CREATE TRIGGER {table}_refuse_renumber {renumber} EXECUTE FUNCTION refuse_change()",
    ]


def forget_wallet(dialect: str) -> list[str]:
    """Let a grant forget `wallet_id` when the former release, which knows the name alone, gives it another.

    It goes with the column `grants.wallet`.
    """
    if dialect == "sqlite":
        return [_FORGET_ON_SQLITE]
    return [_FORGET, "DROP TRIGGER IF EXISTS grants_forget_wallet ON grants", _FORGET_ON_POSTGRESQL]


def guard(_metadata: MetaData, connection: Connection, **_options: object) -> None:
    """Guard the schema's tables, once they are made."""
    dialect = connection.dialect.name
    for statement in (
        *refuse(dialect, "operator_actions", "UPDATE", "DELETE"),
        *keep_entries(dialect),
        *refuse(dialect, "grants", "DELETE"),
        *refuse(dialect, "resolutions", "DELETE"),
        *refuse(dialect, "orders", "UPDATE", "DELETE"),
        *forget_wallet(dialect),
    ):
        connection.exec_driver_sql(statement)


def triggers_of(connection: Connection, table: str) -> dict[str, str]:
    """Return the statements of a table's triggers on SQLite, by their names."""
    query = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table")
    return {row.name: row.sql for row in connection.execute(query, {"table": table})}


@contextmanager
def lifted(connection: Connection, table: str) -> Iterator[None]:
    """Let rows of a guarded table be changed within the transaction."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL {LIFTED} = '{table}'")
        yield
        connection.exec_driver_sql(f"SET LOCAL {LIFTED} = ''")
        return
    guards = triggers_of(connection, table)
    for name in guards:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    yield
    for statement in guards.values():
        connection.exec_driver_sql(statement)
