"""How far a database is migrated, and how far this version wants it to be."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

_VERSIONS = Path(__file__).parent / "migrations" / "versions"
#: The newest migration of this version.
NEWEST = max(path.name.partition("_")[0] for path in _VERSIONS.glob("[0-9]*.py"))
_MIGRATE = "run the release step, `alembic upgrade head`."


def revision_of(connection: Connection) -> str | None:
    """Return the last migration that a database has had, or None before the first."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def difference(revision: str | None) -> str | None:
    """Return in one line what a database's revision means to this version; None where it is its own."""
    if revision is None:
        return f"The database is not migrated, and this version needs {NEWEST}: {_MIGRATE}"
    if revision == NEWEST:
        return None
    if not (revision.isdigit() and len(revision) == len(NEWEST)):
        return (
            f"The database is at revision {revision} of another application's. "
            "Give this one a database or a schema of its own (`options=-csearch_path=...`)."
        )
    if is_newer(revision):
        return (
            f"A newer version has migrated the database to {revision}; this one knows {NEWEST}, and works on "
            "it, for migrations only add. Deploy the newer version to be up to date."
        )
    return f"The database is migrated to {revision}, and this version needs {NEWEST}: {_MIGRATE}"


def is_newer(revision: str) -> bool:
    """Tell whether a newer version has migrated the database, and not another application."""
    return revision.isdigit() and len(revision) == len(NEWEST) and revision > NEWEST
