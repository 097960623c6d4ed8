"""The spool: messages beyond the share of their device, stored as they came until there is time for them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg.rows import class_row

from store.database import Connection, translated_errors

ROW_BYTES = 192
"""The bytes that a spooled message takes on disk in addition to its payload."""


class SpoolKey(NamedTuple):
    """The row of a spooled message, with the bytes that it takes."""

    device_id: int
    id: int
    bytes: int


class SpoolRow(NamedTuple):
    """A message to spool; `cost` is its price in bytes, by which the spool is worked off."""

    device_id: int
    received_at: datetime
    redelivered: bool
    retained: bool
    topic: str
    sealed: bytes
    cost: int

    @property
    def bytes(self) -> int:
        """The bytes that the row takes."""
        return len(self.sealed) + ROW_BYTES


class SpooledRow(NamedTuple):
    """A spooled message; `cost` is its price in bytes."""

    key: SpoolKey
    cost: int
    received_at: datetime
    redelivered: bool
    retained: bool
    topic: str
    sealed: bytes


class SpoolTotal(NamedTuple):
    """The numbers of messages and of bytes that wait in the spool."""

    messages: int = 0
    bytes: int = 0


class SpooledDevice(NamedTuple):
    """A device with messages in the spool; `oldest_at` is the arrival of the first."""

    community: str
    device: str
    messages: int
    bytes: int
    oldest_at: datetime


class SpoolState(NamedTuple):
    """The content of the spool; `oldest_at` is the first arrival, None in an empty one."""

    messages: int
    bytes: int
    devices: int
    oldest_at: datetime | None


def load_totals(connection: Connection, communities: Sequence[str]) -> dict[int, SpoolTotal]:
    """Return by device what waits of these communities, inside the caller's transaction."""
    rows = connection.execute(
        """
        SELECT total.device_id, total.messages, total.bytes
        FROM spool_total AS total JOIN device ON device.id = total.device_id
        WHERE device.community = ANY (%s) ORDER BY total.device_id
        """,
        (list(communities),),
    ).fetchall()
    return {device_id: SpoolTotal(messages, size) for device_id, messages, size in rows}


def insert_spooled(connection: Connection, rows: Sequence[SpoolRow]) -> None:
    """Store messages in their order, inside the caller's transaction."""
    columns = "device_id, received_at, redelivered, retained, topic, sealed, cost"
    with connection.cursor() as cursor, cursor.copy(f"COPY spool ({columns}) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int8", "timestamptz", "bool", "bool", "text", "bytea", "int8"])
        for row in rows:
            copy.write_row(row)
    totals = _totals((row.device_id, row.bytes) for row in rows)
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO spool_total AS stored (device_id, messages, bytes) VALUES (%s, %s, %s)
            ON CONFLICT (device_id) DO UPDATE
            SET messages = stored.messages + excluded.messages, bytes = stored.bytes + excluded.bytes
            """,
            [(device_id, *total) for device_id, total in sorted(totals.items())],
        )


def read_spooled(
    connection: Connection, after: Mapping[int, int], *, cost_each: int, most_each: int
) -> list[SpooledRow]:
    """Return the oldest messages of some devices, device by device, in their order.

    Args:
        connection: a connection outside a transaction.
        after: by device, the id behind which its messages are read.
        cost_each: the price in bytes after which a device has had its turn; each has one message at least.
        most_each: the greatest number of messages of a device.
    """
    with translated_errors():
        rows = connection.execute(
            """
            SELECT turn.device_id, oldest.id, octet_length(oldest.sealed) + %s, oldest.cost, oldest.received_at,
                   oldest.redelivered, oldest.retained, oldest.topic, oldest.sealed
            FROM unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS turn (device_id, after, number)
            CROSS JOIN LATERAL (
                SELECT row.*, sum(row.cost) OVER (ORDER BY row.id) - row.cost AS cost_before
                FROM (
                    SELECT * FROM spool WHERE spool.device_id = turn.device_id AND spool.id > turn.after
                    ORDER BY spool.id LIMIT %s
                ) AS row
            ) AS oldest
            WHERE oldest.cost_before < %s
            ORDER BY turn.number, oldest.id
            """,
            (ROW_BYTES, list(after), list(after.values()), most_each, cost_each),
        ).fetchall()
    return [SpooledRow(SpoolKey(*row[:3]), *row[3:]) for row in rows]


def delete_spooled(connection: Connection, keys: Sequence[SpoolKey]) -> None:
    """Delete messages that have been worked off, inside the caller's transaction."""
    connection.execute(
        """
        DELETE FROM spool USING unnest(%s::bigint[], %s::bigint[]) AS taken (device_id, id)
        WHERE spool.device_id = taken.device_id AND spool.id = taken.id
        """,
        ([key.device_id for key in keys], [key.id for key in keys]),
    )
    totals = sorted(_totals((key.device_id, key.bytes) for key in keys).items())
    parameters = {
        "devices": [device_id for device_id, _ in totals],
        "messages": [total.messages for _, total in totals],
        "bytes": [total.bytes for _, total in totals],
    }
    # A row without messages would break the table's own constraint, so it goes first.
    connection.execute(
        """
        WITH taken AS (
            SELECT * FROM unnest(%(devices)s::bigint[], %(messages)s::bigint[]) AS taken (device_id, messages)
        )
        DELETE FROM spool_total AS total USING taken
        WHERE total.device_id = taken.device_id AND total.messages = taken.messages
        """,
        parameters,
    )
    connection.execute(
        """
        UPDATE spool_total AS total SET messages = total.messages - taken.messages, bytes = total.bytes - taken.bytes
        FROM unnest(%(devices)s::bigint[], %(messages)s::bigint[], %(bytes)s::bigint[])
            AS taken (device_id, messages, bytes)
        WHERE total.device_id = taken.device_id
        """,
        parameters,
    )


def forget_totals(connection: Connection, device_ids: Sequence[int]) -> None:
    """Delete the totals of devices without messages in the spool."""
    with translated_errors():
        connection.execute("DELETE FROM spool_total WHERE device_id = ANY (%s)", (list(device_ids),))


def spool_state(connection: Connection, device_ids: Sequence[int] | None = None) -> SpoolState:
    """Return what waits in the spool, of all devices or of these."""
    with translated_errors(), connection.cursor(row_factory=class_row(SpoolState)) as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(messages), 0)::bigint AS messages, coalesce(sum(bytes), 0)::bigint AS bytes,
                   count(*) AS devices, min(oldest.received_at) AS oldest_at
            FROM spool_total AS total
            CROSS JOIN LATERAL (
                SELECT received_at FROM spool WHERE spool.device_id = total.device_id ORDER BY spool.id LIMIT 1
            ) AS oldest
            WHERE %(devices)s::bigint[] IS NULL OR total.device_id = ANY (%(devices)s)
            """,
            {"devices": list(device_ids) if device_ids is not None else None},
        )
        return cursor.fetchone() or SpoolState(0, 0, 0, None)


def count_spooled_of_community(connection: Connection, community: str, before: datetime) -> int:
    """Return how many messages of a community's devices that arrived before a time wait in the spool."""
    row = connection.execute(
        """
        SELECT count(*) FROM spool JOIN device ON device.id = spool.device_id
        WHERE device.community = %s AND spool.received_at < %s
        """,
        (community, before),
    ).fetchone()
    return int(row[0]) if row else 0


def most_spooled_devices(connection: Connection, limit: int) -> list[SpooledDevice]:
    """Return the devices with the most bytes in the spool, greatest first."""
    with translated_errors(), connection.cursor(row_factory=class_row(SpooledDevice)) as cursor:
        cursor.execute(
            """
            SELECT device.community, device.name AS device, total.messages, total.bytes,
                   (SELECT received_at FROM spool WHERE spool.device_id = device.id ORDER BY spool.id LIMIT 1)
                       AS oldest_at
            FROM spool_total AS total JOIN device ON device.id = total.device_id
            ORDER BY total.bytes DESC, device.id LIMIT %s
            """,
            (limit,),
        )
        return cursor.fetchall()


def count_refused(
    connection: Connection, *, since: datetime | None = None, communities: Sequence[str] | None = None
) -> int:
    """Return how many messages of devices were refused because the spool was full.

    Args:
        connection: any connection.
        since: a time in the first hour that counts; None counts all that is kept.
        communities: whose devices count; None counts all.
    """
    with translated_errors():
        row = connection.execute(
            """
            SELECT coalesce(sum(count), 0)::bigint FROM rejection_count
            WHERE reason = 'rate_limited' AND community <> ''
              AND hour >= coalesce(date_trunc('hour', %(since)s::timestamptz), '-infinity')
              AND (%(communities)s::text[] IS NULL OR community = ANY (%(communities)s))
            """,
            {"since": since, "communities": list(communities) if communities is not None else None},
        ).fetchone()
    return int(row[0]) if row else 0


def refused_senders(connection: Connection, since: datetime, limit: int) -> list[str]:
    """Return the topics of the latest refused messages of devices, newest first, each device once."""
    with translated_errors():
        rows = connection.execute(
            """
            SELECT min(topic) FROM rejection
            WHERE reason = 'rate_limited' AND device_id IS NOT NULL AND last_received_at >= %s
            GROUP BY device_id ORDER BY max(last_received_at) DESC LIMIT %s
            """,
            (since, limit),
        ).fetchall()
    return [topic for (topic,) in rows]


def _totals(rows: Iterable[tuple[int, int]]) -> dict[int, SpoolTotal]:
    """Return the numbers of messages and bytes by device."""
    messages, sizes = Counter[int](), Counter[int]()
    for device_id, size in rows:
        messages[device_id] += 1
        sizes[device_id] += size
    return {device_id: SpoolTotal(count, sizes[device_id]) for device_id, count in messages.items()}
