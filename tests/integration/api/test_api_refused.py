"""A bad field costs no other, and a device shows what was refused: broker, ingest, API and CLI together."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cli import invoke
from patience import eventually, patient
from running import epoch_ms, event, forget_session, query, reading, register, running_ingest
from simulators.publisher import Publisher

COMMUNITY = "juke"
DEVICES = [
    ("ebike", "ebike_charger"),
    ("gas", "gas_meter"),
    ("e1", "electricity_meter"),
    ("refused", "water_meter"),
    ("gate", "vehicle_gate"),
    ("g1", "gateway"),
    ("child", "water_meter", "g1"),
]
PLATE = "蒙KA1234"


class Installation:
    """Broker, ingest and API with the devices above."""

    def __init__(self, api: Any, publish_url: str, database_url: str) -> None:
        self.api = api
        self.database_url = database_url
        self._publish_url = publish_url

    def send(self, *messages: tuple[str, bytes]) -> None:
        """Publish under `kind/device/channel`, and wait until ingest has written all of it."""
        with Publisher(self._publish_url) as out:
            for topic, payload in messages:
                out.publish(f"anju/v1/{COMMUNITY}/{topic}", payload)
            out.publish(f"anju/v1/{COMMUNITY}/gas_meter/gas/event", event(marker := epoch_ms(), "cover_opened"))
            out.flush(patient(20))
        statement = "SELECT 1 FROM event WHERE event = 'cover_opened' AND ts = to_timestamp(%s / 1000.0)"
        eventually(lambda: query(self.database_url, statement, marker))

    def device(self, name: str) -> Any:
        return self.api.get(f"/devices/{COMMUNITY}/{name}").raise_for_status().json()

    def values(self, name: str) -> dict[str, tuple[Any, int]]:
        """Return value and time in milliseconds by field."""
        return {each["field"]: (each["value"], _ms(each["ts"])) for each in self.device(name)["values"]}

    def rejections(self, name: str, **filters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.api.items(f"/devices/{COMMUNITY}/{name}/rejections", **filters)
        return found


def _ms(instant: str) -> int:
    return epoch_ms(datetime.fromisoformat(instant).timestamp())


@pytest.fixture
def installation(
    services: Any, database_url: str, start_api: Callable[[str], Any], tmp_path: Path
) -> Iterator[Installation]:
    register(database_url, COMMUNITY, DEVICES)
    forget_session(services)
    with running_ingest(database_url, services.mqtt_url, tmp_path):
        yield Installation(start_api(database_url), services.publish_mqtt_url, database_url)


def test_smoke_and_a_leak_raise_alerts_beside_refused_fields(installation: Installation) -> None:
    now = epoch_ms()
    installation.send(
        ("ebike_charger/ebike/telemetry", reading(now, smoke=True, battery_temperature_c=999)),
        ("gas_meter/gas/event", json.dumps({"id": None, "ts": now, "event": "gas_leak", "data": {"x": 1}}).encode()),
    )
    raised = eventually(lambda: _at_least(2, installation.api.items("/alerts", community=COMMUNITY, state="open")))
    assert {"ebike", "gas"} <= {alert["device"] for alert in raised}
    (field,) = installation.rejections("ebike")
    assert (field["reason"], field["reason_zh"], field["times"]) == ("impossible_value", "数值超出可能的范围", 1)
    assert field["detail"] == "values.battery_temperature_c must be a number from -50 to 400 ℃"
    assert json.loads(field["payload"])["values"] == {"smoke": True, "battery_temperature_c": 999}
    assert installation.values("ebike") == {"smoke": (True, now)}
    (data,) = installation.rejections("gas")
    assert data["reason"] == "unknown_field"


def _at_least(count: int, items: list[Any]) -> list[Any] | None:
    return items if len(items) >= count else None


def test_a_device_shows_the_newest_value_of_each_field_with_its_own_time(installation: Installation) -> None:
    now = epoch_ms()
    topic = "electricity_meter/e1/telemetry"
    installation.send((topic, reading(now, energy_kwh=100)), (topic, reading(now, voltage_v=275)))
    assert installation.values("e1") == {"energy_kwh": (100, now), "voltage_v": (275, now)}
    installation.send((topic, reading(now - 60_000, current_a=3.5, voltage_v=229)), (topic, reading(now, voltage_v=1)))
    assert installation.values("e1") == {
        "energy_kwh": (100, now),
        "voltage_v": (275, now),
        "current_a": (3.5, now - 60_000),
    }
    installation.send((topic, reading(now + 1000, power_w=7)))
    assert installation.values("e1") == {
        "energy_kwh": (100, now),
        "voltage_v": (275, now),
        "current_a": (3.5, now - 60_000),
        "power_w": (7, now + 1000),
    }


def test_a_device_whose_every_message_is_refused_has_been_heard_and_says_why(installation: Installation) -> None:
    now = epoch_ms()
    topic = "water_meter/refused/telemetry"
    assert installation.device("refused")["last_seen"] is None
    installation.send(
        (topic, b"no JSON"),
        *((topic, reading(1000 + n, volume_m3=n)) for n in range(50)),
        (topic, reading(now, rssi=-71)),
        ("gas_meter/refused/telemetry", reading(now, volume_m3=1)),
    )
    device = installation.device("refused")
    assert _ms(device["last_seen"]) >= now
    assert (device["last_ts"], device["values"]) == (None, [])
    assert {each["reason"] for each in device["rejections"]} == {
        "bad_json",
        "bad_timestamp",
        "unknown_field",
        "wrong_kind",
    }
    unknown = next(each for each in device["rejections"] if each["reason"] == "unknown_field")
    assert unknown["detail"].startswith("unknown: values.rssi; water_meter has the fields volume_m3, ")
    by_time = installation.rejections("refused", reason="bad_timestamp")
    assert {json.loads(each["payload"])["ts"] for each in by_time} == {1000 + n for n in range(30, 50)}
    assert len(installation.rejections("refused", limit=7)) == 23
    assert installation.rejections("refused", since="2100-01-01T00:00:00Z") == []
    answer = installation.api.get(f"/devices/{COMMUNITY}/refused/rejections", reason="no_such_reason")
    assert answer.status_code == 422


def test_a_gateway_has_been_heard_with_its_child_and_the_child_says_what_was_refused(
    installation: Installation,
) -> None:
    child = {"ts": epoch_ms(), "kind": "water_meter", "device": "child", "values": {"volume_m3": 1, "Volume_m3": 2}}
    installation.send(("gateway/g1/telemetry", json.dumps([child]).encode()))
    assert installation.device("g1")["last_seen"] is not None
    assert installation.device("g1")["rejections"] == []
    (rejection,) = installation.device("child")["rejections"]
    assert "values.Volume_m3; water_meter has the fields volume_m3" in rejection["detail"]
    assert installation.values("child") == {"volume_m3": (1, child["ts"])}


def test_a_plate_is_in_no_rejection(installation: Installation) -> None:
    passed = {"ts": epoch_ms(), "event": "vehicle_passed", "data": {"plate": PLATE, "Plate": PLATE, PLATE: 1}}
    installation.send(("vehicle_gate/gate/event", json.dumps(passed).encode()))
    (rejection,) = installation.rejections("gate")
    assert (rejection["reason"], rejection["payload"], rejection["times"]) == ("unknown_field", None, 2)
    assert "KA1234" not in json.dumps(rejection, ensure_ascii=False)
    assert "plate, direction" in rejection["detail"]
    ((kept,),) = query(installation.database_url, "SELECT string_agg(rejection::text, '') FROM rejection")
    assert PLATE not in kept


def test_the_command_lists_rejections_by_community_device_reason_and_time(
    installation: Installation, tmp_path: Path
) -> None:
    installation.send(
        ("water_meter/refused/telemetry", reading(epoch_ms(), rssi=-71)),
        ("water_meter/unknown/telemetry", reading(epoch_ms(), volume_m3=1)),
    )

    def listed(*options: str) -> set[tuple[str | None, str]]:
        done = invoke("rejections", "--json", *options, cwd=tmp_path, ANJU_DATABASE_URL=installation.database_url)
        assert done.returncode == 0, done.stderr
        return {(each["device"], each["reason"]) for each in json.loads(done.stdout)}

    registered, unknown = ("refused", "unknown_field"), (None, "unknown_device")
    assert listed() == {registered, unknown}
    assert listed("--community", COMMUNITY, "--since", "1h") == {registered, unknown}
    assert listed("--device", f"{COMMUNITY}/refused") == {registered}
    assert listed("--device", f"{COMMUNITY}/unknown") == {unknown}
    assert listed("--reason", "unknown_device") == {unknown}
    assert listed("--community", "elsewhere") == set()
    assert listed("--since", "2100-01-01T00:00") == set()

    done = invoke("rejections", cwd=tmp_path, ANJU_DATABASE_URL=installation.database_url)
    assert f"{COMMUNITY}/refused" in done.stdout
    assert "unknown: values.rssi" in done.stdout
    assert f"anju/v1/{COMMUNITY}/water_meter/unknown/telemetry" in done.stdout
    assert "2 kept rejections" in done.stdout
    for wrong in (("--since", "yesterday"), ("--device", "refused"), ("--reason", "none"), ("--since", "9999999d")):
        assert invoke("rejections", *wrong, cwd=tmp_path, ANJU_DATABASE_URL=installation.database_url).returncode == 2
