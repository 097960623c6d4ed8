"""Readiness of a database: does it have the schema of this version?"""

from devices.catalogue import KINDS
from store.database import Connection, shipped_versions
from store.telemetry.schema import table_name


def missing_schema(connection: Connection) -> list[str]:
    """Return the migrations and tables that `anju migrate` has still to create; empty if there are none."""
    if _absent(connection, ["schema_migrations"]):
        return ["every migration"]
    applied_versions = {row[0] for row in connection.execute("SELECT version FROM schema_migrations")}
    missing = [f"migration {version}" for version in shipped_versions() if version not in applied_versions]
    tables = [*(table_name(kind.name) for kind in KINDS), "procrastinate_jobs"]
    return missing + [f"table {name}" for name in _absent(connection, tables)]


def _absent(connection: Connection, tables: list[str]) -> list[str]:
    rows = connection.execute(
        """
        SELECT name FROM unnest(%s::text[]) WITH ORDINALITY AS expected (name, n)
        WHERE to_regclass(name) IS NULL ORDER BY n
        """,
        (tables,),
    ).fetchall()
    return [row[0] for row in rows]
