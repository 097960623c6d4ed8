"""The job queue: procrastinate's own tables, and the connections of its worker."""

from importlib.resources import files

from procrastinate import PsycopgConnector
from psycopg import sql

from store.database import Connection, connection_options


def create_job_tables(connection: Connection) -> None:
    """Bring the queue's tables to the installed version of procrastinate, inside the caller's transaction.

    `job_schema` lists the applied files of procrastinate. It is created here and not by a migration, so that it exists
    exactly when the tables do.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS job_schema (file text PRIMARY KEY)")
    applied_files = {row[0] for row in connection.execute("SELECT file FROM job_schema")}
    folder = files("procrastinate.sql")
    shipped_files = sorted(entry.name for entry in (folder / "migrations").iterdir() if entry.name.endswith(".sql"))
    missing = [name for name in shipped_files if name not in applied_files]
    scripts = [folder / "migrations" / name for name in missing] if applied_files else [folder / "schema.sql"]
    if not missing:
        return
    for script in scripts:
        # The scripts are part of the package, so their text is as trustworthy as its code.
        connection.execute(sql.SQL(script.read_text(encoding="utf-8")))
    connection.execute("INSERT INTO job_schema (file) SELECT unnest(%s::text[])", (missing,))


def job_connector(url: str) -> PsycopgConnector:
    """Return the connector of procrastinate's own worker."""
    options = {"application_name": "anju worker jobs", **connection_options()}
    return PsycopgConnector(conninfo=url, kwargs=options, min_size=1, max_size=4)
