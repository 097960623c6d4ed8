"""Connections to PostgreSQL, and the errors of the store.

No package above `store` imports psycopg: they use `Connection`, `Database` and the errors of this module.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

Connection = psycopg.Connection[TupleRow]

ALERT_CHANNEL = "anju_alert"
"""The channel that the writers of alerts notify at their commit."""

FETCH_ROWS = 10_000
"""The rows that a server-side cursor fetches at once: 400,000 would take as much memory as the objects made of them."""

_CONNECT_TIMEOUT_S = 5
# A vanished server (no power, a cut cable) is noticed after nine seconds. By default that takes a quarter of an hour,
# or two hours on an idle connection. The last number is in milliseconds.
_KEEPALIVE = {
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 9_000,
}
# Late readings into a chunk of the columnstore (TimescaleDB's community edition, if an operator has enabled it) make
# TimescaleDB unpack the stored rows. Its limit of 100,000 rows would refuse such a batch for good.
_UNPACK_WITHOUT_LIMIT = "-c timescaledb.max_tuples_decompressed_per_dml_transaction=0"
# A request gets a connection within this time, or a 503. It is also the interval of the pool's attempts while the
# database is away: psycopg_pool's own backoff grows to five minutes.
_POOL_TIMEOUT_S = 2


# Until the end of the transaction. What is set nowhere shows the API nothing.
_SET_SCOPE = (
    "SELECT set_config('anju.scope', %s::text[]::text, true), set_config('anju.scope_within', %s::text[]::text, true)"
)
_ALL = ["all"]


class StoreError(Exception):
    """Base class of the errors that the store raises on purpose."""


class DatabaseUnavailableError(StoreError):
    """The database cannot be reached, refuses connections, or lost one; a later attempt may succeed."""


class DatabaseFullError(DatabaseUnavailableError):
    """The disk of the database has no space left (SQLSTATE 53100); an attempt after room was made succeeds."""


class NewerDatabaseError(StoreError):
    """The database was migrated by a newer Anju, whose tables this program does not know."""


class UnusableDataError(StoreError):
    """The database refuses a value; another attempt with the same value fails again."""


def connect(url: str, *, application_name: str) -> Connection:
    """Open one connection, in UTC.

    Raises:
        DatabaseUnavailableError: no server answers, or the credentials are refused. The message contains no secret.
        NewerDatabaseError: a newer Anju has migrated the database.
    """
    with translated_errors():
        connection = psycopg.connect(url, application_name=application_name, **connection_options())
        try:
            _refuse_newer(connection)
        except BaseException:
            connection.close()
            raise
        return connection


@cache
def shipped_versions() -> tuple[str, ...]:
    """Return the versions of the migrations that come with this program, in their order."""
    names = (entry.name for entry in (files("store") / "migrations").iterdir())
    return tuple(sorted(name.split("_", 1)[0] for name in names if name.endswith(".sql")))


def _refuse_newer(connection: Connection) -> None:
    """Refuse a database with a migration that this program does not know.

    Raises:
        NewerDatabaseError: there is one.
    """
    known = list(shipped_versions())
    unknown: str | None = None
    if connection.execute("SELECT FROM pg_class WHERE oid = to_regclass('schema_migrations')").rowcount:
        row = connection.execute("SELECT max(version) FROM schema_migrations WHERE version <> ALL(%s)", (known,))
        (unknown,) = row.fetchone() or (None,)
    connection.rollback()
    if unknown:
        raise NewerDatabaseError(
            f"the database was migrated by a newer Anju (its migration {unknown} is unknown here, the newest known is "
            f"{known[-1]}): use that version of Anju, or restore a backup from before the upgrade into another database"
        )


class Database:
    """Pool of connections for the API and the worker. `with database.connection() as c:` is a transaction."""

    def __init__(self, url: str, *, application_name: str, max_size: int = 8) -> None:
        """Open the pool. It opens connections in the background, and replaces broken ones.

        Its connections see all communities.
        """
        self._scope: tuple[list[str], list[str]] = (_ALL, _ALL)
        options = {"application_name": application_name, **connection_options()}
        self._newer: NewerDatabaseError | None = None
        self._pool = ConnectionPool(
            url, kwargs=options, min_size=1, max_size=max_size, timeout=_POOL_TIMEOUT_S, open=True,
            reconnect_timeout=_POOL_TIMEOUT_S, check=ConnectionPool.check_connection, configure=self._configure,
        )  # fmt: skip

    def scoped(self, scope: list[str], within: list[str] | None = None) -> "Database":
        """Return a view of this pool whose connections see the communities of a scope alone.

        The role of the API sees no more in any table (row-level security); other roles see all rows.

        Args:
            scope: entries as `accounts.principal.Scope` reads them.
            within: a second scope, to which a community has to belong as well.
        """
        view = copy(self)
        view._scope = (scope, _ALL if within is None else within)  # noqa: SLF001 - of this class
        return view

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Provide a connection in a transaction, committed at the end of the block, rolled back on an exception.

        Raises:
            DatabaseUnavailableError: no connection is free within two seconds, it broke, or the database is newer than
                this program.
        """
        try:
            with translated_errors(), self._pool.connection() as connection:
                connection.execute(_SET_SCOPE, self._scope)
                yield connection
        except DatabaseUnavailableError as error:
            if self._newer and isinstance(error.__cause__, PoolTimeout):
                raise DatabaseUnavailableError(str(self._newer)) from error
            raise

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def _configure(self, connection: Connection) -> None:
        """Keep connections to a newer database out of the pool, which tries again."""
        try:
            _refuse_newer(connection)
        except NewerDatabaseError as error:
            self._newer = error
            raise
        self._newer = None


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn psycopg's errors into the store's own.

    Raises:
        DatabaseUnavailableError: the server is away, starting, stopping, read-only, out of connections, or lacks a
            table, a column or a right that `anju migrate` gives.
        DatabaseFullError: the disk of the server has no space left.
        UnusableDataError: a value does not fit its column or an index, or breaks a constraint, or the statement exceeds
            a limit of the server.
    """
    try:
        yield
    except (
        psycopg.DataError,
        psycopg.IntegrityError,
        errors.ProgramLimitExceeded,
        errors.ConfigurationLimitExceeded,
    ) as error:
        raise UnusableDataError(_first_line(error)) from error
    except (errors.UndefinedTable, errors.UndefinedColumn, errors.InsufficientPrivilege) as error:
        raise DatabaseUnavailableError(
            f"the database is not as this version expects it, run `anju migrate`: {_first_line(error)}"
        ) from error
    except errors.DiskFull as error:
        raise DatabaseFullError(f"the disk of the database is full, make room there: {_first_line(error)}") from error
    except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, PoolTimeout) as error:
        raise DatabaseUnavailableError(f"the database is not available: {_first_line(error)}") from error


def repeat_over_outages(
    work: Callable[[], bool],
    stop: threading.Event,
    *,
    report: Callable[[DatabaseUnavailableError], object],
    pause: Callable[[], object],
) -> None:
    """Repeat `work` until it returns True or `stop` is set.

    Args:
        work: connects to the database and works there; an outage of the database ends it.
        stop: ends the repetition.
        report: receives the error of each outage.
        pause: waits before the next attempt.
    """
    while not stop.is_set():
        try:
            if work():
                return
        except DatabaseUnavailableError as error:
            report(error)
        pause()


def connection_options() -> dict[str, Any]:
    """Return the psycopg options of every connection."""
    options = f"-c timezone=UTC {_UNPACK_WITHOUT_LIMIT}"
    return {"connect_timeout": _CONNECT_TIMEOUT_S, "options": options, **_KEEPALIVE}


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
