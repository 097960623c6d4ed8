"""A device's series: the readings as they came, or one value a bucket of local time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from psycopg import sql

from devices.kind import Choice, Counter, Field, Flag, Gauge, Value
from store.database import Connection
from store.telemetry.schema import table_name


class Aggregate(StrEnum):
    """What a bucket tells of its readings."""

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
    """The values at one instant: a reading, or a bucket that begins at `ts` and was not received as such."""

    ts: datetime
    received_at: datetime | None
    values: dict[str, Value | None]


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
    """The aggregates that mean something for a field; the mean of a flag is the share of readings that are true."""
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
    """At most `limit` readings of [start, end), newest first, from the first one older than `before`.

    Readings that have none of the fields are left out, and values that a reading lacks are absent from its point.
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
        ).format(columns=sql.SQL(", ").join(columns), table=sql.Identifier(table_name(kind))),
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
    """One point for each bucket of [start, end) that has a reading, oldest first.

    Args:
        connection: the database.
        kind: the device's kind.
        device_id: the device's number.
        field: what to aggregate, a field of the kind.
        aggregate: one of the field's `allowed_aggregates`.
        start: the first instant that counts.
        end: the first instant that counts no more.
        width: of a bucket, as a PostgreSQL interval; days, weeks and months are those of the wall clock in Shanghai.

    Returns:
        Points that begin at the bucket's start, which lies before `start` where that is inside a bucket.
    """
    query = _INCREASES if aggregate is Aggregate.INCREASE else _BUCKETS
    expressions = _FLAG if isinstance(field, Flag) else _NUMBER
    rows = connection.execute(
        sql.SQL(query).format(
            table=sql.Identifier(table_name(kind)),
            column=sql.Identifier(field.name),
            aggregate=sql.SQL(expressions.get(aggregate, "")),
        ),
        {"device_id": device_id, "start": start, "end": end, "width": width},
    ).fetchall()
    return [Point(bucket, None, {field.name: value}) for bucket, value in rows]


_BUCKETS = """
    SELECT time_bucket(%(width)s::interval, ts, 'Asia/Shanghai') AS bucket, {aggregate}
    FROM (
        SELECT ts, {column} AS value
        FROM {table}
        WHERE device_id = %(device_id)s AND ts >= %(start)s AND ts < %(end)s AND {column} IS NOT NULL
    ) AS reading
    GROUP BY bucket
    ORDER BY bucket
"""

# A reading that leaves the line between two neighbours which agree with each other is a glitch: a meter that once
# reads 0 must not book its whole history. Judging the first and the last reading of the range needs neighbours
# outside of it.
_INCREASES = """
    WITH reading AS (
        (
            SELECT ts, {column} AS value FROM {table}
            WHERE device_id = %(device_id)s AND ts < %(start)s AND {column} IS NOT NULL
            ORDER BY ts DESC LIMIT 2
        ) UNION ALL (
            SELECT ts, {column} FROM {table}
            WHERE device_id = %(device_id)s AND ts >= %(start)s AND ts < %(end)s AND {column} IS NOT NULL
        ) UNION ALL (
            SELECT ts, {column} FROM {table}
            WHERE device_id = %(device_id)s AND ts >= %(end)s AND {column} IS NOT NULL
            ORDER BY ts LIMIT 1
        )
    ), judged AS (
        SELECT ts, value, lag(value) OVER series AS before, lead(value) OVER series AS after
        FROM reading WINDOW series AS (ORDER BY ts)
    ), steady AS (
        SELECT ts, value, lag(value) OVER (ORDER BY ts) AS before
        FROM judged
        WHERE (before <= after AND value NOT BETWEEN before AND after) IS NOT TRUE
    )
    SELECT time_bucket(%(width)s::interval, ts, 'Asia/Shanghai') AS bucket,
           sum(greatest(value - before, 0)) FILTER (WHERE before IS NOT NULL)
    FROM steady
    WHERE ts >= %(start)s AND ts < %(end)s
    GROUP BY bucket
    ORDER BY bucket
"""
