"""Who works on a partition of the communities: one worker at any time, held by a lock in the database.

The lock belongs to the session that the owner also writes with, and goes with it, however that ends. The server undoes
what a session had not committed before it lets its locks go, so whoever gets the lock next sees every commit of its
predecessor, and the predecessor can make no other: docs/decisions/0006-partitions.md.
"""

from dataclasses import dataclass
from datetime import datetime

from store.database import Connection, StoreError, connect, translated_errors

# They keep these locks apart from others in the same database: "ANJU" for owners, "ANJM" for members, and "ANJT" for
# whoever tells people.
_OWNER_CLASS = 0x414E4A55
_MEMBER_CLASS = 0x414E4A4D
_DISPATCHER_CLASS = 0x414E4A54


class PartitionCountError(StoreError):
    """An ingest was started for another number of partitions than there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionReport:
    """What the owner of a partition says of itself.

    `committed_at` is its last commit, at most a second old while it works. `present_at` is when it had last worked off
    all that was waiting, None if that never was; `live` whether it still has. `buffered` counts the messages in memory.
    """

    partition: int
    host: str
    pid: int
    owner_since: datetime
    committed_at: datetime
    live: bool
    present_at: datetime | None
    buffered: int


@dataclass(frozen=True, slots=True)
class PartitionState:
    """A partition as seen from outside; `address` is where its owner is connected from, if it has one."""

    partition: int
    owned: bool
    address: str
    report: PartitionReport | None


def connect_for_locks(url: str, *, application_name: str) -> Connection:
    """A connection in autocommit mode whose locks are free at the latest ten seconds after its machine has vanished.

    Raises:
        DatabaseUnavailableError: nobody answers, or the credentials are refused.
    """
    connection = connect(url, application_name=application_name)
    connection.autocommit = True
    with translated_errors():
        # The server's side of the connection: idle, sending, and in the middle of a statement.
        connection.execute(
            """
            SELECT set_config('tcp_keepalives_idle', '3', false), set_config('tcp_keepalives_interval', '2', false),
                   set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '9s', false),
                   set_config('client_connection_check_interval', '1s', false)
            """
        )
    return connection


def acquire_partition_lock(connection: Connection, *, partition: int) -> bool:
    """Try to become the owner of a partition for as long as the connection lasts."""
    with translated_errors():
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_OWNER_CLASS, partition)).fetchone()
    return row is not None and bool(row[0])


def partition_owners(connection: Connection) -> dict[int, str]:
    """Which partitions have an owner, with the address it is connected from."""
    with translated_errors():
        rows = connection.execute(
            """
            SELECT lock.objid::int, coalesce(host(session.client_addr), 'local')
            FROM pg_locks AS lock JOIN pg_stat_activity AS session USING (pid)
            WHERE lock.locktype = 'advisory' AND lock.classid = %s AND lock.granted
              AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            ORDER BY 1
            """,
            (_OWNER_CLASS,),
        ).fetchall()
    return {int(partition): str(address) for partition, address in rows}


def acquire_member_lock(connection: Connection, *, member: int) -> bool:
    """Try to count, for as long as the connection lasts, as one of those who share the partitions.

    `member` is a number (31 bits) that the caller keeps to: while the server has not noticed yet that its last
    connection is gone, it can't count twice.
    """
    with translated_errors():
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (_MEMBER_CLASS, member)).fetchone()
    return row is not None and bool(row[0])


def rank_among_members(connection: Connection, *, member: int) -> tuple[int, int]:
    """Which of those who share the partitions this member is, from 0 on, and how many they are."""
    with translated_errors():
        row = connection.execute(
            """
            SELECT count(*) FILTER (WHERE objid::bigint < %s), count(*) FROM pg_locks
            WHERE locktype = 'advisory' AND classid = %s AND granted
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """,
            (member, _MEMBER_CLASS),
        ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def acquire_dispatcher_lock(connection: Connection) -> bool:
    """Try to be the one that tells people, for as long as the connection lasts; asking again is harmless."""
    with translated_errors():
        row = connection.execute("SELECT pg_try_advisory_lock(%s, 0)", (_DISPATCHER_CLASS,)).fetchone()
    return row is not None and bool(row[0])


def dispatcher_address(connection: Connection) -> str | None:
    """Where the one that tells people is connected from; None where there is none."""
    with translated_errors():
        row = connection.execute(
            """
            SELECT coalesce(host(activity.client_addr), 'this machine')
            FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid)
            WHERE lock.locktype = 'advisory' AND lock.granted AND lock.classid = %s
              AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """,
            (_DISPATCHER_CLASS,),
        ).fetchone()
    return row[0] if row else None


def partition_count(connection: Connection) -> int | None:
    """How many partitions there are; None before the first ingest."""
    with translated_errors():
        row = connection.execute("SELECT count FROM partitioning").fetchone()
    return None if row is None else int(row[0])


def ensure_partition_count(connection: Connection, count: int) -> None:
    """Make sure that there are so many partitions; the first ingest of a database decides it.

    An owner asks after it has got its lock: from then on the count can't change, because that takes every lock.

    Raises:
        PartitionCountError: there are more or fewer.
    """
    with translated_errors():
        connection.execute("INSERT INTO partitioning (count) VALUES (%s) ON CONFLICT DO NOTHING", (count,))
    stored = partition_count(connection)
    if stored != count:
        raise PartitionCountError(
            f"the communities are divided into {stored} partitions, and this ingest was started for {count}. Set "
            f'ANJU_PARTITIONS={stored}, or follow "Changing the number of partitions" in docs/operations.md: '
            "all partitions have to be drained first"
        )


def set_partition_count(connection: Connection, count: int) -> None:
    """Divide the communities anew. The caller owns every partition that there was and will be."""
    with translated_errors(), connection.transaction():
        connection.execute("UPDATE partitioning SET count = %s", (count,))
        connection.execute("DELETE FROM partition_report")


def save_partition_report(connection: Connection, report: PartitionReport) -> None:
    """Write down what an owner says of itself, inside the caller's transaction."""
    connection.execute(
        """
        INSERT INTO partition_report AS stored
            (partition, host, pid, owner_since, committed_at, live, present_at, buffered)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
        ON CONFLICT (partition) DO UPDATE SET
            host = excluded.host, pid = excluded.pid, owner_since = excluded.owner_since,
            committed_at = excluded.committed_at, live = excluded.live, buffered = excluded.buffered,
            present_at = coalesce(excluded.present_at, stored.present_at)
        """,
        (
            report.partition, report.host, report.pid, report.owner_since, report.committed_at, report.live,
            report.present_at, report.buffered,
        ),
    )  # fmt: skip


def last_caught_up(connection: Connection, partition: int) -> datetime | None:
    """When an owner of the partition had last worked off all that was waiting, inside the caller's transaction."""
    row = connection.execute("SELECT present_at FROM partition_report WHERE partition = %s", (partition,)).fetchone()
    return row[0] if row else None


def partition_states(connection: Connection) -> list[PartitionState]:
    """Every partition in the order of the numbers: whether it has an owner, and what that or the last one reported."""
    owners, count = partition_owners(connection), partition_count(connection)
    with translated_errors():
        rows = connection.execute(
            """
            SELECT partition, host, pid, owner_since, committed_at, live, present_at, buffered FROM partition_report
            """
        ).fetchall()
    reports = {row[0]: PartitionReport(**dict(zip(PartitionReport.__slots__, row, strict=True))) for row in rows}
    return [PartitionState(n, n in owners, owners.get(n, ""), reports.get(n)) for n in range(count or 1)]
