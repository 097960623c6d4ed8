"""The sessions of ingest with the broker, and the spans of time that were lost with one of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from store.database import Connection


@dataclass(frozen=True, slots=True)
class BrokerSession:
    """A session in which ingest has subscribed; with `drained` it only has to be ended."""

    client_id: str
    subscribed_at: datetime
    drained: bool


@dataclass(frozen=True, slots=True)
class SessionGap:
    """A span of time whose messages may be missing, and the number of readings that devices send in it."""

    began_at: datetime
    ended_at: datetime
    readings: int


def load_sessions(connection: Connection, partition: int) -> list[BrokerSession]:
    """Return the sessions of a partition, oldest first."""
    with connection.cursor(row_factory=class_row(BrokerSession)) as cursor:
        return cursor.execute(
            """
            SELECT client_id, subscribed_at, drained FROM broker_session
            WHERE partition = %s ORDER BY subscribed_at, client_id
            """,
            (partition,),
        ).fetchall()


def save_session(connection: Connection, partition: int, client_id: str, subscribed_at: datetime) -> None:
    """Store that ingest has subscribed in a session."""
    connection.execute(
        "INSERT INTO broker_session (partition, client_id, subscribed_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (partition, client_id, subscribed_at),
    )


def mark_session_drained(connection: Connection, partition: int, client_id: str) -> None:
    """Store that all messages of a session are stored."""
    connection.execute(
        "UPDATE broker_session SET drained = true WHERE partition = %s AND client_id = %s", (partition, client_id)
    )


def delete_session(connection: Connection, partition: int, client_id: str) -> None:
    """Forget a session that has ended at the broker."""
    connection.execute("DELETE FROM broker_session WHERE partition = %s AND client_id = %s", (partition, client_id))


def replace_sessions(connection: Connection, sessions: Iterable[tuple[int, str]], now: datetime) -> None:
    """Store the sessions of all partitions, as (partition, client id), in the place of all others."""
    connection.execute("DELETE FROM broker_session")
    for partition, client_id in sessions:
        save_session(connection, partition, client_id, now)


def save_gap(connection: Connection, partition: int, gap: SessionGap) -> None:
    """Store a span of time that was lost with a session."""
    connection.execute(
        """
        INSERT INTO session_gap (partition, began_at, ended_at, readings) VALUES (%s, %s, %s, %s)
        ON CONFLICT DO NOTHING
        """,
        (partition, gap.began_at, gap.ended_at, gap.readings),
    )


def last_gap(connection: Connection, partition: int, after: datetime) -> SessionGap | None:
    """Return the last lost span of a partition that ended after a time, or None."""
    with connection.cursor(row_factory=class_row(SessionGap)) as cursor:
        return cursor.execute(
            """
            SELECT began_at, ended_at, readings FROM session_gap
            WHERE partition = %s AND ended_at > %s ORDER BY ended_at DESC LIMIT 1
            """,
            (partition, after),
        ).fetchone()
