"""All queries of all dashboards on a real database, and the lists of devices."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from devices.catalogue import KIND_BY_NAME, KINDS
from grafana import queries
from grafana.pages import pages


def queries_of(content: Mapping[str, Any]) -> list[str]:
    targets = [target for panel in content["panels"] for target in panel.get("targets", [])]
    return [target["rawSql"] for target in targets] + [item["query"] for item in content["templating"]["list"]]


def test_every_query_runs_with_the_rights_that_grafana_has(communities, reader, now):
    names = [f"{kind.name}-1".replace("_", "-") for kind in KINDS]
    for kind, name in zip(KINDS, names, strict=True):
        communities.add_every_field(kind, name, now)
    keys = [f"jia-yuan/{name}" for name in names]
    nothing, hostile = (), ("'); DROP TABLE device; --", "jia-yuan")
    for timescaledb in (True, False):
        for community, device in ((reader.view.community, keys), (nothing, nothing), (hostile, hostile)):
            for page in pages():
                for query in queries_of(page.content):
                    choices = {"community": community, "device": device, "timescaledb": timescaledb, "search": "号'%"}
                    reader.rows(query, **choices)


def test_the_role_of_grafana_reads_no_secret_and_writes_nothing(communities, reader):
    communities.add_device("camera", "gate")
    for forbidden in ("SELECT secret_hash FROM device", "SELECT payload FROM rejection", "SELECT * FROM rule_state"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.connection.execute(forbidden)
    for change in ("DELETE FROM event", "UPDATE alert SET title = ''", "INSERT INTO community VALUES ('x')"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.connection.execute(change)


def test_the_grants_may_be_given_twice(communities, reader):
    communities.let_grafana_read()
    assert reader.rows(queries.communities()) == [
        {"__text": "佳园小区", "__value": "jia-yuan"},
        {"__text": "康'庭小区", "__value": "kang-ting"},
    ]


def test_the_fleet_is_counted_by_what_is_heard_of_it_and_not_by_connections(communities, reader, now):
    camera = KIND_BY_NAME["camera"]
    fresh, old = now, now - 4 * camera.reporting_period
    states = {"fine": (fresh, "offline"), "no-data": (old, "online"), "gone": (old, "offline")}
    states["status"] = None, "online"
    for name, (last, connection) in states.items():
        communities.add_state(communities.add_device("camera", name, simulated=name == "fine"), last, connection)
    for service in ("out_of_service", "commissioning", "retired"):
        communities.add_state(device := communities.add_device("camera", service), fresh, "online")
        communities.execute("UPDATE device SET service = %s WHERE id = %s", (service, device))
    communities.add_device("camera", "unheard")
    communities.add_device("camera", "elsewhere", "kang-ting")
    (row,) = reader.rows(queries.fleet([camera]), community=["jia-yuan"])
    assert row == {
        "类型": "视频监控", "设备总数": 8, "其中模拟": 1, "按时上报": 1, "没有数据": 3, "从未上报": 1, "不在用": 3,
    }  # fmt: skip
    without_data = reader.rows(queries.devices_without_data(), community=["jia-yuan"])
    assert [item["设备"] for item in without_data] == ["no-data", "gone", "status"]
    assert all(item["没有数据时长"] >= 240 for item in without_data[:2])


def test_no_device_falls_silent_while_ingest_is_behind(communities, reader, now):
    camera = KIND_BY_NAME["camera"]
    an_hour_ago = now - timedelta(hours=1)
    communities.add_state(communities.add_device("camera", "c1"), an_hour_ago, None)
    communities.execute(
        "INSERT INTO partition_report (partition, host, pid, owner_since, committed_at, live, present_at, buffered) "
        "VALUES (0, 'h', 1, %(at)s, %(at)s, false, %(at)s, 0)",
        {"at": an_hour_ago},
    )
    (row,) = reader.rows(queries.fleet([camera]), community=["jia-yuan"])
    assert (row["按时上报"], row["没有数据"]) == (1, 0)
    assert reader.rows(queries.devices_without_data(), community=["jia-yuan"]) == []


def test_a_withdrawn_device_is_on_no_dashboard(communities, reader, now):
    camera = KIND_BY_NAME["camera"]
    for name in ("kept", "withdrawn"):
        communities.add_state(communities.add_device("camera", name), now - 4 * camera.reporting_period, None)
    communities.execute("UPDATE device SET withdrawn_at = now() WHERE name = 'withdrawn'")
    (row,) = reader.rows(queries.fleet([camera]), community=["jia-yuan"])
    assert (row["设备总数"], row["没有数据"]) == (1, 1)
    assert [item["设备"] for item in reader.rows(queries.devices_without_data())] == ["kept"]
    options = reader.rows(queries.devices(camera))
    assert [item["__value"] for item in options] == ["jia-yuan/kept"]


def test_a_kind_without_devices_has_a_row_of_zeros(reader):
    rows = reader.rows(queries.fleet(KINDS))
    assert [row["类型"] for row in rows] == [kind.zh for kind in KINDS]
    assert all(row["设备总数"] == row["从未上报"] == row["没有数据"] == 0 for row in rows)


def test_the_list_of_devices_is_filtered_by_the_typed_text(communities, reader):
    for name, community in (("w1", "jia-yuan"), ("w2", "jia-yuan"), ("w3", "kang-ting")):
        communities.add_device("water_meter", name, community)
    communities.add_device("camera", "w4")
    options = queries.devices(KIND_BY_NAME["water_meter"])
    assert [row["__value"] for row in reader.rows(options)] == ["jia-yuan/w1", "jia-yuan/w2", "kang-ting/w3"]
    assert [row["__value"] for row in reader.rows(options, community=["kang-ting"])] == ["kang-ting/w3"]
    assert [row["__value"] for row in reader.rows(options, search="W2")] == ["jia-yuan/w2"]
    assert len(reader.rows(options, search="3号楼2单元")) == 3
