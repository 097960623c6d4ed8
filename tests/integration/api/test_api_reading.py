"""Communities, devices and events over the API."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from store.admin.locks import PartitionReport, save_partition_report
from store.registry.upsert import TableRows
from store.registry.withdraw import withdraw_device
from store.telemetry.device_state import DeviceStateChange, save_device_states
from store.telemetry.write_events import ConnectionRow, record_connections

NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)  # in Shanghai
HOUR = timedelta(hours=1)

few_examples = examples(15)


def test_a_community_is_read_with_its_counts(api: Any, community: Any) -> None:
    rooms = [(community.id, "3", "2", "501"), (community.id, "3", "2", "502")]
    community.register(households=TableRows(("community", "building", "unit", "room"), rooms))
    meter = community.device("meter", "electricity_meter")
    community.device("simulated", "electricity_meter", simulated=True)
    community.device("door", "access_control")
    community.alert(meter, severity="critical")
    community.end(community.alert(meter, severity="critical"), NOON)

    result = api.get(f"/communities/{community.id}").raise_for_status().json()

    assert (result["name"], result["banner"], result["households"]) == ("金河苑", "东胜区", 2)
    states = {"reporting": 0, "silent": 0, "out_of_service": 0}
    assert result["devices"] == [
        {"kind": "access_control", "kind_zh": "门禁", "total": 1, "simulated": 0, "never_heard": 1, **states},
        {"kind": "electricity_meter", "kind_zh": "电表", "total": 2, "simulated": 1, "never_heard": 2, **states},
    ]
    assert result["open_alerts"] == {"info": 0, "warning": 0, "major": 0, "critical": 1}


def _heard(community: Any, device_id: int, seen: timedelta, fresh: timedelta | None = None) -> None:
    """Store that the newest message of a device came `seen` ago, and its newest fresh telemetry `fresh` ago."""
    now = datetime.now(UTC)
    at = None if fresh is None else now - fresh
    save_device_states(community.connection, [DeviceStateChange(device_id, now - seen, at, at, {}, {})])


MINUTE = timedelta(minutes=1)


def test_devices_are_counted_by_what_is_heard_of_them(api: Any, community: Any) -> None:
    """Cameras of the demo, silent for 13 minutes, had been `online`, and no meter ever was."""
    now = datetime.now(UTC)
    for number in range(7):
        camera = community.device(f"silent-{number}", "camera")
        _heard(community, camera, 13 * MINUTE, 13 * MINUTE)
        record_connections(community.connection, [ConnectionRow(camera, now, now, "online")])
    _heard(community, status_only := community.device("status", "camera"), MINUTE)
    record_connections(community.connection, [ConnectionRow(status_only, now, now, "online")])
    _heard(community, community.device("reporting", "camera"), MINUTE, MINUTE)
    _heard(community, community.device("just-in-time", "camera"), MINUTE, 2.9 * MINUTE)
    community.device("unheard", "camera")
    for service in ("out_of_service", "commissioning", "retired"):
        _heard(community, community.device(service, "camera", service=service), MINUTE, MINUTE)
    for number, kind in enumerate(["electricity_meter", "water_meter"]):
        _heard(community, community.device(f"m{number}", kind), 40 * MINUTE, 40 * MINUTE)
        _heard(community, community.device(f"event-{number}", kind), MINUTE)
    community.connection.commit()

    counts = {each["kind"]: each for each in api.get(f"/communities/{community.id}").json()["devices"]}

    def states(kind: str) -> tuple[int, ...]:
        return tuple(counts[kind][state] for state in ("reporting", "silent", "never_heard", "out_of_service"))

    assert states("camera") == (2, 8, 1, 3)
    assert states("electricity_meter") == states("water_meter") == (1, 1, 0, 0)
    assert all(sum(states(kind)) == counts[kind]["total"] for kind in counts)
    assert "online" not in counts["camera"]
    silent = {
        device["device"] for device in api.items("/devices", community=community.id, kind="camera", state="silent")
    }
    assert silent == {"status", *(f"silent-{number}" for number in range(7))}
    device = api.get(f"/devices/{community.id}/silent-0").json()
    assert (device["state"], device["state_zh"], device["connection"]) == ("silent", "没有数据", "online")


def test_no_device_falls_silent_while_ingest_is_away(
    new_database: Any, start_api: Callable[[str], Any], community_in: Callable[[str], Any]
) -> None:
    with new_database() as url:
        api = start_api(url)
        with community_in(url) as community:
            _heard(community, community.device("c1", "camera"), HOUR, HOUR)
            _heard(community, community.device("c2", "camera"), 2 * HOUR, 2 * HOUR)
            an_hour_ago = datetime.now(UTC) - HOUR
            report = PartitionReport(
                partition=0, host="h", pid=1, owner_since=an_hour_ago, committed_at=an_hour_ago, caught_up=False,
                caught_up_at=an_hour_ago, buffered=0,
            )  # fmt: skip
            save_partition_report(community.connection, report)
            community.connection.commit()
            (count,) = api.get(f"/communities/{community.id}").json()["devices"]
        api.stop()
    assert (count["reporting"], count["silent"]) == (1, 1)


def test_every_community_is_listed(api: Any, community: Any) -> None:
    listed = api.items("/communities", limit=1)
    ids = [item["id"] for item in listed]
    assert community.id in ids
    assert ids == sorted(set(ids))


def test_a_device_shows_its_last_values_with_unit_and_chinese_label(api: Any, community: Any) -> None:
    device_id = community.device("c1", "ev_charger", building="3", unit="2", room="501", simulated=True)
    values: dict[str, float | bool | str] = {"power_kw": 6.9, "status": "charging"}
    save_device_states(community.connection, [DeviceStateChange(device_id, NOON + HOUR, NOON + HOUR, NOON, values, {})])
    record_connections(community.connection, [ConnectionRow(device_id, NOON, NOON, "offline")])
    community.connection.commit()

    result = api.get(f"/devices/{community.id}/c1").raise_for_status().json()

    assert result["place"] == "3号楼2单元501室"
    assert result["simulated"] is True
    assert (result["connection"], result["connection_zh"]) == ("offline", "离线")
    assert (result["last_seen"], result["last_ts"]) == ("2026-07-01T05:00:00Z", "2026-07-01T04:00:00Z")
    status, power = result["values"]
    assert (status["field"], status["value"], status["value_zh"], status["unit"]) == (
        "status",
        "charging",
        "充电中",
        None,
    )
    assert (power["field"], power["value"], power["unit"], power["zh"]) == ("power_kw", 6.9, "kW", "充电功率")
    assert "secret_hash" not in result


def test_a_device_without_data_has_no_state(api: Any, community: Any) -> None:
    community.device("new", "water_meter")
    result = api.get(f"/devices/{community.id}/new").raise_for_status().json()
    assert (result["connection"], result["last_seen"], result["values"]) == ("unknown", None, [])


def test_a_withdrawn_device_leaves_the_list_and_the_counts_and_can_still_be_read(api: Any, community: Any) -> None:
    for name in ("kept", "gone"):
        community.device(name, "camera")
    withdraw_device(community.connection, community.id, "gone", NOON)
    community.connection.commit()

    def listed(**query: Any) -> list[str]:
        page = api.get("/devices", community=community.id, **query).raise_for_status().json()
        return [item["device"] for item in page["items"]]

    assert listed() == ["kept"]
    assert listed(withdrawn=True) == ["gone"]
    assert api.get(f"/communities/{community.id}").json()["devices"][0]["total"] == 1
    device = api.get(f"/devices/{community.id}/gone").raise_for_status().json()
    assert datetime.fromisoformat(device["withdrawn_at"]) == NOON
    assert api.get(f"/devices/{community.id}/kept").json()["withdrawn_at"] is None


def test_filters_of_devices_are_joined_by_and(api: Any, community: Any) -> None:
    online = community.device("a", "water_meter", building="1")
    record_connections(community.connection, [ConnectionRow(online, NOON, NOON, "online")])
    community.connection.commit()
    community.device("b", "water_meter", building="2", simulated=True)
    community.device("c", "gas_meter", building="1")

    def names(**query: Any) -> list[str]:
        return [item["device"] for item in api.items("/devices", community=community.id, **query)]

    assert names() == ["a", "b", "c"]
    assert names(kind="water_meter") == ["a", "b"]
    assert names(building="1") == ["a", "c"]
    assert names(building="1", kind="water_meter") == ["a"]
    assert names(connection="online") == ["a"]
    assert names(connection="unknown") == ["b", "c"]
    assert names(simulated=True) == ["b"]


@few_examples
@given(names=st.sets(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True), max_size=12), size=st.integers(1, 13))
def test_paging_gives_each_device_once_whatever_the_page_size(
    api: Any, make_community: Any, names: set[str], size: int
) -> None:
    with make_community() as community:
        facts = [(community.id, name, "water_meter") for name in names]
        community.register(devices=TableRows(("community", "name", "kind"), facts))
        listed = [item["device"] for item in api.items("/devices", community=community.id, limit=size)]
    assert len(listed) == len(names)
    assert set(listed) == names


@few_examples
@given(
    keys=st.sets(
        st.tuples(st.integers(0, 3), st.sampled_from(["door_opened", "door_closed"]), st.text("ab", max_size=2))
    ),
    size=st.integers(1, 8),
)
def test_paging_gives_each_event_once_though_many_share_an_instant(
    api: Any, make_community: Any, keys: set[tuple[int, str, str]], size: int
) -> None:
    with make_community() as community:
        door = community.device("door", "access_control")
        for minute, event, identifier in keys:
            community.event(door, NOON + timedelta(minutes=minute), event, identifier)
        listed = api.items(f"/devices/{community.id}/door/events", limit=size)
    result = [(item["ts"], item["event"], item["id"]) for item in listed]
    assert result == sorted(result, reverse=True)
    assert set(result) == {(f"2026-07-01T04:0{minute}:00Z", event, identifier) for minute, event, identifier in keys}


def test_events_come_newest_first_with_chinese_names(api: Any, community: Any) -> None:
    door = community.device("door", "access_control", simulated=True)
    community.event(door, NOON, "unlocked", method="card", user_masked="张**", user_hash="ab12")
    community.event(door, NOON + HOUR, "door_forced", "e2")
    record_connections(community.connection, [ConnectionRow(door, NOON + 2 * HOUR, NOON + 2 * HOUR, "online")])
    community.connection.commit()

    result = api.items(f"/devices/{community.id}/door/events")
    assert [(item["event"], item["zh"]) for item in result] == [
        ("online", "上线"), ("door_forced", "强行开门"), ("unlocked", "开门"),
    ]  # fmt: skip
    assert result[2]["data"] == {"method": "card", "user_masked": "张**", "user_hash": "ab12"}
    assert all(item["simulated"] for item in result)

    path = f"/devices/{community.id}/door/events"
    assert [item["id"] for item in api.items(path, event="door_forced")] == ["e2"]
    between = api.items(path, start="2026-07-01T13:00:00+08:00", end="2026-07-01T14:00:00+08:00")
    assert [item["id"] for item in between] == ["e2"]


@pytest.mark.parametrize(
    "path", ["/devices/{}/absent", "/devices/{}/absent/events", "/devices/{}/absent/telemetry", "/communities/x{}"]
)
def test_an_unknown_object_is_not_found(api: Any, community: Any, path: str) -> None:
    answer = api.get(path.format(community.id))
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "not-found"


def test_a_cursor_of_another_list_is_refused(api: Any, community: Any) -> None:
    community.device("a", "water_meter")
    community.device("b", "water_meter")
    cursor = api.get("/devices", community=community.id, limit=1).json()["next_cursor"]
    for path, wrong in [("/communities", cursor), ("/devices", "nonsense"), ("/devices", cursor[:-4])]:
        answer = api.get(path, cursor=wrong)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["loc"] == ["query", "cursor"]
