"""Rejections: messages that could not be used, stored with the reason, and counted."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from store.database import Connection


class RejectionRow(NamedTuple):
    """A rejection that happened `times` times. `payload` is the storable part; without `stored` it is only counted."""

    topic: str
    reason: str
    detail: str
    payload: bytes
    size: int
    device_id: int | None
    community: str
    kind: str
    received_at: datetime
    times: int
    stored: bool

    @property
    def digest(self) -> bytes:
        """The identity of a rejection within its topic: a hash of the stored parts, so it reveals nothing else."""
        content = b"\0".join((self.detail.encode(), str(self.size).encode(), self.payload))
        return hashlib.sha256(content).digest()


def insert_rejections(connection: Connection, rows: Sequence[RejectionRow]) -> None:
    """Store and count rejections, inside the caller's transaction.

    Partitions share the counts of rejections without a known device. Every partition updates the rows in the same
    order, so that no two wait for each other.
    """
    _count(connection, rows)
    stored_rows = [row for row in rows if row.stored]
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO rejection AS stored
                (topic, reason, digest, detail, payload, size, device_id, first_received_at, last_received_at, times)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (topic, reason, digest) DO UPDATE
            SET times = stored.times + excluded.times,
                last_received_at = greatest(stored.last_received_at, excluded.last_received_at)
            """,
            [
                (
                    row.topic,
                    row.reason,
                    row.digest,
                    row.detail,
                    row.payload,
                    row.size,
                    row.device_id,
                    row.received_at,
                    row.received_at,
                    row.times,
                )
                for row in stored_rows
            ],
        )


def _count(connection: Connection, rows: Sequence[RejectionRow]) -> None:
    counts = Counter[tuple[datetime, str, str, str]]()
    for row in rows:
        hour = row.received_at.replace(minute=0, second=0, microsecond=0)
        counts[hour, row.community, row.kind, row.reason] += row.times
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO rejection_count AS stored (hour, community, kind, reason, count) VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (hour, community, kind, reason) DO UPDATE SET count = stored.count + excluded.count
            """,
            [(*key, count) for key, count in sorted(counts.items())],
        )
