"""Replacements of meters over the API: record, consumption across them, list, withdrawal."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

HOUR = timedelta(hours=1)
FIRST = datetime(2026, 7, 1, 4, tzinfo=UTC)  # noon in Shanghai


@pytest.fixture
def meter(community: Any) -> str:
    """A water meter that was exchanged between its second and third reading; the path of the device."""
    device_id = community.device("m", "water_meter", serial="old-1")
    readings = (812.4, 812.5, 0.2, 0.3)
    community.readings("water_meter", device_id, {FIRST + n * HOUR: {"volume_m3": m3} for n, m3 in enumerate(readings)})
    return f"/devices/{community.id}/m"


def record(api: Any, meter: str, key: str | None = None, **body: Any) -> Any:
    at = (FIRST + 1.5 * HOUR).isoformat()
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.client.post(f"{meter}/replacement", json={"at": at, "old_register": 812.6, **body}, headers=headers)


def recorded(api: Any, meter: str, **body: Any) -> dict[str, Any]:
    answer = record(api, meter, **body)
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


def used(api: Any, meter: str) -> list[float]:
    query = {"field": "volume_m3", "bucket": "1h", "aggregate": "increase"}
    span = {"start": FIRST.isoformat(), "end": (FIRST + 6 * HOUR).isoformat()}
    items = api.get(f"{meter}/telemetry", **query, **span).raise_for_status().json()["items"]
    return [item["values"]["volume_m3"] for item in items]


def test_consumption_goes_on_across_a_recorded_replacement(api: Any, meter: str) -> None:
    assert used(api, meter) == [0.1, None, None]
    replacement = recorded(api, meter, new_serial="new-2", note="到期更换", by="王师傅")
    assert used(api, meter) == [0.1, 0.3, 0.1]
    assert replacement | {"id": 0, "recorded_at": ""} == {
        "id": 0, "field": "volume_m3", "at": "2026-07-01T05:30:00Z", "old_register": 812.6, "new_register": 0.0,
        "old_serial": "old-1", "new_serial": "new-2", "note": "到期更换", "actor": "王师傅", "recorded_at": "",
        "withdrawn_at": None, "withdrawn_by": None,
    }  # fmt: skip
    assert api.get(meter).json()["serial"] == "new-2"
    assert api.items(f"{meter}/replacement") == [replacement]


def test_a_wrong_replacement_can_be_withdrawn_and_stays_listed(api: Any, meter: str) -> None:
    wrong = recorded(api, meter, new_serial="new-2")
    path = f"{meter}/replacement/{wrong['id']}/withdraw"
    withdrawn = api.client.post(path, json={"by": "李经理"}).raise_for_status().json()
    assert withdrawn["withdrawn_by"] == "李经理"
    assert used(api, meter) == [0.1, None, None]
    assert api.get(meter).json()["serial"] == "old-1"
    assert api.items(f"{meter}/replacement") == [withdrawn]
    again = api.client.post(path)
    assert again.status_code == 409
    assert again.json()["detail"].startswith("这次换表记录已由 李经理 于")
    assert recorded(api, meter, old_register=812.7)["old_register"] == 812.7
    assert used(api, meter) == [0.1, 0.4, 0.1]


def test_what_a_person_recorded_and_withdrew_is_in_the_audit_log(api: Any, meter: str) -> None:
    replacement = recorded(api, meter, by="王师傅")
    api.client.post(f"{meter}/replacement/{replacement['id']}/withdraw").raise_for_status()
    withdraw, create = api.items("/audit", subject="replacement", subject_id=str(replacement["id"]))
    assert (create["action"], create["person"], create["after"]["old_register"]) == ("create", "王师傅", 812.6)
    assert meter.endswith(create["after"]["device"])
    assert (withdraw["action"], withdraw["before"]) == ("withdraw", {"withdrawn_at": None})


def test_a_repeated_request_records_one_replacement(api: Any, meter: str) -> None:
    key = f"key-{meter}"
    first, second = (record(api, meter, key).json() for _ in range(2))
    assert first == second
    assert len(api.items(f"{meter}/replacement")) == 1


def test_the_serial_is_that_of_the_newest_meter_in_whatever_order_they_are_recorded(api: Any, meter: str) -> None:
    later = recorded(api, meter, at=(FIRST + 3 * HOUR).isoformat(), new_serial="third")
    recorded(api, meter, old_serial="old-1", new_serial="second")
    assert api.get(meter).json()["serial"] == "third"
    api.client.post(f"{meter}/replacement/{later['id']}/withdraw").raise_for_status()
    assert api.get(meter).json()["serial"] == "second"


@pytest.mark.parametrize(
    ("body", "part", "message"),
    [
        ({"old_register": 100_001}, "old_register", "读数超出了表的量程"),
        ({"new_register": 100_001}, "new_register", "读数超出了表的量程"),
        ({"field": "energy_kwh"}, "field", "这种设备没有这个累计读数"),
        ({"at": (datetime.now(UTC) + HOUR).isoformat()}, "at", "换表时间晚于现在，请换完表再登记"),
        ({"old_register": -1}, "old_register", "greater than or equal to 0"),
        ({"old": 1}, "old", "not permitted"),
    ],
)
def test_a_replacement_that_cannot_have_been_is_refused(
    api: Any, meter: str, body: dict[str, Any], part: str, message: str
) -> None:
    answer = record(api, meter, **body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["loc"] == ["body", part]
    assert message in error["msg"]
    assert api.items(f"{meter}/replacement") == []


def test_the_same_replacement_is_not_recorded_twice(api: Any, meter: str) -> None:
    recorded(api, meter)
    (error,) = record(api, meter).json()["errors"]
    assert (error["loc"], error["type"]) == (["body", "at"], "recorded")


def test_a_device_without_a_counter_has_no_register_to_replace(api: Any, community: Any) -> None:
    community.device("cam", "camera")
    (error,) = record(api, f"/devices/{community.id}/cam").json()["errors"]
    assert error["type"] == "no_counter"


def test_a_replacement_of_another_device_is_not_found(api: Any, meter: str, community: Any) -> None:
    community.device("other", "water_meter")
    replacement = recorded(api, meter)
    answer = api.client.post(f"/devices/{community.id}/other/replacement/{replacement['id']}/withdraw")
    assert answer.status_code == 404
    assert api.get(f"/devices/{community.id}/nobody/replacement").status_code == 404
