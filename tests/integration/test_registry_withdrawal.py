"""A household or device that was withdrawn is counted no more, keeps its history, and returns with an import."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from acceptance.run import run_verification
from devices.device import Service
from imports.importer import import_rows
from imports.tables import ImportRefusedError
from store.database import Connection, connect
from store.registry.communities import count_devices, count_households, has_building
from store.registry.devices import DeviceFilter, find_device, list_devices
from store.registry.registry import load_devices
from store.registry.secrets import UnknownUsernameError, rotate_secret
from store.registry.version import registry_version
from store.registry.withdraw import WithdrawalRefusedError, withdraw_device, withdraw_household
from store.telemetry.write import ReadingRow, insert_readings

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
COMMUNITY = {"community": "yg", "name": "阳光小区", "banner": "东胜区", "street": "天骄街道"}
HOUSEHOLDS = [{"community": "yg", "building": "3", "unit": "2", "room": room} for room in ("501", "502")]
DEVICES = [
    {"community": "yg", "device": "gw3", "kind": "gateway", "building": "4"},
    {**HOUSEHOLDS[0], "device": "w501", "kind": "water_meter", "gateway": "gw3", "service": "停用"},
    {**HOUSEHOLDS[1], "device": "w502", "kind": "water_meter"},
]
WITHOUT_SERVICE = [{name: value for name, value in row.items() if name != "service"} for row in DEVICES]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application_name="test") as opened:
        import_rows(opened, [COMMUNITY], HOUSEHOLDS, DEVICES)
        opened.commit()
        yield opened


def names(connection: Connection, **conditions: object) -> list[str]:
    return [row.name for row in list_devices(connection, DeviceFilter(**conditions), None, 10)]


def verified_households(connection: Connection) -> tuple[int, int]:
    """Return the households and the devices that a verification counts."""
    connection.rollback()
    start = NOW - timedelta(days=7)
    report = run_verification(connection, "yg", start, NOW, include_simulated=True, generated_at=NOW)
    return len(report.matrix.cells), len(report.devices)


def test_a_withdrawn_device_is_counted_nowhere_and_its_history_stays(connection):
    device_id = find_device(connection, "yg", "w501").id
    insert_readings(connection, {"water_meter": [ReadingRow(device_id, NOW, NOW, {"volume_m3": 1.0})]})
    version = registry_version(connection)
    assert withdraw_device(connection, "yg", "w501", NOW) == "yg/water_meter/w501"
    assert registry_version(connection) == version + 1
    assert [(each.kind, each.total) for each in count_devices(connection, "yg")] == [("gateway", 1), ("water_meter", 1)]
    assert sum(each.never_heard for each in count_devices(connection)) == 2
    assert names(connection) == ["gw3", "w502"]
    assert names(connection, withdrawn=True) == ["w501"]
    assert find_device(connection, "yg", "w501").withdrawn_at == NOW
    assert {each.name: each.service for each in load_devices(connection)}["w501"] is Service.WITHDRAWN
    assert connection.execute("SELECT count(*) FROM telemetry_water_meter").fetchone() == (1,)
    with pytest.raises(UnknownUsernameError):
        rotate_secret(connection, "yg/water_meter/w501")


def test_a_withdrawn_household_leaves_the_denominators(connection):
    withdraw_device(connection, "yg", "w501", NOW)
    withdraw_household(connection, ("yg", "3", "2", "501"), NOW)
    assert count_households(connection, "yg") == 1
    connection.commit()
    assert verified_households(connection) == (1, 2)


def test_a_building_without_anything_registered_is_none(connection):
    assert has_building(connection, "yg", "4")
    withdraw_device(connection, "yg", "w501", NOW)
    withdraw_device(connection, "yg", "gw3", NOW)
    assert not has_building(connection, "yg", "4")
    assert has_building(connection, "yg", "3")


@pytest.mark.parametrize("rows", [DEVICES, WITHOUT_SERVICE], ids=["with service", "without service"])
def test_an_import_registers_again_what_was_withdrawn_as_it_was(connection, rows):
    before = find_device(connection, "yg", "w501")
    withdraw_device(connection, "yg", "w501", NOW)
    withdraw_household(connection, ("yg", "3", "2", "501"), NOW)
    result = import_rows(connection, [], HOUSEHOLDS, rows)
    assert [(counts.created, counts.changed) for counts in (result.households, result.devices)] == [(0, 1), (0, 1)]
    assert find_device(connection, "yg", "w501") == before
    assert {each.name: each.service for each in load_devices(connection)}["w501"] is Service.OUT_OF_SERVICE
    assert count_households(connection, "yg") == 2
    again = import_rows(connection, [], HOUSEHOLDS, rows)
    assert (again.changed_anything, again.devices.unchanged) == (False, 3)


def test_a_gateway_is_withdrawn_after_the_devices_behind_it(connection):
    with pytest.raises(WithdrawalRefusedError, match="还有设备通过网关 gw3 上传：w501"):
        withdraw_device(connection, "yg", "gw3", NOW)
    withdraw_device(connection, "yg", "w501", NOW)
    withdraw_device(connection, "yg", "gw3", NOW)
    with pytest.raises(ImportRefusedError, match="没有网关 gw3"):
        import_rows(connection, [], [], [DEVICES[1]])


def test_a_household_is_withdrawn_after_its_devices(connection):
    with pytest.raises(WithdrawalRefusedError, match="3号楼2单元501室 还有设备：w501"):
        withdraw_household(connection, ("yg", "3", "2", "501"), NOW)
    withdraw_device(connection, "yg", "w501", NOW)
    withdraw_household(connection, ("yg", "3", "2", "501"), NOW)
    with pytest.raises(ImportRefusedError, match="没有登记住户"):
        import_rows(connection, [], [], [DEVICES[0], DEVICES[1]])


def test_what_is_not_registered_cannot_be_withdrawn_and_nothing_is_withdrawn_twice(connection):
    with pytest.raises(WithdrawalRefusedError, match="没有登记设备 w9"):
        withdraw_device(connection, "yg", "w9", NOW)
    with pytest.raises(WithdrawalRefusedError, match="房号“503”"):
        withdraw_household(connection, ("yg", "3", "2", "503"), NOW)
    withdraw_device(connection, "yg", "w502", NOW)
    with pytest.raises(WithdrawalRefusedError, match="已经注销"):
        withdraw_device(connection, "yg", "w502", NOW)


def test_a_room_that_a_spreadsheet_damaged_long_ago_can_be_withdrawn(connection):
    connection.execute("INSERT INTO household (community, building, unit, room) VALUES ('yg', '3', '2', '#N/A')")
    assert count_households(connection, "yg") == 3
    withdraw_household(connection, ("yg", "3", "2", "#N/A"), NOW)
    assert count_households(connection, "yg") == 2
