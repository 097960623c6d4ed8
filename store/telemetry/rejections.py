"""Rejections: messages that could not be used, stored with the reason, and counted.

All are counted. Of each topic, reason and device the newest twenty are kept.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from store.database import Connection
from store.telemetry.window import Window

KEPT_PER_REASON = 20


class RejectionRow(NamedTuple):
    """A rejection that happened `times` times. `payload` is the storable part."""

    topic: str
    reason: str
    detail: str
    payload: bytes
    size: int
    device_id: int | None
    received_at: datetime
    times: int

    @property
    def digest(self) -> bytes:
        """The identity of a rejection within its topic: a hash of the stored parts, so it reveals nothing else."""
        content = b"\0".join((self.detail.encode(), str(self.size).encode(), self.payload))
        return hashlib.sha256(content).digest()


class CountKey(NamedTuple):
    """The hour, the sender and the reason that rejections are counted by.

    Without a registered device, community and kind are empty.
    """

    hour: datetime
    community: str
    kind: str
    reason: str
    device_id: int | None = None


@dataclass(frozen=True, slots=True)
class RejectionCount:
    """Number of rejections of a device for a reason; `device_id` is None where they were not counted by device."""

    device_id: int | None
    reason: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRejection:
    """A stored rejection. `payload` is the storable part, `size` the length of the whole payload in bytes.

    `times` counts equal rejections from `first_received_at` to `last_received_at`. Community, device and kind are those
    of the registered device; None where there is none.
    """

    topic: str
    reason: str
    digest: bytes
    detail: str
    payload: bytes
    size: int
    first_received_at: datetime
    last_received_at: datetime
    times: int
    community: str | None
    device: str | None
    kind: str | None

    @property
    def key(self) -> "RejectionKey":
        """The position in the list."""
        return self.last_received_at, self.topic, self.reason, self.digest.hex()


RejectionKey = tuple[datetime, str, str, str]
"""Position of a rejection in the list, newest first: its last arrival, topic, reason and digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionFilter:
    """Conditions on the rejections to list; None is no condition.

    An unregistered sender has the community and the device that its topic names.
    """

    device_id: int | None = None
    community: str | None = None
    device: str | None = None
    reason: str | None = None
    since: datetime | None = None


def store_rejections(connection: Connection, rows: Sequence[RejectionRow]) -> None:
    """Store rejections and drop the oldest ones beyond the newest twenty, inside the caller's transaction."""
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
            sorted(
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
                for row in rows
            ),
        )
    connection.execute(
        """
        WITH ranked AS (
            SELECT topic, reason, digest,
                   row_number() OVER (PARTITION BY topic, reason, device_id ORDER BY last_received_at DESC) AS rank
            FROM rejection
            WHERE device_id = ANY (%(devices)s) OR (device_id IS NULL AND topic = ANY (%(topics)s))
        )
        DELETE FROM rejection USING ranked
        WHERE (rejection.topic, rejection.reason, rejection.digest) = (ranked.topic, ranked.reason, ranked.digest)
          AND ranked.rank > %(kept)s
        """,
        {
            "devices": sorted({row.device_id for row in rows if row.device_id is not None}),
            "topics": sorted({row.topic for row in rows if row.device_id is None}),
            "kept": KEPT_PER_REASON,
        },
    )


def count_rejections(connection: Connection, counts: Mapping[CountKey, int]) -> None:
    """Add to the numbers of rejections, inside the caller's transaction.

    Partitions share the counts of rejections without a known device. Every partition updates the rows in the same
    order, so that no two wait for each other.
    """
    by_kind = Counter[tuple[datetime, str, str, str]]()
    by_device = Counter[tuple[int, datetime, str]]()
    for (hour, community, kind, reason, device_id), count in counts.items():
        by_kind[hour, community, kind, reason] += count
        if device_id is not None:
            by_device[device_id, hour, reason] += count
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO rejection_count AS stored (hour, community, kind, reason, count) VALUES (%s, %s, %s, %s, %s)
            ON CONFLICT (hour, community, kind, reason) DO UPDATE SET count = stored.count + excluded.count
            """,
            [(*key, count) for key, count in sorted(by_kind.items())],
        )
    if by_device:
        device_ids, hours, reasons = zip(*by_device, strict=True)
        connection.execute(
            """
            INSERT INTO device_rejection_count AS stored (device_id, hour, reason, count)
            SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::text[], %s::bigint[]) ORDER BY 1, 2, 3
            ON CONFLICT (device_id, hour, reason) DO UPDATE SET count = stored.count + excluded.count
            """,
            (list(device_ids), list(hours), list(reasons), list(by_device.values())),
        )


def count_rejections_of_community(connection: Connection, community: str, window: Window) -> list[RejectionCount]:
    """Return the numbers of rejections of a community's devices in the hours that a window touches, by arrival."""
    with connection.cursor(row_factory=class_row(RejectionCount)) as cursor:
        return cursor.execute(
            """
            WITH counted AS (
                SELECT counted.device_id, counted.reason, sum(counted.count)::bigint AS times
                FROM device_rejection_count AS counted JOIN device ON device.id = counted.device_id
                WHERE device.community = %(community)s
                  AND counted.hour > %(start)s - interval '1 hour' AND counted.hour < %(end)s
                GROUP BY 1, 2
            ), in_all AS (
                SELECT reason, sum(count)::bigint AS times FROM rejection_count
                WHERE community = %(community)s AND hour > %(start)s - interval '1 hour' AND hour < %(end)s
                GROUP BY 1
            )
            SELECT device_id, reason, times FROM counted
            UNION ALL
            SELECT NULL, reason, in_all.times - coalesce(sum(counted.times), 0)::bigint
            FROM in_all LEFT JOIN counted USING (reason)
            GROUP BY reason, in_all.times
            HAVING in_all.times > coalesce(sum(counted.times), 0)
            """,
            {"community": community, "start": window.start, "end": window.end},
        ).fetchall()


def list_rejections(
    connection: Connection, conditions: RejectionFilter, before: RejectionKey | None, limit: int
) -> list[StoredRejection]:
    """Return at most `limit` rejections beyond `before`, newest first."""
    at, topic, reason, digest = before or (None, None, None, None)
    with connection.cursor(row_factory=class_row(StoredRejection)) as cursor:
        return cursor.execute(
            """
            SELECT rejection.topic, rejection.reason, rejection.digest, rejection.detail, rejection.payload,
                   rejection.size, rejection.first_received_at, rejection.last_received_at, rejection.times,
                   device.community, device.name AS device, device.kind
            FROM rejection LEFT JOIN device ON device.id = rejection.device_id
            WHERE (%(device_id)s::bigint IS NULL OR rejection.device_id = %(device_id)s)
              AND (%(community)s::text IS NULL
                   OR coalesce(device.community, split_part(rejection.topic, '/', 3)) = %(community)s)
              AND (%(device)s::text IS NULL
                   OR coalesce(device.name, split_part(rejection.topic, '/', 5)) = %(device)s)
              AND (%(reason)s::text IS NULL OR rejection.reason = %(reason)s)
              AND (%(since)s::timestamptz IS NULL OR rejection.last_received_at >= %(since)s)
              AND (%(at)s::timestamptz IS NULL
                   OR (rejection.last_received_at, rejection.topic, rejection.reason, rejection.digest)
                      < (%(at)s::timestamptz, %(topic)s::text, %(before_reason)s::text, decode(%(digest)s, 'hex')))
            ORDER BY rejection.last_received_at DESC, rejection.topic DESC, rejection.reason DESC, rejection.digest DESC
            LIMIT %(limit)s
            """,
            {
                **asdict(conditions),
                "at": at,
                "topic": topic,
                "before_reason": reason,
                "digest": digest,
                "limit": limit,
            },
        ).fetchall()


def newest_by_reason(connection: Connection, device_id: int) -> list[StoredRejection]:
    """Return the newest rejection of each reason of a device, newest first."""
    newest: dict[str, StoredRejection] = {}
    for rejection in list_rejections(connection, RejectionFilter(device_id=device_id), None, 1000):
        newest.setdefault(rejection.reason, rejection)
    return list(newest.values())


def count_by_reason(connection: Connection, since: datetime) -> dict[str, int]:
    """Return the numbers of rejections by reason since the hour of `since`, the most frequent first."""
    rows = connection.execute(
        """
        SELECT reason, sum(count)::bigint FROM rejection_count WHERE hour >= date_trunc('hour', %s::timestamptz, 'UTC')
        GROUP BY reason ORDER BY 2 DESC, 1
        """,
        (since,),
    ).fetchall()
    return dict(rows)
