"""Rules in force and backtests over the API."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.rules import MAX_SAMPLES
from api_site import NOON
from app.rule_files import rules_folder

QUARTER = timedelta(minutes=15)
END = (NOON + timedelta(hours=4)).isoformat()


@pytest.fixture
def meter(community: Any) -> Any:
    """Make a meter with a voltage above the limit for an hour, from 15 minutes after noon."""
    device = community.device("e-101", "electricity_meter")
    volts = [230, 245, 245, 245, 245, 230, 230, 230, 230]
    community.readings(
        "electricity_meter", device, {NOON + n * QUARTER: {"voltage_v": float(v)} for n, v in enumerate(volts)}
    )
    return device


def tried(api: Any, **body: Any) -> Any:
    return api.client.post("/rules/backtest", json={"start": NOON.isoformat(), "end": END, **body})


def test_every_rule_in_force_is_listed_with_its_condition_and_texts(api: Any) -> None:
    rules = api.items("/rules", limit=7)
    assert [rule["name"] for rule in rules] == sorted({rule["name"] for rule in rules})
    [high] = [rule for rule in rules if rule["name"] == "electricity_voltage_high"]
    assert (high["kind_zh"], high["severity_zh"], high["title"], high["on_delay"]) == (
        "电表",
        "一般",
        "电压偏高",
        "30m",
    )
    assert high["until"] == {"field": "voltage_v", "below": 233.0}
    assert {rule["kind"] for rule in api.items("/rules", kind="gas_meter")} == {"gas_meter"}


def test_changed_rule_files_take_effect_at_once_and_broken_ones_do_not(
    start_api: Any, api_database: str, tmp_path: Path
) -> None:
    shipped = rules_folder(None) / "vehicle_gate.yaml"
    path = tmp_path / shipped.name
    path.write_text(shipped.read_text("utf-8"), "utf-8")
    server = start_api(api_database, tmp_path)
    before = server.items("/rules")
    path.write_text(shipped.read_text("utf-8").replace(before[0]["title"], "改过的标题"), "utf-8")
    assert server.items("/rules")[0]["title"] == "改过的标题"
    path.write_text("- name: broken", "utf-8")
    assert len(server.items("/rules")) == len(before)
    assert "vehicle_gate.yaml:1" in server.log()


def test_a_backtest_returns_the_alerts_the_rules_would_have_raised(api: Any, community: Any, meter: int) -> None:
    result = tried(api, community=community.id, rules=["electricity_voltage_high"]).raise_for_status().json()
    assert (result["samples"], result["devices"], result["alerts"], result["met"]) == (9, 1, 1, True)
    [rule], [day], [device] = result["by_rule"], result["by_day"], result["by_device"]
    assert (rule["rule"], rule["title"], rule["longest_s"]) == ("electricity_voltage_high", "电压偏高", 3600)
    assert (day["day"], day["severities"]) == ("2026-07-01", {"warning": 1})
    assert (device["device"], device["rules"]) == ("e-101", {"electricity_voltage_high": 1})
    assert {goal["met"] for goal in result["goals"]} == {True, None}


def test_loaded_history_is_counted_and_put_in_its_place_by_device_time(api: Any, community: Any, meter: int) -> None:
    community.connection.execute("UPDATE telemetry_electricity_meter SET received_at = ts + interval '2 days'")
    community.connection.commit()
    scope = {"community": community.id, "rules": ["electricity_voltage_high"]}
    assert tried(api, **scope).raise_for_status().json()["samples"] == 0
    end = (NOON + timedelta(days=3)).isoformat()
    loaded = tried(api, **scope, end=end).raise_for_status().json()
    assert (loaded["samples"], loaded["late_samples"], loaded["by_day"][0]["day"]) == (9, 9, "2026-07-03")
    placed = tried(api, **scope, device_time=True).raise_for_status().json()
    assert (placed["samples"], placed["late_samples"], placed["by_day"][0]["day"]) == (9, 0, "2026-07-01")


def test_a_backtest_of_a_time_without_data_finds_nothing(api: Any, community: Any, meter: int) -> None:
    start = (NOON - timedelta(days=2)).isoformat()
    result = tried(api, community=community.id, start=start, end=NOON.isoformat()).raise_for_status().json()
    assert (result["samples"], result["alerts"], result["goals"]) == (0, 0, [])


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"community": "nowhere"}, 404, "no such community or device"),
        ({"device": "e-999"}, 404, "no such community or device"),
        ({"rules": ["voltage_hihg"]}, 422, "there is no rule 'voltage_hihg' in force"),
        ({"start": END}, 422, "must be after start"),
        ({"start": (NOON - timedelta(days=40)).isoformat()}, 422, "at most 31 days"),
        ({"households": 3}, 422, "households"),
    ],
)
@pytest.mark.usefixtures("meter")
def test_an_impossible_backtest_is_refused_with_the_reason(
    api: Any, community: Any, body: dict[str, Any], status: int, detail: str
) -> None:
    answer = tried(api, **{"community": community.id, **body})
    assert answer.status_code == status
    assert detail in answer.json()["detail"]


def test_a_backtest_over_too_many_samples_is_refused(api: Any, community: Any, meter: int) -> None:
    community.connection.execute(
        """
        INSERT INTO telemetry_electricity_meter (device_id, ts, received_at, voltage_v)
        SELECT %s, %s + n * interval '10 ms', %s + n * interval '10 ms', 230 FROM generate_series(1, %s) AS n
        """,
        (meter, NOON + timedelta(hours=3), NOON + timedelta(hours=3), MAX_SAMPLES),
    )
    community.connection.commit()
    answer = tried(api, community=community.id)
    assert answer.status_code == 422
    assert "more than 200,000 readings and events" in answer.json()["detail"]
