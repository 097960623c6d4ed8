"""From the message of a meter to the action of a person and back: broker, ingest, rules and API together."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from patience import eventually, patient, steady
from running import epoch_ms, forget_session, reading, register, running_ingest
from simulators.publisher import Publisher

COMMUNITY = "tongxin"
METERS = {"voltage_v": ("e1", "electricity_meter"), "water_temperature_c": ("w1", "water_meter")}


class Line:
    """Two meters: their messages, and their alerts over the API."""

    def __init__(self, api: Any, publish_url: str) -> None:
        self.api = api
        self._publish_url = publish_url
        self._began = datetime.now(UTC) - timedelta(hours=3)

    def measure(self, minute: int, **value: float) -> None:
        (field,) = value
        device, kind = METERS[field]
        with Publisher(self._publish_url) as out:
            at = epoch_ms((self._began + timedelta(minutes=minute)).timestamp())
            out.publish(f"anju/v1/{COMMUNITY}/{kind}/{device}/telemetry", reading(at, **value))
            out.flush(patient(20))
        eventually(lambda: self._newest(device) == at)

    def _newest(self, device: str) -> int | None:
        result = self.api.get(f"/devices/{COMMUNITY}/{device}").json()["last_ts"]
        return None if result is None else epoch_ms(datetime.fromisoformat(result).timestamp())

    def alerts(self, **query: Any) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = self.api.items("/alerts", community=COMMUNITY, **query)
        return result

    def act(self, alert: dict[str, Any], action: str, **body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = (
            self.api.client.post(f"/alerts/{alert['id']}/{action}", json=body).raise_for_status().json()
        )
        return answer


@pytest.fixture
def line(services: Any, database_url: str, start_api: Callable[[str], Any], tmp_path: Path) -> Iterator[Line]:
    register(database_url, COMMUNITY, METERS.values())
    forget_session(services)
    with running_ingest(database_url, services.mqtt_url, tmp_path):
        yield Line(start_api(database_url), services.publish_mqtt_url)


def test_an_alert_resolved_while_its_condition_holds_stays_muted_until_the_condition_is_false(line: Line) -> None:
    line.measure(0, water_temperature_c=0.4)
    (alert,) = eventually(lambda: line.alerts(state="open"))
    assert alert["rule"] == "water_frozen"
    line.act(alert, "resolve", by="李师傅", comment="已包保温")

    eventually(lambda: line.alerts(state="open") == [])
    (ended,) = line.alerts()
    last = line.api.get(f"/alerts/{ended['id']}").json()["transitions"][-1]
    assert (last["axis"], last["to_state"], last["to_state_zh"]) == ("process", "muted", "已静默")
    assert last["explanation"][0].startswith("李师傅 于")

    line.measure(15, water_temperature_c=0.3)
    assert steady(lambda: line.alerts(state="open")) == []
    line.measure(30, water_temperature_c=8)
    line.measure(45, water_temperature_c=0.2)
    (again,) = eventually(lambda: line.alerts(state="open"))
    assert again["id"] != alert["id"]
    assert again["attention"] == "unacknowledged"


def test_an_alert_about_a_danger_is_raised_again_by_the_next_reading_after_it_was_resolved(line: Line) -> None:
    line.measure(0, voltage_v=280)
    (alert,) = eventually(lambda: line.alerts(state="open"))
    assert alert["rule"] == "electricity_neutral_fault"
    line.act(alert, "resolve", by="李师傅", comment="已紧固零线")
    eventually(lambda: line.alerts(state="open") == [])
    last = line.api.get(f"/alerts/{alert['id']}").json()["transitions"][-1]
    assert (last["axis"], last["to_state"]) == ("process", "normal")
    assert last["explanation"][1].endswith("设备再次报告就会重新报警。")

    line.measure(15, voltage_v=281)
    (again,) = eventually(lambda: line.alerts(state="open"))
    assert again["id"] != alert["id"]
    assert again["attention"] == "unacknowledged"


def test_a_shelved_alert_is_still_evaluated_and_its_successor_comes_all_the_same_if_it_can_hurt_people(
    line: Line,
) -> None:
    line.measure(0, voltage_v=280)
    (alert,) = eventually(lambda: line.alerts(state="open"))
    until = (datetime.now(UTC) + timedelta(hours=4)).isoformat()
    line.act(alert, "shelve", until=until, reason="等备件")
    (shelved,) = line.alerts(suppressed="true", state="open")
    assert [cause["detail"] for cause in shelved["suppressions"]] == ["等备件"]
    for minute in range(15, 75, 15):
        line.measure(minute, voltage_v=230)
    # The rules have ended it; its data came hours late, so that a person has to look.
    (ended,) = eventually(lambda: [each for each in line.alerts(state="open") if each["process"] == "latched"])
    line.act(ended, "resolve")
    eventually(lambda: line.alerts(state="open") == [])
    line.measure(90, voltage_v=280)
    (again,) = eventually(lambda: line.alerts(state="open"))
    assert again["id"] != alert["id"]
    assert (again["severity"], again["suppressions"]) == ("critical", [])
    assert line.alerts(suppressed="true", state="open") == []
