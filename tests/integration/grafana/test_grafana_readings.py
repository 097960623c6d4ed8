"""Queries about readings, events and rejections."""

from datetime import timedelta

from devices.catalogue import KIND_BY_NAME, KINDS
from devices.kind import Choice, Counter, DeviceKind
from grafana import queries
from grafana.pages import kind_uid, pages

HOUR = timedelta(hours=1)


def test_every_chart_of_a_field_shows_its_readings(communities, reader, now):
    for kind in KINDS:
        communities.add_every_field(kind, "one", now)
        charts = charts_of(kind)
        assert len(charts) == len(kind.fields)
        for title, query in charts.items():
            series = reader.rows(query, device=["jia-yuan/one"])
            assert series, f"{kind.name}: {title} is empty"
            assert all(set(row) == {"time", "metric", "value"} for row in series)
            assert {row["metric"] for row in series} == {"佳园小区 3号楼2单元501室（one）"}
        communities.execute("DELETE FROM device")


def charts_of(kind: DeviceKind) -> dict[str, str]:
    page = next(page for page in pages() if page.uid == kind_uid(kind))
    return {
        panel["title"]: panel["targets"][0]["rawSql"]
        for panel in page.content["panels"]
        if panel["type"] in {"timeseries", "state-timeline"}
    }


def test_an_increase_counts_consumption_and_not_a_reset(communities, reader, now):
    kind = KIND_BY_NAME["water_meter"]
    meter, other = communities.add_device("water_meter", "w1"), communities.add_device("water_meter", "w2")
    first = now.replace(minute=0, second=0) - 8 * HOUR
    for step, volume in enumerate((100.0, 100.5, None, 101.5, 0.0, 0.25, 0.5)):
        communities.add_reading("water_meter", meter, first + step * HOUR, {"volume_m3": volume})
        communities.add_reading("water_meter", other, first + step * HOUR, {"volume_m3": 7.0})
    volume_field = next(field for field in kind.fields if isinstance(field, Counter))
    rows = reader.rows(queries.increase(kind, volume_field), device=["jia-yuan/w1"], interval=HOUR)
    assert [row["value"] for row in rows] == [0.5, 0.5, 0.5, 0.25, 0.25]
    assert [row["time"] - first for row in rows] == [step * HOUR for step in (0, 1, 2, 4, 5)]
    both = reader.rows(queries.increase(kind, volume_field), device=["jia-yuan/w1", "jia-yuan/w2"], interval=HOUR)
    assert sum(row["value"] for row in both) == 2.0


def test_an_increase_goes_on_across_a_recorded_replacement(communities, reader, now):
    kind = KIND_BY_NAME["water_meter"]
    meter = communities.add_device("water_meter", "w1")
    first = now.replace(minute=0, second=0) - 8 * HOUR
    for hours, volume in ((0, 812.4), (1, 812.5), (2, 0.2)):
        communities.add_reading("water_meter", meter, first + hours * HOUR, {"volume_m3": volume})
    communities.execute(
        "INSERT INTO meter_replacement (device_id, field, at, old_register, new_register, actor, recorded_at)"
        " VALUES (%s, 'volume_m3', %s, 812.6, 0, '王师傅', now())",
        (meter, first + 1.5 * HOUR),
    )
    volume_field = next(field for field in kind.fields if isinstance(field, Counter))
    rows = reader.rows(queries.increase(kind, volume_field), device=["jia-yuan/w1"], interval=HOUR)
    assert [row["value"] for row in rows] == [0.1, 0.3]


def test_a_state_is_the_place_of_the_last_choice_in_the_interval(communities, reader, now):
    kind = KIND_BY_NAME["gas_meter"]
    valve = next(field for field in kind.fields if isinstance(field, Choice))
    meter = communities.add_device("gas_meter", "g1", simulated=True)
    at = now.replace(minute=0, second=0) - 3 * HOUR
    for minutes, value in ((0, "open"), (10, "stuck"), (70, "closed")):
        communities.add_reading("gas_meter", meter, at + timedelta(minutes=minutes), {valve.name: value})
    rows = reader.rows(queries.state(kind, valve), device=["jia-yuan/g1"], interval=HOUR)
    assert [list(valve.choices)[row["value"] - 1] for row in rows] == ["stuck", "closed"]
    assert {row["metric"] for row in rows} == {"佳园小区 3号楼2单元501室（g1，模拟）"}


def test_an_event_reads_in_chinese_and_shows_no_hash(communities, reader, now):
    gate = communities.add_device("vehicle_gate", "north")
    plate = {"plate_hash": "9f86d081884c7d659a2feaa0c55ad015", "plate_masked": "蒙K·****4"}
    communities.add_event(gate, now - HOUR, "vehicle_passed", plate | {"direction": "in", "recognised": True})
    charger = communities.add_device("ev_charger", "p1")
    communities.add_event(charger, now - HOUR, "session_stopped", {"energy_kwh": 12.5, "reason": "finished"})
    (row,) = reader.rows(queries.events(KIND_BY_NAME["vehicle_gate"]), device=["jia-yuan/north"])
    assert row["内容"] == "车牌：蒙K·****4，方向：进，识别成功：是"
    assert row["事件"] == "vehicle_passed"
    (row,) = reader.rows(queries.events(KIND_BY_NAME["ev_charger"]), device=["jia-yuan/p1"])
    assert row["内容"] == "本次电量：12.5 kWh，结束原因：finished"


def test_rejections_from_an_unknown_community_are_never_filtered_out(communities, reader, now):
    hour = now.replace(minute=0, second=0)
    for community, reason, count in (
        ("jia-yuan", "bad_json", 3), ("kang-ting", "bad_json", 50), ("", "bad_topic", 4), ("nowhere", "bad_topic", 5),
    ):  # fmt: skip
        communities.execute(
            "INSERT INTO rejection_count (hour, community, kind, reason, count) VALUES (%s, %s, '', %s, %s)",
            (hour, community, reason, count),
        )
    rows = reader.rows(queries.rejections(), community=["jia-yuan"], interval=HOUR)
    assert {row["metric"]: row["value"] for row in rows} == {"内容不是有效的 JSON": 3, "主题不对": 9}


def test_readings_are_counted_per_minute_for_every_interval(communities, reader, now):
    camera = communities.add_device("camera", "c1")
    at = now.replace(minute=0, second=0) - 2 * HOUR
    for second in range(0, 300, 10):
        communities.add_reading("camera", camera, at + timedelta(seconds=second), {"temperature_c": 20.0})
    for interval in (timedelta(minutes=1), timedelta(minutes=5)):
        rows = reader.rows(queries.readings_per_minute(), interval=interval)
        assert {(row["metric"], row["value"]) for row in rows} == {("视频监控", 6)}
