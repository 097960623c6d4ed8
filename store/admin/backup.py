"""Backup of a database by pg_dump and its restoration by pg_restore, of one snapshot, with the count of every table."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from psycopg import IsolationLevel, pq, sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import class_row

from store.admin.locks import partition_states
from store.database import Connection, StoreError, connect, shipped_versions, translated_errors


class BackupError(StoreError):
    """A backup can't be made or restored; the message names the reason and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Description of a backup.

    `rows` counts every table of Anju in the snapshot. `caught_up_at` is the last time at which ingest had taken all
    messages from the broker: later ones that were not yet stored waited there. None: before the first ingest.
    `key_id` tells ANJU_SECRET_KEY from another one, and nothing about it.
    """

    made_at: datetime
    migrations: tuple[str, ...]
    postgresql: int
    timescaledb: str
    roles: tuple[str, ...]
    rows: Mapping[str, int]
    caught_up: bool
    caught_up_at: datetime | None
    key_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupRun:
    """A finished backup: when, in which file, and how large."""

    finished_at: datetime
    file: str
    bytes: int


def server_major(url: str) -> int:
    """Return the major version of the server, to which pg_dump and pg_restore have to fit.

    Raises:
        DatabaseUnavailableError: no server answers.
    """
    with closing(connect(url, application_name="anju backup")) as connection:
        return connection.info.server_version // 10000


@contextmanager
def dumped(url: str, programs: Path) -> Iterator[tuple[Contents, IO[bytes]]]:
    """Provide the description of a snapshot and its dump by pg_dump, to be read to its end in the block.

    Args:
        url: a role that may read every table.
        programs: the folder of pg_dump of the server's major version.

    Raises:
        BackupError: the database has no schema yet, or pg_dump failed.
        DatabaseUnavailableError: the database is away.
    """
    with (
        translated_errors(),
        closing(connect(url, application_name="anju backup")) as connection,
        TemporaryFile() as problems,
    ):
        connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert row  # noqa: S101 - a function returns a row
        contents = _describe(connection)
        # Without row security pg_dump refuses each role to which a policy applies, though policies show the operator
        # all rows. A role that they show a part only may not read the tables of telemetry, and its dump fails there.
        command = [str(programs / "pg_dump"), "--format=custom", f"--snapshot={row[0]}", "--no-password"]
        command.append("--enable-row-security")
        with subprocess.Popen(  # noqa: S603 - the argv is a list and ours
            command, env=_environment(url), stdout=subprocess.PIPE, stderr=problems
        ) as process:
            assert process.stdout  # noqa: S101 - asked for
            yield contents, process.stdout
        if process.returncode:
            raise BackupError(f"pg_dump failed: {_end_of(problems)}")


@contextmanager
def restored(url: str, programs: Path, contents: Contents) -> Iterator[IO[bytes]]:
    """Provide the input of pg_restore, to be fed with the dump in the block; afterwards the counts are compared.

    All of it is one transaction: after an error the database is as empty as before.

    Args:
        url: a superuser's: TimescaleDB's own tables are written too.
        programs: the folder of pg_restore of the server's major version.
        contents: the description from the same backup.

    Raises:
        BackupError: the database is not empty, the versions do not fit, pg_restore failed, or a count differs.
        DatabaseUnavailableError: the database is away.
    """
    with translated_errors(), closing(connect(url, application_name="anju restore")) as connection:
        connection.autocommit = True
        refuse_unfit(connection, contents)
        _prepare(connection, contents)
        try:
            with _pg_restore(url, programs) as dump:
                yield dump
        finally:
            connection.execute("SELECT timescaledb_post_restore()")
        connection.execute("RESET timescaledb.restoring")
        _compare(_count_rows(connection), contents.rows)
        connection.execute("ANALYZE")


def refuse_unfit(connection: Connection, contents: Contents) -> None:
    """Refuse a restoration that could not succeed.

    Raises:
        BackupError: this role is no superuser, the database is not empty, or a version does not fit.
    """
    if unknown := set(contents.migrations) - set(shipped_versions()):
        raise BackupError(
            f"the backup was made by a newer Anju (its migration {max(unknown)} is unknown here): use that version"
        )
    if not connection.execute("SELECT FROM pg_roles WHERE rolname = current_user AND rolsuper").rowcount:
        raise BackupError(
            "restoring writes TimescaleDB's own tables, which only a superuser may: set ANJU_DATABASE_URL to "
            "postgresql://postgres:secret@host:port/database for this one command"
        )
    if tables := connection.execute(_OWN_TABLES).fetchall():
        raise BackupError(
            f"the database holds {len(tables)} tables already ({tables[0][0]}, ...), and a backup is restored into an "
            "empty one only: create another database, and set ANJU_DATABASE_URL to it"
        )
    major = connection.info.server_version // 10000
    if major < contents.postgresql:
        raise BackupError(f"the backup is of PostgreSQL {contents.postgresql}, and this server is older: {major}")
    fitting = connection.execute(
        "SELECT FROM pg_available_extension_versions WHERE name = 'timescaledb' AND version = %s",
        (contents.timescaledb,),
    )
    installed = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    if not fitting.rowcount or (installed and installed[0] != contents.timescaledb):
        raise BackupError(
            f"the backup is of TimescaleDB {contents.timescaledb}, and this server has "
            f"{installed[0] if installed else 'another one'}: restore it with the same version, and update the "
            "extension afterwards (ALTER EXTENSION timescaledb UPDATE)"
        )


def record_backup(connection: Connection, run: BackupRun) -> None:
    """Store a finished backup; those of more than 400 days ago are forgotten.

    A database from before this table, which is backed up before its upgrade, does without.
    """
    if not connection.execute("SELECT FROM pg_class WHERE oid = to_regclass('backup_run')").rowcount:
        return
    connection.execute(
        "INSERT INTO backup_run (finished_at, file, bytes) VALUES (%s, %s, %s)", (run.finished_at, run.file, run.bytes)
    )
    connection.execute("DELETE FROM backup_run WHERE finished_at < %s - interval '400 days'", (run.finished_at,))


def last_backup(connection: Connection) -> BackupRun | None:
    """Return the newest backup that this database knows of, or None."""
    with connection.cursor(row_factory=class_row(BackupRun)) as cursor:
        return cursor.execute(
            "SELECT finished_at, file, bytes FROM backup_run ORDER BY finished_at DESC LIMIT 1"
        ).fetchone()


_OWN_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
    )
    ORDER BY relname
"""
# The owners of tables, and the roles that privileges and policies name. Roles belong to a server, not to a dump.
_ROLES = """
    SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION SELECT rolname FROM pg_roles WHERE rolname LIKE 'anju\\_%'
    ORDER BY 1
"""


_MIGRATIONS = "SELECT version FROM schema_migrations ORDER BY version"


def _describe(connection: Connection) -> Contents:
    if not connection.execute("SELECT FROM pg_class WHERE oid = to_regclass('schema_migrations')").rowcount:
        raise BackupError("the database has no tables of Anju yet: run `anju migrate` first")
    states = partition_states(connection)
    caught_up = [state.report.caught_up_at for state in states if state.report and state.report.caught_up_at]
    row = connection.execute("SELECT now(), extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    if row is None:
        raise BackupError("the database has no extension timescaledb, so it is none of Anju")
    return Contents(
        made_at=row[0],
        migrations=tuple(version for (version,) in connection.execute(_MIGRATIONS)),
        postgresql=connection.info.server_version // 10000,
        timescaledb=row[1],
        roles=tuple(name for (name,) in connection.execute(_ROLES)),
        rows=_count_rows(connection),
        caught_up=all(state.owned and state.report and state.report.caught_up for state in states),
        caught_up_at=min(caught_up, default=None),
    )


def _count_rows(connection: Connection) -> dict[str, int]:
    counts = {}
    for (name,) in connection.execute(_OWN_TABLES).fetchall():
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(name))).fetchone()
        counts[name] = row[0] if row else 0
    return counts


def _prepare(connection: Connection, contents: Contents) -> None:
    """Create the extension and the missing roles, which log in once somebody gives them a password."""
    version = sql.Literal(contents.timescaledb)
    connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS timescaledb VERSION {}").format(version))
    present = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
    for role in contents.roles:
        if role not in present:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    connection.execute("SELECT timescaledb_pre_restore()")


@contextmanager
def _pg_restore(url: str, programs: Path) -> Iterator[IO[bytes]]:
    name = str(conninfo_to_dict(url)["dbname"])
    options = ("--single-transaction", "--exit-on-error", "--no-password", f"--dbname={name}")
    command = [str(programs / "pg_restore"), *options]
    with TemporaryFile() as problems:
        with subprocess.Popen(  # noqa: S603 - the argv is a list and ours
            command, env=_environment(url), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=problems
        ) as process:
            assert process.stdin  # noqa: S101 - asked for
            try:
                yield process.stdin
                process.stdin.close()
            except BrokenPipeError:
                process.wait()
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise BackupError(f"pg_restore failed, and the database is still empty: {_end_of(problems)}")


def _environment(url: str) -> dict[str, str]:
    """Return the connection in libpq's variables: other users can read a command line."""
    options = pq.Conninfo.parse(url.encode())
    given = {option.envvar.decode(): option.val.decode() for option in options if option.envvar and option.val}
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", **given}


def _end_of(problems: IO[bytes]) -> str:
    """Return the last lines of a program that are no warnings."""
    problems.seek(0)
    lines = problems.read().decode(errors="replace").splitlines()
    told = [line for line in lines if not any(word in line for word in ("warning:", "detail:", "hint:"))]
    return " ".join((told or lines)[-3:])


def _compare(found: Mapping[str, int], expected: Mapping[str, int]) -> None:
    differing = [
        f"{name} has {found.get(name, 0)} rows instead of {expected.get(name, 0)}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]
    if differing:
        raise BackupError(f"the restored database differs from the backup: {'; '.join(differing)}")
