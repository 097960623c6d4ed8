"""PostgreSQL server with TimescaleDB for one data directory."""

import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from local.binaries import PostgresPrograms
from local.errors import LocalError
from local.prefix import SETTING as PREFIX_SETTING
from local.process import Part
from local.secret import kept_secret
from local.users import User, as_seen_from_inside, private_directory, user_with_account, write_private
from store.admin.roles import Role, prepare_roles

PREFERRED_PORT = 15432  # beside a server of the machine on 5432
SUPERUSER = "postgres"
DATABASE = "anju"
FORMER_OWNER = "anju"
"""The one role of older versions, for everything."""

# TimescaleDB has one worker for each database with the extension, and the tests create many.
# Durability has PostgreSQL's defaults (fsync, synchronous_commit, full_page_writes): stored messages survive kill -9
# because of them.
CONFIGURATION = """\
# Written by Anju at every start. Settings of your own: ALTER SYSTEM, which wins over this file.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = '256MB'
work_mem = '16MB'
maintenance_work_mem = '128MB'
effective_cache_size = '1GB'
max_wal_size = '2GB'
max_locks_per_transaction = 512
max_worker_processes = 48
jit = off
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
timescaledb.max_background_workers = 32
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
"""
ACCESS = """\
# Written by Anju at every start: passwords only, this machine only.
host all all 127.0.0.1/32 scram-sha-256
"""
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


@dataclass(frozen=True)
class Postgres:
    """Settings of a server; `prepare` writes them to disk, and `part` is the program to run.

    `data_dir` contains `cluster/` (PGDATA), `password` of the superuser and one password for each role of Anju. Role
    `anju_owner` owns database `anju`.
    """

    programs: PostgresPrograms
    data_dir: Path
    port: int
    user: User | None
    password: str = field(repr=False)
    passwords: Mapping[Role, str] = field(repr=False)

    def url(self, role: Role = Role.OWNER) -> str:
        """Return the URL of Anju's database for a role, with its password."""
        return self._url(role, self.passwords[role])

    @property
    def superuser_url(self) -> str:
        """URL of Anju's database for the superuser of the server, with the password."""
        return self._url(SUPERUSER, self.password)

    def _url(self, role: str, password: str) -> str:
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def cluster(self) -> Path:
        """Folder of the cluster (PGDATA)."""
        return self.data_dir / "cluster"

    def prepare(self) -> None:
        """Create the cluster if it is missing, and write its configuration.

        Raises:
            LocalError: initdb failed, or the cluster belongs to another major version.
        """
        if not self.cluster.exists():
            self._initdb()
        private_directory(self.cluster, self.user)
        made_by = (self.cluster / "PG_VERSION").read_text().strip()
        if made_by != str(self.programs.major):
            raise LocalError(
                f"{self.cluster} was made by PostgreSQL {made_by}, and the server found here is "
                f"{self.programs.major}. Choose another data directory, or dump and restore the database."
            )
        (self.cluster / "postgresql.conf").write_text(CONFIGURATION.format(port=self.port))
        (self.cluster / "pg_hba.conf").write_text(ACCESS)

    def command(self) -> tuple[str, ...]:
        """Return the argv of the server, to be started in `cluster`."""
        return (str(self.programs.folder / "postgres"), "-D", str(as_seen_from_inside(self.cluster, self.user)))

    def part(self) -> Part:
        """Return the server as a part to run; it is ready when role, database and extension exist."""
        return Part(
            name="postgres",
            argv=self.command(),
            check_ready=self.check_ready,
            cwd=self.cluster,
            env=ENVIRONMENT,
            user=self.user,
            stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown: it does not wait for clients to leave
            # PostgreSQL mistakes the number in it for a running server while the killed one is not yet reaped.
            stale_file=self.cluster / "postmaster.pid",
        )

    def check_ready(self) -> None:
        """Create database, extension and roles if missing; raise LocalError while the server refuses."""
        try:
            with self._connect(SUPERUSER) as connection:
                _create_database(connection)
            with self._connect(DATABASE) as connection, connection.transaction():
                prepare_roles(connection, self.passwords)
        except psycopg.OperationalError as error:
            raise LocalError(f"PostgreSQL on port {self.port} does not answer: {error}") from error

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=database,
            user=SUPERUSER,
            password=self.password,
            connect_timeout=5,
            autocommit=True,
        )

    def _initdb(self) -> None:
        # initdb asks for the name of its user. An interrupted one leaves this folder, never a partial cluster.
        user, folder = user_with_account(self.user), self.data_dir / "cluster.new"
        if folder.exists():
            shutil.rmtree(folder)
        draft = private_directory(private_directory(folder, user) / "cluster", user)
        write_private(folder / "password", self.password, user)
        # The builtin provider (from 17 on) orders and classifies text alike on all hosts; 16 has only the C library's.
        builtin = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        locale = builtin if self.programs.major >= 17 else ("--locale=C.UTF-8",)
        try:
            result = subprocess.run(  # noqa: S603 - the argv is a list and ours
                [
                    str(self.programs.folder / "initdb"),
                    *("-D", str(as_seen_from_inside(draft, user))),
                    *(f"--username={SUPERUSER}", "--pwfile=../password", "--auth=scram-sha-256", "--encoding=UTF8"),
                    *locale,
                ],
                cwd=draft,
                env=ENVIRONMENT,
                user=user.uid if user else None,
                group=user.gid if user else None,
                extra_groups=[] if user else None,
                capture_output=True,
                text=True,
                check=False,
            )
        except OSError as error:
            raise LocalError(
                f"{self.programs.folder}/initdb cannot be run as user {user.name if user else 'you'}: "
                f"{error.strerror}. Set {PREFIX_SETTING} to a folder that this user can reach."
            ) from error
        if result.returncode != 0:
            raise LocalError(f"initdb could not make a database in {self.cluster}:\n{result.stdout}{result.stderr}")
        draft.rename(self.cluster)
        shutil.rmtree(folder)


def open_postgres(programs: PostgresPrograms, data_dir: Path, port: int, user: User | None) -> Postgres:
    """Return the server of `data_dir`, with the passwords stored there, which are generated the first time.

    Raises:
        LocalError: the password of an existing cluster is lost, or open to other users.
    """
    folder = private_directory(data_dir, user)
    password = kept_secret(folder / "password", user, used_by=folder / "cluster")
    passwords = {role: kept_secret(folder / f"{role}.password", user) for role in Role}
    return Postgres(programs, data_dir, port, user, password, passwords)


def _create_database(connection: psycopg.Connection) -> None:
    """Create the database if it is missing, and make the one role of an older version its owner of today."""
    if connection.execute(
        "select from pg_roles where rolname = %s and not exists (select from pg_roles where rolname = %s)",
        [FORMER_OWNER, Role.OWNER],
    ).rowcount:
        names = sql.Identifier(FORMER_OWNER), sql.Identifier(Role.OWNER)
        connection.execute(sql.SQL("alter role {} rename to {}").format(*names))
        connection.execute(sql.SQL("alter role {} nocreatedb nocreaterole").format(names[1]))
    if not connection.execute("select from pg_database where datname = %s", [DATABASE]).rowcount:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
