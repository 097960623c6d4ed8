"""The version of the registry, which counts its changes, and the lock on it."""

from store.database import Connection


def registry_version(connection: Connection) -> int:
    """Return how often the registry has changed. Read it before the devices: then no change in between is missed."""
    row = connection.execute("SELECT version FROM registry_version").fetchone()
    return int(row[0]) if row else 0


def lock_registry(connection: Connection) -> None:
    """Lock out all other writers of the registry until the caller's transaction ends; readers do not wait."""
    connection.execute("SELECT FROM registry_version FOR UPDATE")


def count_registry_change(connection: Connection) -> None:
    """Count a change of the registry inside the transaction that makes it, so that ingest reads it again."""
    connection.execute("UPDATE registry_version SET version = version + 1")
