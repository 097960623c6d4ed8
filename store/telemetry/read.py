"""The series of a device: its readings, or one value for each bucket of local time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from psycopg import sql

from devices.kind import Choice, Counter, Field, Flag, Gauge, Value
from devices.local_time import CITY
from store.database import Connection
from store.telemetry.schema import visible_name


class Aggregate(StrEnum):
    """The function that makes one value of the readings in a bucket."""

    MIN = "min"
    MAX = "max"
    MEAN = "mean"
    SUM = "sum"
    COUNT = "count"
    FIRST = "first"
    LAST = "last"
    INCREASE = "increase"


@dataclass(frozen=True, slots=True)
class Point:
    """The values at one time: a reading, or a bucket that begins at `ts` and has no arrival."""

    ts: datetime
    received_at: datetime | None
    values: dict[str, Value | None]


_SHARE_DECIMALS = 4  # of the mean of a flag

_ANY: dict[Aggregate, str] = {
    Aggregate.COUNT: "count(value)",
    Aggregate.FIRST: "first(value, ts)",
    Aggregate.LAST: "last(value, ts)",
}
_NUMBER: dict[Aggregate, str] = {
    Aggregate.MIN: "min(value)",
    Aggregate.MAX: "max(value)",
    Aggregate.MEAN: "avg(value)",
    Aggregate.SUM: "sum(value)",
    **_ANY,
}
_FLAG: dict[Aggregate, str] = {
    Aggregate.MEAN: "avg(CASE WHEN value THEN 1 ELSE 0 END)::double precision",
    **_ANY,
}


def allowed_aggregates(field: Field) -> tuple[Aggregate, ...]:
    """Return the meaningful aggregates of a field; the mean of a flag is the share of true readings."""
    match field:
        case Counter():
            return (*_NUMBER, Aggregate.INCREASE)
        case Gauge():
            return tuple(_NUMBER)
        case Flag():
            return tuple(_FLAG)
        case Choice():
            return tuple(_ANY)


def read_points(
    connection: Connection,
    kind: str,
    device_id: int,
    fields: Sequence[str],
    *,
    start: datetime | None,
    end: datetime | None,
    before: datetime | None,
    limit: int,
) -> list[Point]:
    """Return at most `limit` readings of [start, end) older than `before`, newest first.

    Readings without any of the fields are left out; a point holds only the values of its reading.
    """
    columns = [sql.Identifier(field) for field in fields]
    rows = connection.execute(
        sql.SQL(
            """
            SELECT ts, received_at, {columns}
            FROM {table}
            WHERE device_id = %(device_id)s
              AND (%(start)s::timestamptz IS NULL OR ts >= %(start)s)
              AND (%(end)s::timestamptz IS NULL OR ts < %(end)s)
              AND (%(before)s::timestamptz IS NULL OR ts < %(before)s)
              AND num_nonnulls({columns}) > 0
            ORDER BY ts DESC
            LIMIT %(limit)s
            """
        ).format(columns=sql.SQL(", ").join(columns), table=sql.Identifier(visible_name(kind))),
        {"device_id": device_id, "start": start, "end": end, "before": before, "limit": limit},
    ).fetchall()
    return [
        Point(ts, received_at, {name: value for name, value in zip(fields, values, strict=True) if value is not None})
        for ts, received_at, *values in rows
    ]


def read_buckets(
    connection: Connection,
    kind: str,
    device_id: int,
    field: Field,
    aggregate: Aggregate,
    *,
    start: datetime,
    end: datetime,
    width: str,
) -> list[Point]:
    """Return one point for each bucket of [start, end) with a reading, oldest first.

    An increase belongs to the buckets in which it happened: see `read_increases`.

    Args:
        connection: The database.
        kind: The kind of the device.
        device_id: The id of the device.
        field: The field of the kind to aggregate.
        aggregate: One of the field's `allowed_aggregates`.
        start: The start of the range, included.
        end: The end of the range, not included.
        width: The width of a bucket as a PostgreSQL interval; days, weeks and months are local time in Shanghai.

    Returns:
        Points at the starts of the buckets; the first lies before `start` if that is inside a bucket.
    """
    if aggregate is Aggregate.INCREASE and isinstance(field, Counter):
        increases = read_increases(connection, kind, field, [device_id], start=start, end=end, width=width)
        return [Point(bucket, None, {field.name: value}) for _, bucket, value in increases]
    expressions = _FLAG if isinstance(field, Flag) else _NUMBER
    rows = connection.execute(
        sql.SQL(_BUCKETS).format(
            table=sql.Identifier(visible_name(kind)),
            column=sql.Identifier(field.name),
            aggregate=sql.SQL(expressions[aggregate]),
        ),
        {"device_id": device_id, "start": start, "end": end, "width": width, "zone": CITY.key},
    ).fetchall()
    if aggregate in {Aggregate.SUM, Aggregate.MEAN}:
        decimals = _decimals(field, aggregate)
        rows = [(bucket, value if value is None else round(value, decimals)) for bucket, value in rows]
    return [Point(bucket, None, {field.name: value}) for bucket, value in rows]


def _decimals(field: Field, aggregate: Aggregate) -> int:
    """Return the decimals of a calculated aggregate: those that the field resolves, and two more for a mean."""
    if not isinstance(field, Gauge | Counter):
        return _SHARE_DECIMALS
    return field.decimals + 2 if aggregate is Aggregate.MEAN else field.decimals


class Increase(NamedTuple):
    """Consumption of a device in a bucket; None where its readings are in doubt, or the first of a register."""

    device_id: int
    bucket: datetime
    value: float | None


def read_increases(
    connection: Connection,
    kind: str,
    counter: Counter,
    device_ids: Sequence[int],
    *,
    start: datetime,
    end: datetime,
    width: str,
) -> list[Increase]:
    """Return the consumption of devices of one kind in [start, end), by device and bucket.

    A rise is divided by time between the buckets that it spans, so that buckets of any width have the same sum. A
    reading at the start of a bucket closes the bucket before. A bucket of which nothing is known is left out.

    Args:
        connection: The database.
        kind: The kind of the devices.
        counter: A counter of the kind.
        device_ids: The ids of the devices.
        start: The start of the range.
        end: The end of the range.
        width: The width of a bucket, as in `read_buckets`.
    """
    rows = connection.execute(
        """
        SELECT device_id, bucket, increase
        FROM consumption(
            %(kind)s, %(name)s, %(modulus)s, %(per_hour)s, %(backward)s, %(decimals)s, %(device_ids)s::bigint[],
            %(start)s, %(end)s, %(width)s::interval
        )
        """,
        {
            "kind": kind, "name": counter.name, "modulus": counter.modulus, "per_hour": counter.per_hour,
            "backward": counter.backward, "decimals": counter.decimals, "device_ids": list(device_ids),
            "start": start, "end": end, "width": width,
        },
    ).fetchall()  # fmt: skip
    return [Increase(*row) for row in rows]


_BUCKETS = """
    SELECT time_bucket(%(width)s::interval, ts, %(zone)s::text) AS bucket, {aggregate}
    FROM (
        SELECT ts, {column} AS value
        FROM {table}
        WHERE device_id = %(device_id)s AND ts >= %(start)s AND ts < %(end)s AND {column} IS NOT NULL
    ) AS reading
    GROUP BY bucket
    ORDER BY bucket
"""


def hours_with_readings(
    connection: Connection, kind: str, device_ids: Sequence[int], start: datetime, end: datetime
) -> set[datetime]:
    """Return the begin of every hour in [start, end) with a reading of one of these devices of a kind."""
    rows = connection.execute(
        sql.SQL(
            """
            SELECT DISTINCT date_bin('1 hour', ts, timestamptz '2000-01-01T00:00:00Z') FROM {}
            WHERE device_id = ANY (%s) AND ts >= %s AND ts < %s
            """
        ).format(sql.Identifier(visible_name(kind))),
        (list(device_ids), start, end),
    )
    return {hour for (hour,) in rows}
