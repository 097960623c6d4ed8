"""Free space of the disks of the servers, as a worker on their machine reports it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from psycopg.rows import class_row

from store.database import Connection

_FORGOTTEN_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskReport:
    """Free space of a disk, under the name of its content, such as `database`."""

    name: str
    reported_at: datetime
    free_bytes: int
    total_bytes: int


def save_disk_reports(connection: Connection, reports: Iterable[DiskReport], now: datetime) -> None:
    """Store the newest reports; a disk without a report for a day is forgotten."""
    for report in reports:
        connection.execute(
            """
            INSERT INTO disk_report (name, reported_at, free_bytes, total_bytes) VALUES (%s, %s, %s, %s)
            ON CONFLICT (name) DO UPDATE SET
                reported_at = excluded.reported_at, free_bytes = excluded.free_bytes, total_bytes = excluded.total_bytes
            """,
            (report.name, report.reported_at, report.free_bytes, report.total_bytes),
        )
    connection.execute("DELETE FROM disk_report WHERE reported_at < %s", (now - _FORGOTTEN_AFTER,))


def disk_reports(connection: Connection) -> list[DiskReport]:
    """Return the newest report of each disk, by name."""
    with connection.cursor(row_factory=class_row(DiskReport)) as cursor:
        return cursor.execute(
            "SELECT name, reported_at, free_bytes, total_bytes FROM disk_report ORDER BY name"
        ).fetchall()
