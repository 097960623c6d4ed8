"""One PostgreSQL server and one migrated template database for all workers of a test run.

The first worker that needs the server starts this file as a process of its own, which outlives that worker and ends
with the run. The server trades durability for speed, and its data lies in memory where there is room: copying and
dropping a database is mostly the making and removing of a thousand files. Tests about kills and durability start
servers of their own, on a disk.
"""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from database_roles import let_tests_create
from local.errors import LocalError
from local.home import Home
from local.locks import locked
from local.process import Process
from local.services import prepare_database
from patience import patient
from run_guard import MEMORY_VARIABLE
from store.admin.migrate import migrate
from store.admin.privileges import restrict_database
from store.admin.roles import prepare_roles

TEMPLATE: Final = "anju_template"
# Nothing on this server has to outlive a crash. TimescaleDB's background workers would hold connections to the
# template, and PostgreSQL copies a database only while it has no connections.
_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "timescaledb.max_background_workers": "0",
}


def shared_database_url(folder: Path) -> str:
    """Return the URL of the run's server, which is started by the first call of any worker.

    Args:
        folder: A folder that belongs to the run.

    Raises:
        LocalError: The server did not start; the message holds its log.
    """
    with locked(folder / "lock"):
        if not (folder / "url").exists():
            helpers = Path(__file__).parent
            import_path = os.pathsep.join(map(str, (helpers.parents[1], helpers)))
            with (folder / "log").open("wb") as log:
                started = subprocess.run(
                    [sys.executable, __file__, str(folder)],
                    env={**os.environ, "PYTHONPATH": import_path},
                    stdout=log,
                    stderr=log,
                    check=False,
                    start_new_session=True,
                )
            if started.returncode:
                log_text = (folder / "log").read_text(errors="replace")
                raise LocalError(f"The database server of the tests did not start:\n{log_text}")
    return (folder / "url").read_text()


def shared_superuser_url(folder: Path) -> str:
    """Return the URL of the superuser of the run's server, which is started by the first call of any worker."""
    shared_database_url(folder)
    return (folder / "superuser_url").read_text()


def stop_shared_database(folder: Path) -> None:
    """Stop the run's server, if one was started, and return when it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        pid = int((folder / "pid").read_text())
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + patient(10)
        while (folder / "pid").exists() and time.monotonic() < until:
            time.sleep(0.02)


@contextmanager
def database_from_template(server_url: str) -> Iterator[str]:
    """Make a database with the schema of this version on a server that has the template; drop it after the block."""
    with _new_database(server_url, f"TEMPLATE {TEMPLATE} STRATEGY file_copy") as url:
        with psycopg.connect(url) as connection:
            restrict_database(connection)  # a copy has the privileges on everything but the database itself
        yield url


@contextmanager
def empty_database(server_url: str) -> Iterator[str]:
    """Make a database that holds nothing but the TimescaleDB extension; drop it after the block."""
    with _new_database(server_url) as url:
        execute(url, sql.SQL("CREATE EXTENSION IF NOT EXISTS timescaledb"))
        yield url


@contextmanager
def migrated_database(server_url: str) -> Iterator[str]:
    """Make a database and migrate it, on a server that has no template; drop it after the block."""
    with empty_database(server_url) as url:
        migrate(url)
        yield url


@contextmanager
def _new_database(server_url: str, how: LiteralString = "") -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    execute(server_url, sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), sql.SQL(how)))
    try:
        yield _named(server_url, name)
    finally:
        _drop_database(server_url, name)


def _named(server_url: str, database: str) -> str:
    return urlsplit(server_url)._replace(path=f"/{database}").geturl()


def _drop_database(server_url: str, name: str) -> None:
    """Drop it although clients are connected; only a superuser's vacuum can't be ended, and ends by itself."""
    until = time.monotonic() + patient(10)
    while True:
        try:
            return execute(server_url, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def execute(url: str, statement: sql.SQL | sql.Composed) -> None:
    """Run one statement in a connection and a transaction of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def _main(folder: Path) -> int:
    """Start the server in a child that goes on, and return 0 once it is ready."""
    child = os.fork()
    if child == 0:
        _serve(folder)
        return 0
    while not (folder / "url").exists():
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            return 1
        time.sleep(0.05)
    return 0


def _serve(folder: Path) -> None:
    """Run the server until this process gets SIGTERM; its URL appears in a file when it is ready."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    (folder / "pid").write_text(f"{os.getpid()}\n")
    data = Path(os.environ[MEMORY_VARIABLE])
    data.mkdir(mode=0o711, exist_ok=True)  # the server's user passes through
    with Home(data / "database") as home:
        database = prepare_database(home, print)
        part = database.part()
        options = [word for name, value in _OPTIONS.items() for word in ("-c", f"{name}={value}")]
        process = Process(replace(part, argv=(*part.argv, *options)), home)
        try:
            process.start(patient(60))
            let_tests_create(database.superuser_url)
            execute(database.url(), sql.SQL(f"CREATE DATABASE {TEMPLATE}"))
            with psycopg.connect(_named(database.superuser_url, TEMPLATE)) as superuser:
                prepare_roles(superuser, {})
            migrate(_named(database.url(), TEMPLATE))
            (folder / "superuser_url").write_text(database.superuser_url)
            (folder / "url.new").write_text(database.url())
            (folder / "url.new").rename(folder / "url")
            signal.sigwait({signal.SIGTERM})
        finally:
            process.stop()
    (folder / "pid").unlink()


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1])))
