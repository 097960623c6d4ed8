"""Stored readings and events in the order of their arrival, for the backtest of rules.

Two messages of a device with the same arrival are ordered by the device's clock, an event before a reading. A row
filled by two messages has the arrival of the first.
"""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg import sql

from devices.catalogue import KIND_BY_NAME
from devices.kind import Value
from store.database import FETCH_ROWS, Connection
from store.telemetry.schema import visible_name


class HistoryRow(NamedTuple):
    """A reading of a device, or the event `event` with its `data`."""

    kind: str
    device_id: int
    ts: datetime
    received_at: datetime
    values: Mapping[str, Value]
    event: str | None = None
    data: Mapping[str, Value] = {}


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """A query for the messages of some devices that arrived in [start, end): their fields and events, by kind.

    With `device_time` the device's timestamp counts as the arrival, for data that were imported later.
    """

    start: datetime
    end: datetime
    device_ids: Sequence[int]
    fields: Mapping[str, Sequence[str]]
    events: Mapping[str, Sequence[str]]
    device_time: bool = False

    @property
    def arrival(self) -> sql.Identifier:
        """The column of the arrival."""
        return sql.Identifier("ts" if self.device_time else "received_at")


def read_history(connection: Connection, query: HistoryQuery) -> Iterator[HistoryRow]:
    """Yield the history in the order of arrival, by server-side cursors, inside the caller's transaction."""
    # Enough to sort a month of a thousand devices in memory.
    connection.execute("SET LOCAL work_mem = '256MB'")
    # Events come first: of the same arrival, a reading belongs to the event before it.
    streams = [_events(connection, kind, names, query) for kind, names in query.events.items() if names]
    streams += [_readings(connection, kind, fields, query) for kind, fields in query.fields.items()]
    if len(streams) == 1:
        yield from streams[0]
    else:
        yield from heapq.merge(*streams, key=_arrival)


def count_history(connection: Connection, query: HistoryQuery, at_most: int) -> int:
    """Count the readings and events of the history, up to `at_most`."""
    count = 0
    for kind in query.fields:
        count += _count(connection, sql.Identifier(visible_name(kind)), sql.SQL("true"), query, at_most - count)
    for names in query.events.values():
        named = sql.SQL("event = ANY ({})").format(sql.Literal(list(names)))
        count += _count(connection, sql.Identifier("visible_event"), named, query, at_most - count)
    return count


def limit_statement_time(connection: Connection) -> None:
    """Limit each statement of the caller's transaction to 20 s, because a person waits for the answer."""
    connection.execute("SET LOCAL statement_timeout = '20s'")


def _arrival(row: HistoryRow) -> tuple[datetime, datetime, int]:
    return row.received_at, row.ts, row.device_id


def _readings(connection: Connection, kind: str, fields: Sequence[str], query: HistoryQuery) -> Iterator[HistoryRow]:
    kind_fields = {field.name for field in KIND_BY_NAME[kind].fields}
    names = [name for name in fields if name in kind_fields]
    columns = [sql.Identifier(name) for name in names]
    statement = sql.SQL(
        """
        SELECT {columns} FROM {table}
        WHERE {arrival} >= %(start)s AND {arrival} < %(end)s AND device_id = ANY (%(device_ids)s)
        ORDER BY {arrival}, ts, device_id
        """
    ).format(
        columns=sql.SQL(", ").join([sql.SQL("device_id, ts"), query.arrival, *columns]),
        arrival=query.arrival,
        table=sql.Identifier(visible_name(kind)),
    )
    with connection.cursor(name=f"history_{kind}", binary=True) as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(statement, _bounds(query))
        for device_id, ts, received_at, *row_values in cursor:
            values = dict(zip(names, row_values, strict=True))
            if None in row_values:
                values = {name: value for name, value in values.items() if value is not None}
            yield HistoryRow(kind, device_id, ts, received_at, values)


def _events(connection: Connection, kind: str, names: Sequence[str], query: HistoryQuery) -> Iterator[HistoryRow]:
    with connection.cursor(name=f"history_of_events_{kind}", binary=True) as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(
            sql.SQL(
                """
                SELECT event.device_id, event.ts, event.{arrival}, event.event, event.data
                FROM visible_event AS event JOIN device ON device.id = event.device_id AND device.kind = %(kind)s
                WHERE event.{arrival} >= %(start)s AND event.{arrival} < %(end)s
                  AND event.device_id = ANY (%(device_ids)s) AND event.event = ANY (%(names)s)
                ORDER BY event.{arrival}, event.ts, event.device_id
                """
            ).format(arrival=query.arrival),
            {**_bounds(query), "kind": kind, "names": list(names)},
        )
        for device_id, ts, received_at, event, data in cursor:
            yield HistoryRow(kind, device_id, ts, received_at, {}, event, data)


def _count(
    connection: Connection, table: sql.Identifier, condition: sql.Composable, query: HistoryQuery, at_most: int
) -> int:
    row = connection.execute(
        sql.SQL(
            """
            SELECT count(*) FROM (
                SELECT FROM {table}
                WHERE {arrival} >= %(start)s AND {arrival} < %(end)s AND device_id = ANY (%(device_ids)s)
                  AND {condition}
                LIMIT %(at_most)s
            ) AS counted
            """
        ).format(table=table, condition=condition, arrival=query.arrival),
        {**_bounds(query), "at_most": max(at_most, 0)},
    ).fetchone()
    return int(row[0]) if row else 0


def _bounds(query: HistoryQuery) -> dict[str, object]:
    return {"start": query.start, "end": query.end, "device_ids": list(query.device_ids)}


def read_ingest_lags(connection: Connection, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Return the periods between two times in which ingest of any partition was not caught up.

    They are the alerts of the rules on `behind` of ingest itself, pending phases included. Alerts of device groups and
    of notices have no device either, and are no lags.
    """
    rows = connection.execute(
        """
        SELECT at, CASE WHEN to_state IN ('pending', 'active') THEN 1 ELSE 0 END
                 - CASE WHEN from_state IN ('pending', 'active') THEN 1 ELSE 0 END AS change
        FROM alert_transition
        WHERE device_id IS NULL AND axis = 'process' AND at < %s AND inputs -> 'values' ? 'behind'
        ORDER BY id
        """,
        (end,),
    )
    periods: list[tuple[datetime, datetime]] = []
    open_instances, since = 0, start
    for at, change in rows:
        if change > 0 and not open_instances:
            since = max(at, start)
        open_instances = max(open_instances + change, 0)
        if change < 0 and not open_instances and at > start:
            periods.append((since, at))
    return [*periods, (since, end)] if open_instances else periods
