"""Connections to PostgreSQL, and the errors that the rest of Anju knows of it.

Nothing above `store` imports psycopg: it uses `Connection`, `Database` and the errors of this module.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

Connection = psycopg.Connection[TupleRow]

ALERT_CHANNEL = "anju_alert"
"""Notified by every transaction that writes an alert transition."""

_CONNECT_TIMEOUT_S = 5
# A server that vanishes without a word (no power, a cut cable) would otherwise be waited for for a quarter of an hour,
# or for two hours where nothing was on its way. Here it is nine seconds; the last number is in milliseconds.
_NOTICE_A_VANISHED_SERVER = {
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 9_000,
}
# Late readings into chunks of the columnstore (TimescaleDB's community edition, where an operator has turned it on) are
# held against what is there by unpacking it. TimescaleDB's limit of 100,000 rows would refuse such a batch for good.
_UNPACK_WITHOUT_LIMIT = "-c timescaledb.max_tuples_decompressed_per_dml_transaction=0"
# Within it a request gets a connection or an honest 503, and the pool tries again this often while the database is
# away; psycopg_pool would wait for longer and longer, up to five minutes.
_POOL_TIMEOUT_S = 2


class StoreError(Exception):
    """The root of every error that the store raises on purpose."""


class DatabaseUnavailableError(StoreError):
    """The database can't be reached, refuses connections, or lost one; trying again later may help."""


class UnusableDataError(StoreError):
    """The database refuses a value that was handed to it; trying the same again can't help."""


def connect(url: str, *, application_name: str) -> Connection:
    """Open one connection, in UTC.

    Raises:
        DatabaseUnavailableError: nobody answers, or the credentials are refused. The message names no secret.
    """
    with translated_errors():
        return psycopg.connect(url, application_name=application_name, **connection_options())


class Database:
    """A pool of connections for the parts that answer people. `with database.connection() as c:` is a transaction."""

    def __init__(self, url: str, *, application_name: str, max_size: int = 8) -> None:
        """Open the pool; connections are made in the background and replaced when they break."""
        options = {"application_name": application_name, **connection_options()}
        self._pool = ConnectionPool(
            url, kwargs=options, min_size=1, max_size=max_size, timeout=_POOL_TIMEOUT_S, open=True,
            reconnect_timeout=_POOL_TIMEOUT_S, check=ConnectionPool.check_connection,
        )  # fmt: skip

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection inside a transaction, committed at the end of the block, rolled back on an exception.

        Raises:
            DatabaseUnavailableError: no connection can be had within two seconds, or it broke.
        """
        with translated_errors(), self._pool.connection() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn psycopg's errors into the store's own.

    Raises:
        DatabaseUnavailableError: the server is away, starting, stopping, full, read-only, out of connections, or lacks
            a table, a column or a right that `anju migrate` gives.
        UnusableDataError: a value does not fit its column or an index, breaks a constraint, or all together are beyond
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
    except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError, PoolTimeout) as error:
        raise DatabaseUnavailableError(f"the database is not available: {_first_line(error)}") from error


def connection_options() -> dict[str, Any]:
    """What every connection of ours asks for."""
    options = f"-c timezone=UTC {_UNPACK_WITHOUT_LIMIT}"
    return {"connect_timeout": _CONNECT_TIMEOUT_S, "options": options, **_NOTICE_A_VANISHED_SERVER}


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
