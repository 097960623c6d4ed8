"""Database with the rights of Grafana's role, and queries expanded as by Grafana 13."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from devices.kind import Choice, Counter, Flag, Gauge
from store.telemetry.schema import table_name

COMMUNITIES = ("jia-yuan", "kang-ting")
MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")


@dataclass(frozen=True)
class View:
    """View of a dashboard: time range, width of an interval, and choices of the variables."""

    start: datetime
    end: datetime
    interval: timedelta = timedelta(minutes=5)
    community: Sequence[str] = COMMUNITIES
    device: Sequence[str] = ()
    search: str = ""
    timescaledb: bool = True


def expanded(query: str, view: View) -> str:
    """Expand a query to the SQL for the database: variables first, as in the browser, then macros, as in the server."""
    variables = {
        "${community:sqlstring}": quoted(view.community),
        "${device:sqlstring}": quoted(view.device),
        "$__searchFilter": view.search.replace("'", "''") + "%",
        "$__interval_ms": str(view.interval // timedelta(milliseconds=1)),
        "$__interval": f"{view.interval.total_seconds():.0f}s",
    }
    for name, value in variables.items():
        query = query.replace(name, value)
    return MACRO.sub(lambda match: macro(match[1], [part.strip() for part in match[2].split(",")], view), query)


def macro(name: str, arguments: list[str], view: View) -> str:
    start, end = (f"'{at.astimezone(UTC).isoformat().replace('+00:00', 'Z')}'" for at in (view.start, view.end))
    match name:
        case "__timeFrom":
            return start
        case "__timeTo":
            return end
        case "__timeFilter":
            return f"{arguments[0]} BETWEEN {start} AND {end}"
        case "__timeGroupAlias":
            seconds = int(arguments[1].removesuffix("s"))
            assert arguments[2:] in ([], ["NULL"], ["0"]), "Grafana fills with NULL, a number or previous"
            if view.timescaledb:
                return f"time_bucket('{seconds:.3f}s',{arguments[0]}) AS \"time\""
            return f'floor(extract(epoch from {arguments[0]})/{seconds})*{seconds} AS "time"'
    raise AssertionError(f"these tests do not know Grafana's macro {name}")


def quoted(values: Sequence[str]) -> str:
    return ",".join("'" + value.replace("'", "''") + "'" for value in values)


class Reader:
    """Connection with the rights of Grafana."""

    def __init__(self, connection: psycopg.Connection[Any], now: datetime) -> None:
        self.connection = connection
        self.view = View(now - timedelta(days=1), now + timedelta(hours=1))

    def rows(self, query: str, **choices: Any) -> list[dict[str, Any]]:
        view = View(**{**vars(self.view), **choices})
        with self.connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            # Grafana sends the text unchanged: a `%` in it is no placeholder.
            return cursor.execute(expanded(query, view).encode()).fetchall()


def value_of(field: Gauge | Counter | Flag | Choice, step: int) -> object:
    match field:
        case Gauge():
            return (field.possible.low + field.possible.high) / 2
        case Counter():
            return 10.0 + step * field.per_hour / 100  # readings are ten minutes apart
        case Flag():
            return step % 2 == 0
        case Choice():
            return list(field.choices)[step % len(field.choices)]


class SampleCommunities:
    """Two communities, with methods that fill them as the owner of the database."""

    def __init__(self, connection):
        self.execute = connection.execute

    def add_device(self, kind: str, name: str, community: str = "jia-yuan", *, simulated: bool = False) -> int:
        row = self.execute(
            "INSERT INTO device (community, name, kind, building, unit, room, simulated, secret_hash) "
            "VALUES (%s, %s, %s, '3号楼', '2单元', '501', %s, 'not for Grafana') RETURNING id",
            (community, name, kind, simulated),
        ).fetchone()
        return row[0]

    def add_reading(self, kind: str, device: int, at: datetime, values: Mapping[str, object]) -> None:
        names = ("device_id", "ts", "received_at", *values)
        self.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(table_name(kind)),
                sql.SQL(", ").join(map(sql.Identifier, names)),
                sql.SQL(", ").join(sql.Placeholder() * len(names)),
            ),
            (device, at, at, *values.values()),
        )

    def add_every_field(self, kind, name, until):
        """Add a device with four readings of each field in the hour before `until`."""
        device = self.add_device(kind.name, name)
        for step in range(4):
            values = {field.name: value_of(field, step) for field in kind.fields}
            self.add_reading(kind.name, device, until - timedelta(minutes=60 - 10 * step), values)

    def add_state(self, device: int, fresh: datetime | None, connection: str | None) -> None:
        self.execute(
            "INSERT INTO device_state (device_id, last_ts, last_seen, last_fresh, connection) "
            "VALUES (%s, %s, coalesce(%s, now()), %s, %s)",
            (device, fresh, fresh, fresh, connection),
        )

    def add_event(self, device: int, at: datetime, event: str, data: Mapping[str, object]) -> None:
        self.execute(
            "INSERT INTO event (device_id, ts, received_at, event, id, data) VALUES (%s, %s, %s, %s, '', %s)",
            (device, at, at, event, json.dumps(data)),
        )

    def add_alert(
        self,
        device: int | None,
        kind: str,
        severity: str,
        opened_at: datetime,
        *,
        process: str = "active",
        community: str | None = "jia-yuan",
    ) -> None:
        self.execute(
            "INSERT INTO alert (id, rule, rule_version, device_id, sequence, community, kind, severity, title, "
            "message, advice, process, opened_at, raised_at, simulated) "
            "VALUES (gen_random_uuid(), gen_random_uuid()::text, 'v', %(device)s, 1, %(community)s, %(kind)s, "
            "%(severity)s, '疑似漏水', '说明', '建议', %(process)s, %(at)s, %(at)s, false)",
            {
                "device": device, "community": community, "kind": kind, "severity": severity, "process": process,
                "at": opened_at,
            },
        )  # fmt: skip

    def let_grafana_read(self):
        self.execute("GRANT anju_grafana TO CURRENT_USER WITH SET TRUE, INHERIT FALSE")


@pytest.fixture
def now():
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def communities(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        for community, name in zip(COMMUNITIES, ("佳园小区", "康'庭小区"), strict=True):
            connection.execute(
                "INSERT INTO community (id, name, banner, street) VALUES (%s, %s, '东胜区', '天骄街道')",
                (community, name),
            )
        yield SampleCommunities(connection)


@pytest.fixture
def reader(communities, database_url, now):
    communities.let_grafana_read()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE anju_grafana")
        connection.execute("SET timezone TO 'UTC'")
        yield Reader(connection, now)
