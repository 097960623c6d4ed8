"""Locks in the database: one owner for each partition of the communities, and one dispatcher of notices.

A lock belongs to the connection that its holder also writes with, and ends with it. The server rolls back the
uncommitted work of a connection before it frees the locks. The next holder therefore sees every commit of its
predecessor, and the predecessor can make no other: docs/decisions/0006-partitions.md.
"""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from store.admin.roles import Role
from store.database import Connection, StoreError, connect, translated_errors

# Classes of advisory locks, apart from others in the same database: "ANJU", "ANJM" and "ANJT" in ASCII.
_OWNER_CLASS = 0x414E4A55
_MEMBER_CLASS = 0x414E4A4D
_DISPATCHER_CLASS = 0x414E4A54


class PartitionCountError(StoreError):
    """An ingest was started with another number of partitions than the database has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionReport:
    """The report of a partition's owner on itself.

    `committed_at` is its last commit, at most a second old while it works. `caught_up` means that no message waits;
    `caught_up_at` is the last time of that, None before the first. `buffered` counts the messages in memory.
    """

    partition: int
    host: str
    pid: int
    owner_since: datetime
    committed_at: datetime
    caught_up: bool
    caught_up_at: datetime | None
    buffered: int


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The session that holds a lock.

    `application` is the name that the session gives itself, `backend` the process id of the database server for it.
    `address` is empty on the database's own machine, and where this role may not see it.
    """

    role: str
    application: str
    backend: int
    address: str

    def is_part(self, role: Role, application: str) -> bool:
        """Return whether the session can be that of a part with this role and application name.

        The name can be forged, the role cannot. An installation with a single role has only the name.
        """
        others = set(Role) - {role, Role.OWNER}
        return self.role not in others and self.application.startswith(application)

    def __str__(self) -> str:
        """Return who it is, in words."""
        where = f" from {self.address}" if self.address else ""
        return f"role {self.role}, application {self.application!r}{where}, server process {self.backend}"


@dataclass(frozen=True, slots=True)
class PartitionState:
    """A partition with the session that owns it, None without one, and the last report of any owner."""

    partition: int
    holder: LockHolder | None
    report: PartitionReport | None

    @property
    def owned(self) -> bool:
        """Whether a session owns it."""
        return self.holder is not None


def connect_for_locks(url: str, *, application_name: str) -> Connection:
    """Open a connection in autocommit mode, with locks that are free at most ten seconds after its machine vanished.

    Raises:
        DatabaseUnavailableError: no server answers, or the credentials are refused.
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
    """Try to become the owner of a partition for the lifetime of the connection, and return whether it succeeded."""
    return _try_lock(connection, _OWNER_CLASS, partition)


def acquire_member_lock(connection: Connection, *, member: int) -> bool:
    """Try to become a member of the group that shares the partitions, and return whether it succeeded.

    Membership lasts as long as the connection. `member` is a number of 31 bits that the caller keeps. With it a caller
    cannot count twice while the server has not yet noticed the end of its previous connection.
    """
    return _try_lock(connection, _MEMBER_CLASS, member)


def acquire_dispatcher_lock(connection: Connection) -> bool:
    """Try to become the dispatcher for the lifetime of the connection, and return whether it is; may be repeated."""
    return _try_lock(connection, _DISPATCHER_CLASS, 0)


def _try_lock(connection: Connection, lock_class: int, number: int) -> bool:
    with translated_errors():
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", (lock_class, number)).fetchone()
    return row is not None and bool(row[0])


def partition_owners(connection: Connection) -> dict[int, LockHolder]:
    """Return the owned partitions with the sessions that own them."""
    return _lock_holders(connection, _OWNER_CLASS)


def dispatcher(connection: Connection) -> LockHolder | None:
    """Return the session of the dispatcher; None if no dispatcher runs."""
    return _lock_holders(connection, _DISPATCHER_CLASS).get(0)


def _lock_holders(connection: Connection, lock_class: int) -> dict[int, LockHolder]:
    """Return the holders of the locks of a class by the number of the lock."""
    with translated_errors():
        rows = connection.execute(
            """
            SELECT lock.objid::int, usename, coalesce(application_name, ''), pid, coalesce(host(client_addr), '')
            FROM pg_locks AS lock JOIN pg_stat_activity AS activity USING (pid)
            WHERE lock.locktype = 'advisory' AND lock.classid = %s AND lock.granted
              AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            ORDER BY 1
            """,
            (lock_class,),
        ).fetchall()
    return {number: LockHolder(*holder) for number, *holder in rows}


def rank_among_members(connection: Connection, *, member: int) -> tuple[int, int]:
    """Return the rank of a member among the members, from 0 on, and their number."""
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


def partition_count(connection: Connection) -> int | None:
    """Return the number of partitions; None before the first ingest."""
    with translated_errors():
        row = connection.execute("SELECT count FROM partitioning").fetchone()
    return None if row is None else int(row[0])


def ensure_partition_count(connection: Connection, count: int) -> None:
    """Store the number of partitions if this is the first ingest of the database, or else compare it.

    An owner calls this after it has acquired its lock: then the number cannot change, because that takes every lock.

    Raises:
        PartitionCountError: the stored number is another one.
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
    """Change the number of partitions, inside the caller's transaction.

    The caller owns every partition, of the old number and of the new one.
    """
    connection.execute("UPDATE partitioning SET count = %s", (count,))
    connection.execute("DELETE FROM partition_report")


def save_partition_report(connection: Connection, report: PartitionReport) -> None:
    """Store the report of a partition's owner, inside the caller's transaction."""
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
            report.partition, report.host, report.pid, report.owner_since, report.committed_at, report.caught_up,
            report.caught_up_at, report.buffered,
        ),
    )  # fmt: skip


def last_caught_up(connection: Connection, partition: int) -> datetime | None:
    """Return the last time that an owner of the partition had caught up, inside the caller's transaction."""
    row = connection.execute("SELECT present_at FROM partition_report WHERE partition = %s", (partition,)).fetchone()
    return row[0] if row else None


def partition_states(connection: Connection) -> list[PartitionState]:
    """Return every partition by number, with its owner and the last report."""
    owners, count = partition_owners(connection), partition_count(connection)
    with translated_errors(), connection.cursor(row_factory=class_row(PartitionReport)) as cursor:
        cursor.execute(
            """
            SELECT partition, host, pid, owner_since, committed_at, live AS caught_up, present_at AS caught_up_at,
                   buffered
            FROM partition_report
            """
        )
        reports = {report.partition: report for report in cursor}
    return [PartitionState(n, owners.get(n), reports.get(n)) for n in range(count or 1)]
