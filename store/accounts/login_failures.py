"""Failed logins of late, by login name and network, so that guessing gets slower and slower."""

from datetime import datetime, timedelta
from typing import NamedTuple

from store.database import Connection

KEPT = timedelta(hours=1)
"""Time without a failure after which the failures of a name from a network are forgotten."""


class Failures(NamedTuple):
    """Failed logins of a name of late: from one network, and from all other ones."""

    here: int
    here_last_at: datetime | None
    elsewhere: int
    elsewhere_last_at: datetime | None


def read_failures(connection: Connection, name_hash: bytes, network: str, now: datetime) -> Failures:
    """Return the failures of a name. Further logins of the name wait until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('login'), hashtext(encode(%s, 'hex')))", (name_hash,))
    row = connection.execute(
        """
        SELECT coalesce(sum(failures) FILTER (WHERE network = %(network)s), 0),
               max(last_at) FILTER (WHERE network = %(network)s),
               coalesce(sum(failures) FILTER (WHERE network <> %(network)s), 0),
               max(last_at) FILTER (WHERE network <> %(network)s)
        FROM login_failure WHERE name_hash = %(name)s AND last_at > %(since)s
        """,
        {"name": name_hash, "network": network, "since": now - KEPT},
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate
    return Failures(int(row[0]), row[1], int(row[2]), row[3])


def record_failure(connection: Connection, name_hash: bytes, network: str, now: datetime) -> None:
    """Count a failed login, and delete what is forgotten."""
    connection.execute("DELETE FROM login_failure WHERE last_at <= %s", (now - KEPT,))
    connection.execute(
        """
        INSERT INTO login_failure (name_hash, network, failures, last_at) VALUES (%s, %s, 1, %s)
        ON CONFLICT (name_hash, network)
        DO UPDATE SET failures = login_failure.failures + 1, last_at = excluded.last_at
        """,
        (name_hash, network, now),
    )


def forget_failures(connection: Connection, name_hash: bytes, network: str) -> None:
    """Forget the failures of a name from a network, after a login."""
    connection.execute("DELETE FROM login_failure WHERE name_hash = %s AND network = %s", (name_hash, network))
