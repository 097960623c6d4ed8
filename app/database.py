"""Connection of a command to the database of the settings."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from app.settings import Settings
from store.database import Connection, connect, translated_errors


@contextmanager
def transaction(command: str) -> Iterator[Connection]:
    """Provide a connection in a transaction, committed at the end of the block, rolled back on an exception.

    Args:
        command: The name of the command, such as `anju witness`, by which the server lists the connection.

    Raises:
        SettingsError: No database is configured.
        DatabaseUnavailableError: The database is away.
        UnusableDataError: A value breaks a constraint.
    """
    with (
        translated_errors(),
        closing(connect(Settings.load().need("database_url"), application_name=command)) as connection,
        connection.transaction(),
    ):
        yield connection
