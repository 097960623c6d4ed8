"""Every query of every dashboard on a real database, expanded as Grafana 13 expands it, with the role it reads with."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from devices.catalogue import KIND_BY_NAME, KINDS
from devices.kind import Choice, Counter, DeviceKind, Flag, Gauge
from grafana import queries
from grafana.pages import kind_uid, pages
from store.migrate import migrate
from store.telemetry_schema import table_name

READER = Path(__file__).parents[2] / "deploy" / "postgres" / "grafana-reader.sql"
HOUR = timedelta(hours=1)
COMMUNITIES = ("jia-yuan", "kang-ting")
MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")


@dataclass(frozen=True)
class View:
    """What a person looks at: the time range, the width of an interval, the choices in the drop-down lists."""

    start: datetime
    end: datetime
    interval: timedelta = timedelta(minutes=5)
    community: Sequence[str] = COMMUNITIES
    device: Sequence[str] = ()
    search: str = ""
    timescaledb: bool = True


def expanded(query: str, view: View) -> str:
    """The SQL that reaches the database: variables first, as the browser does it, then macros, as the server does."""
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
    """A connection with the rights that Grafana has."""

    def __init__(self, connection: psycopg.Connection[Any], now: datetime) -> None:
        self.connection = connection
        self.view = View(now - timedelta(days=1), now + HOUR)

    def rows(self, query: str, **choices: Any) -> list[dict[str, Any]]:
        view = View(**{**vars(self.view), **choices})
        with self.connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            # Grafana gives its text to the server as it is, and a `%` in it is no placeholder.
            return cursor.execute(expanded(query, view).encode()).fetchall()


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def owner(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    migrate(database_url)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for community, name in zip(COMMUNITIES, ("佳园小区", "康'庭小区"), strict=True):
            connection.execute(
                "INSERT INTO community (id, name, banner, street) VALUES (%s, %s, '东胜区', '天骄街道')",
                (community, name),
            )
        yield connection


@pytest.fixture
def reader(owner: psycopg.Connection[Any], database_url: str, now: datetime) -> Iterator[Reader]:
    owner.execute(READER.read_bytes())
    owner.execute("GRANT anju_grafana TO CURRENT_USER WITH SET TRUE, INHERIT FALSE")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE anju_grafana")
        connection.execute("SET timezone TO 'UTC'")
        yield Reader(connection, now)


def add_device(
    owner: psycopg.Connection[Any], kind: str, name: str, community: str = "jia-yuan", *, simulated: bool = False
) -> int:
    row = owner.execute(
        "INSERT INTO device (community, name, kind, building, unit, room, simulated, secret_hash) "
        "VALUES (%s, %s, %s, '3号楼', '2单元', '501', %s, 'not for Grafana') RETURNING id",
        (community, name, kind, simulated),
    ).fetchone()
    assert row is not None
    device: int = row[0]
    return device


def add_reading(
    owner: psycopg.Connection[Any], kind: str, device: int, at: datetime, values: Mapping[str, object]
) -> None:
    names = ("device_id", "ts", "received_at", *values)
    owner.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            sql.Identifier(table_name(kind)),
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join(sql.Placeholder() * len(names)),
        ),
        (device, at, at, *values.values()),
    )


def add_state(owner: psycopg.Connection[Any], device: int, fresh: datetime | None, connection: str | None) -> None:
    owner.execute(
        "INSERT INTO device_state (device_id, last_ts, last_seen, last_fresh, connection) "
        "VALUES (%s, %s, coalesce(%s, now()), %s, %s)",
        (device, fresh, fresh, fresh, connection),
    )


def add_event(
    owner: psycopg.Connection[Any], device: int, at: datetime, event: str, data: Mapping[str, object]
) -> None:
    owner.execute(
        "INSERT INTO event (device_id, ts, received_at, event, id, data) VALUES (%s, %s, %s, %s, '', %s)",
        (device, at, at, event, json.dumps(data)),
    )


def add_alert(
    owner: psycopg.Connection[Any],
    device: int | None,
    kind: str,
    severity: str,
    opened_at: datetime,
    *,
    process: str = "active",
    community: str | None = "jia-yuan",
) -> None:
    owner.execute(
        "INSERT INTO alert (id, rule, rule_version, device_id, sequence, community, kind, severity, title, message, "
        "advice, process, opened_at, raised_at, simulated) VALUES (gen_random_uuid(), gen_random_uuid()::text, 'v', "
        "%(device)s, 1, %(community)s, %(kind)s, %(severity)s, '疑似漏水', '说明', '建议', %(process)s, "
        "%(at)s, %(at)s, false)",
        {
            "device": device, "community": community, "kind": kind, "severity": severity, "process": process,
            "at": opened_at,
        },
    )  # fmt: skip


def value_of(field: Gauge | Counter | Flag | Choice, step: int) -> object:
    match field:
        case Gauge():
            return (field.possible.low + field.possible.high) / 2
        case Counter():
            return 10.0 + step
        case Flag():
            return step % 2 == 0
        case Choice():
            return list(field.choices)[step % len(field.choices)]


def queries_of(content: Mapping[str, Any]) -> list[str]:
    targets = [target for panel in content["panels"] for target in panel.get("targets", [])]
    return [target["rawSql"] for target in targets] + [item["query"] for item in content["templating"]["list"]]


def test_every_query_runs_with_the_rights_that_grafana_has(
    owner: psycopg.Connection[Any], reader: Reader, now: datetime
) -> None:
    keys = []
    for kind in KINDS:
        device = add_device(owner, kind.name, f"{kind.name}-1".replace("_", "-"))
        keys.append(f"jia-yuan/{kind.name}-1".replace("_", "-"))
        for step in range(4):
            values = {field.name: value_of(field, step) for field in kind.fields}
            add_reading(owner, kind.name, device, now - HOUR + step * timedelta(minutes=10), values)
    nothing, hostile = (), ("'); DROP TABLE device; --", "jia-yuan")
    for timescaledb in (True, False):
        for community, device in ((COMMUNITIES, keys), (nothing, nothing), (hostile, hostile)):
            for page in pages():
                for query in queries_of(page.content):
                    choices = {"community": community, "device": device, "timescaledb": timescaledb, "search": "号'%"}
                    reader.rows(query, **choices)


def test_every_chart_of_a_field_shows_its_readings(
    owner: psycopg.Connection[Any], reader: Reader, now: datetime
) -> None:
    for kind in KINDS:
        device = add_device(owner, kind.name, "one")
        for step in range(4):
            values = {field.name: value_of(field, step) for field in kind.fields}
            add_reading(owner, kind.name, device, now - HOUR + step * timedelta(minutes=10), values)
        charts = charts_of(kind)
        assert len(charts) == len(kind.fields)
        for title, query in charts.items():
            series = reader.rows(query, device=["jia-yuan/one"])
            assert series, f"{kind.name}: {title} is empty"
            assert all(set(row) == {"time", "metric", "value"} for row in series)
            assert {row["metric"] for row in series} == {"jia-yuan/one 3号楼 2单元 501"}
        owner.execute("DELETE FROM device")


def charts_of(kind: DeviceKind) -> dict[str, str]:
    page = next(page for page in pages() if page.uid == kind_uid(kind))
    return {
        panel["title"]: panel["targets"][0]["rawSql"]
        for panel in page.content["panels"]
        if panel["type"] in {"timeseries", "state-timeline"}
    }


def test_the_role_of_grafana_reads_no_secret_and_writes_nothing(owner: psycopg.Connection[Any], reader: Reader) -> None:
    add_device(owner, "camera", "gate")
    for forbidden in ("SELECT secret_hash FROM device", "SELECT payload FROM rejection", "SELECT * FROM rule_state"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.connection.execute(forbidden)
    for change in ("DELETE FROM event", "UPDATE alert SET title = ''", "INSERT INTO community VALUES ('x')"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.connection.execute(change)


def test_the_grants_may_be_given_twice(owner: psycopg.Connection[Any], reader: Reader) -> None:
    owner.execute(READER.read_bytes())
    assert reader.rows(queries.communities()) == [
        {"__text": "佳园小区", "__value": "jia-yuan"},
        {"__text": "康'庭小区", "__value": "kang-ting"},
    ]


def test_the_fleet_tells_silent_never_heard_and_disconnected_apart(
    owner: psycopg.Connection[Any], reader: Reader, now: datetime
) -> None:
    camera = KIND_BY_NAME["camera"]
    fresh, old = now, now - 4 * camera.reporting_period
    states = {"fine": (fresh, "online"), "silent": (old, None), "gone": (old, "offline"), "born": (None, "online")}
    for name, (last, connection) in states.items():
        add_state(owner, add_device(owner, "camera", name, simulated=name == "fine"), last, connection)
    add_device(owner, "camera", "unheard")
    add_device(owner, "camera", "elsewhere", "kang-ting")
    (row,) = reader.rows(queries.fleet([camera]), community=["jia-yuan"])
    assert row == {
        "类型": "视频监控", "设备总数": 5, "按时上报": 1, "静默": 2, "从未上报": 2, "在线": 2, "离线": 1, "其中模拟": 1,
    }  # fmt: skip
    silent = reader.rows(queries.silent_devices(), community=["jia-yuan"])
    assert {item["设备"] for item in silent} == {"silent", "gone"}
    assert all(item["静默时长"] >= 240 for item in silent)


def test_a_kind_without_devices_has_a_row_of_zeros(reader: Reader) -> None:
    rows = reader.rows(queries.fleet(KINDS))
    assert [row["类型"] for row in rows] == [kind.zh for kind in KINDS]
    assert all(row["设备总数"] == row["从未上报"] == row["静默"] == 0 for row in rows)


def test_open_alerts_are_counted_with_those_of_anju_itself_and_without_ended_ones(
    owner: psycopg.Connection[Any], reader: Reader, now: datetime
) -> None:
    meter = add_device(owner, "water_meter", "w1")
    other = add_device(owner, "water_meter", "w2", "kang-ting")
    add_alert(owner, meter, "water_meter", "critical", now - HOUR)
    add_alert(owner, meter, "water_meter", "warning", now - HOUR, process="ended")
    add_alert(owner, other, "water_meter", "warning", now - HOUR, community="kang-ting")
    add_alert(owner, None, "pipeline", "major", now - HOUR, community=None)
    (row,) = reader.rows(queries.open_alerts(), community=["jia-yuan"])
    assert row == {"紧急": 1, "重要": 1, "一般": 0, "提示": 0, "暂不通知": 0}


def test_an_open_alert_that_is_kept_quiet_is_counted_and_listed_apart(
    owner: psycopg.Connection[Any], reader: Reader, now: datetime
) -> None:
    meter, other = add_device(owner, "water_meter", "w1"), add_device(owner, "water_meter", "w2")
    add_alert(owner, meter, "water_meter", "critical", now - HOUR)
    add_alert(owner, meter, "water_meter", "info", now - HOUR, process="ended")
    add_alert(owner, other, "water_meter", "warning", now - HOUR)
    owner.execute(
        "INSERT INTO silence (id, device_id, starts_at, ends_at, reason, actor, created_at) "
        "VALUES (gen_random_uuid(), %s, now() - interval '1 hour', now() + interval '1 hour', '换表', '王经理', now())",
        (meter,),
    )
    owner.execute(
        "INSERT INTO alert_suppression (alert_id, cause, since, until, detail, actor) "
        "SELECT id, 'shelved', now() - interval '2 hours', now() + interval '2 hours', '等备件', '李师傅' "
        "FROM alert WHERE severity = 'critical'"
    )
    (row,) = reader.rows(queries.open_alerts())
    assert row == {"紧急": 0, "重要": 0, "一般": 1, "提示": 0, "暂不通知": 1}
    assert [item["设备"] for item in reader.rows(queries.alerts())] == ["w2", "w1"]
    assert [(item["原因"], item["原因说明"], item["操作人"]) for item in reader.rows(queries.quiet_alerts())] == [
        ("maintenance", "换表", "王经理"),
        ("shelved", "等备件", "李师傅"),
    ]
    assert len(reader.rows(queries.alerts(KIND_BY_NAME["water_meter"]))) == 3


def test_an_open_alert_stays_listed_however_old_it_is(
    owner: psycopg.Connection[Any], reader: Reader, now: datetime
) -> None:
    meter = add_device(owner, "water_meter", "w1")
    long_ago = now - timedelta(days=90)
    add_alert(owner, meter, "water_meter", "warning", long_ago)
    add_alert(owner, meter, "water_meter", "info", long_ago, process="ended")
    add_alert(owner, meter, "water_meter", "major", now - HOUR, process="ended")
    add_alert(owner, None, "pipeline", "major", now - 2 * HOUR, community=None)
    listed = [(row["级别"], row["类型"], row["小区"]) for row in reader.rows(queries.alerts())]
    assert listed == [
        ("major", "数据接入", "安居系统"),
        ("warning", "水表", "佳园小区"),
        ("major", "水表", "佳园小区"),
    ]
    of_kind = reader.rows(queries.alerts(KIND_BY_NAME["water_meter"]))
    assert [row["级别"] for row in of_kind] == ["warning", "major"]


def test_an_increase_counts_what_was_used_and_not_a_reset(
    owner: psycopg.Connection[Any], reader: Reader, now: datetime
) -> None:
    kind = KIND_BY_NAME["water_meter"]
    meter, other = add_device(owner, "water_meter", "w1"), add_device(owner, "water_meter", "w2")
    for step, volume in enumerate((100.0, 100.5, None, 101.5, 0.0, 0.25)):
        add_reading(owner, "water_meter", meter, now - 6 * HOUR + step * HOUR, {"volume_m3": volume})
        add_reading(owner, "water_meter", other, now - 6 * HOUR + step * HOUR, {"volume_m3": 7.0})
    volume_field = next(field for field in kind.fields if isinstance(field, Counter))
    rows = reader.rows(queries.increase(kind, volume_field), device=["jia-yuan/w1"], interval=HOUR)
    assert [row["value"] for row in rows] == [0.5, 1.0, 0.0, 0.25]
    both = reader.rows(queries.increase(kind, volume_field), device=["jia-yuan/w1", "jia-yuan/w2"], interval=HOUR)
    assert sum(row["value"] for row in both) == 1.75


def test_a_state_is_the_place_of_the_last_choice_in_the_interval(
    owner: psycopg.Connection[Any], reader: Reader, now: datetime
) -> None:
    kind = KIND_BY_NAME["gas_meter"]
    valve = next(field for field in kind.fields if isinstance(field, Choice))
    meter = add_device(owner, "gas_meter", "g1", simulated=True)
    at = now.replace(minute=0, second=0) - 3 * HOUR
    for minutes, value in ((0, "open"), (10, "stuck"), (70, "closed")):
        add_reading(owner, "gas_meter", meter, at + timedelta(minutes=minutes), {valve.name: value})
    rows = reader.rows(queries.state(kind, valve), device=["jia-yuan/g1"], interval=HOUR)
    assert [list(valve.choices)[row["value"] - 1] for row in rows] == ["stuck", "closed"]
    assert {row["metric"] for row in rows} == {"jia-yuan/g1 3号楼 2单元 501（模拟）"}


def test_an_event_reads_in_chinese_and_shows_no_hash(
    owner: psycopg.Connection[Any], reader: Reader, now: datetime
) -> None:
    gate = add_device(owner, "vehicle_gate", "north")
    plate = {"plate_hash": "9f86d081884c7d659a2feaa0c55ad015", "plate_masked": "蒙K·A**34"}
    add_event(owner, gate, now - HOUR, "vehicle_passed", plate | {"direction": "in", "recognised": True})
    charger = add_device(owner, "ev_charger", "p1")
    add_event(owner, charger, now - HOUR, "session_stopped", {"energy_kwh": 12.5, "reason": "finished"})
    (row,) = reader.rows(queries.events(KIND_BY_NAME["vehicle_gate"]), device=["jia-yuan/north"])
    assert row["内容"] == "车牌：蒙K·A**34，方向：进，识别成功：是"
    assert row["事件"] == "vehicle_passed"
    (row,) = reader.rows(queries.events(KIND_BY_NAME["ev_charger"]), device=["jia-yuan/p1"])
    assert row["内容"] == "本次电量：12.5 kWh，结束原因：finished"


def test_rejections_from_an_unknown_community_are_never_filtered_out(
    owner: psycopg.Connection[Any], reader: Reader, now: datetime
) -> None:
    hour = now.replace(minute=0, second=0)
    for community, reason, count in (
        ("jia-yuan", "bad_json", 3), ("kang-ting", "bad_json", 50), ("", "bad_topic", 4), ("nowhere", "bad_topic", 5),
    ):  # fmt: skip
        owner.execute(
            "INSERT INTO rejection_count (hour, community, kind, reason, count) VALUES (%s, %s, '', %s, %s)",
            (hour, community, reason, count),
        )
    rows = reader.rows(queries.rejections(), community=["jia-yuan"], interval=HOUR)
    assert {row["metric"]: row["value"] for row in rows} == {"JSON 错误": 3, "主题错误": 9}


def test_readings_are_counted_a_minute_whatever_the_interval(
    owner: psycopg.Connection[Any], reader: Reader, now: datetime
) -> None:
    camera = add_device(owner, "camera", "c1")
    at = now.replace(minute=0, second=0) - 2 * HOUR
    for second in range(0, 300, 10):
        add_reading(owner, "camera", camera, at + timedelta(seconds=second), {"temperature_c": 20.0})
    for interval in (timedelta(minutes=1), timedelta(minutes=5)):
        rows = reader.rows(queries.readings_per_minute(), interval=interval)
        assert {(row["metric"], row["value"]) for row in rows} == {("视频监控", 6)}


def test_the_list_of_devices_narrows_to_what_was_typed(owner: psycopg.Connection[Any], reader: Reader) -> None:
    for name, community in (("w1", "jia-yuan"), ("w2", "jia-yuan"), ("w3", "kang-ting")):
        add_device(owner, "water_meter", name, community)
    add_device(owner, "camera", "w4")
    options = queries.devices(KIND_BY_NAME["water_meter"])
    assert [row["__value"] for row in reader.rows(options)] == ["jia-yuan/w1", "jia-yuan/w2", "kang-ting/w3"]
    assert [row["__value"] for row in reader.rows(options, community=["kang-ting"])] == ["kang-ting/w3"]
    assert [row["__value"] for row in reader.rows(options, search="W2")] == ["jia-yuan/w2"]
    assert len(reader.rows(options, search="3号楼 2单元")) == 3
