"""Each read of a household's data over the API is a row of the audit log, and the log stays whole."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from store.admin.audit_chain import check_chain, read_chain

KIND = "water_meter"
NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)


@pytest.fixture
def flat(community: Any) -> str:
    """Return the path of a meter in a flat, with a reading and an event."""
    device = community.device("w1", KIND, building="3", unit="2", room="501")
    community.readings(KIND, device, {NOON: {"volume_m3": 1.5}})
    community.event(device, NOON, "cover_opened")
    return f"/devices/{community.id}/w1"


def reads_of(api: Any, path: str) -> list[dict[str, Any]]:
    """Return the recorded reads of a device, oldest first."""
    rows: list[dict[str, Any]] = api.items("/audit", reads=True, subject="device", subject_id=path[len("/devices/") :])
    return rows[::-1]


def test_each_read_of_a_flat_is_recorded_by_whom_and_with_its_parameters(api: Any, flat: str) -> None:
    start, end = (NOON - timedelta(days=1)).isoformat(), NOON.isoformat()
    api.get(flat).raise_for_status()
    api.get(f"{flat}/telemetry", start=start, end=end, field="volume_m3").raise_for_status()
    buckets = {"bucket": "1h", "aggregate": "increase", "field": "volume_m3", "start": start, "end": end}
    api.get(f"{flat}/telemetry", **buckets).raise_for_status()
    api.get(f"{flat}/events", event="cover_opened").raise_for_status()
    api.get(f"{flat}/rejections").raise_for_status()
    rows = reads_of(api, flat)
    assert [row["after"]["data"] for row in rows] == ["state", "telemetry", "telemetry", "events", "rejections"]
    assert {(row["actor"], row["action"], row["person"]) for row in rows} == {("api", "read", None)}
    assert rows[1]["after"]["field"] == ["volume_m3"]
    assert rows[1]["after"]["start"][:10] == start[:10]
    assert (rows[2]["after"]["bucket"], rows[2]["after"]["aggregate"]) == ("1h", "increase")
    assert rows[3]["after"] == {"data": "events", "event": "cover_opened"}


def test_each_page_of_a_series_is_a_read(api: Any, community: Any) -> None:
    device = community.device("w1", KIND, building="3", unit="2", room="501")
    community.readings(KIND, device, {NOON + timedelta(minutes=n): {"volume_m3": n / 10} for n in range(5)})
    path = f"/devices/{community.id}/w1"
    cursor = api.get(f"{path}/telemetry", limit=3).raise_for_status().json()["next_cursor"]
    api.get(f"{path}/telemetry", limit=3, cursor=cursor).raise_for_status()
    assert len(reads_of(api, path)) == 2


def test_a_device_outside_the_flats_leaves_no_row(api: Any, community: Any) -> None:
    community.device("gate", "camera", location="东门")
    path = f"/devices/{community.id}/gate"
    for what in ("", "/telemetry", "/events", "/rejections"):
        api.get(f"{path}{what}").raise_for_status()
    assert reads_of(api, path) == []


def test_a_refused_read_leaves_no_row(api: Any, flat: str) -> None:
    assert api.get(f"{flat}/telemetry", field="no_such_field").status_code == 422
    assert api.get(f"{flat}/telemetry", bucket="1h").status_code == 422
    assert reads_of(api, flat) == []


def test_reads_are_not_among_the_changes(api: Any, flat: str) -> None:
    api.get(flat).raise_for_status()
    changes = api.items("/audit", subject="device", subject_id=flat[len("/devices/") :])
    assert changes == []


def test_the_chain_is_whole_after_reads_and_changes(api: Any, community: Any, flat: str) -> None:
    alert = community.alert()
    api.get(f"{flat}/telemetry").raise_for_status()
    api.client.post(f"/alerts/{alert}/acknowledge", json={"by": "王师傅"}).raise_for_status()
    api.get(f"{flat}/events").raise_for_status()
    with community.connection.transaction():
        assert check_chain(read_chain(community.connection)).broken is None
