"""The queue of jobs: procrastinate's own tables, and its worker's way to them."""

from importlib.resources import files

from procrastinate import PsycopgConnector
from psycopg import sql

from store.database import Connection, connection_options


def apply_schema(connection: Connection) -> None:
    """Bring the queue's tables to the version of procrastinate that is installed, inside the caller's transaction.

    `job_schema` tells which of its files have been applied. No migration of ours makes it, so that it stands and falls
    with the tables that it tells of.
    """
    connection.execute("CREATE TABLE IF NOT EXISTS job_schema (file text PRIMARY KEY)")
    applied = {row[0] for row in connection.execute("SELECT file FROM job_schema")}
    folder = files("procrastinate.sql")
    shipped = sorted(entry.name for entry in (folder / "migrations").iterdir() if entry.name.endswith(".sql"))
    missing = [name for name in shipped if name not in applied]
    scripts = [folder / "migrations" / name for name in missing] if applied else [folder / "schema.sql"]
    if not missing:
        return
    for script in scripts:
        # They come with the package, so their text is as trustworthy as its code.
        connection.execute(sql.SQL(script.read_text(encoding="utf-8")))
    connection.execute("INSERT INTO job_schema (file) SELECT unnest(%s::text[])", (missing,))


def job_connector(url: str) -> PsycopgConnector:
    """The way of procrastinate's own worker to the database."""
    options = {"application_name": "anju worker jobs", **connection_options()}
    return PsycopgConnector(conninfo=url, kwargs=options, min_size=1, max_size=4)
