"""Alerts over the API: lists, details and actions."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import examples

NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)  # in Shanghai
HOUR = timedelta(hours=1)


def commands(community: Any, alert: UUID) -> list[tuple[Any, ...]]:
    rows = community.connection.execute(
        """
        SELECT rule_command.device_id, rule_command.command, rule_command.actor
        FROM rule_command JOIN alert ON alert.rule = rule_command.rule WHERE alert.id = %s
        """,
        (alert,),
    ).fetchall()
    community.connection.commit()
    return rows


def test_an_alert_is_read_with_all_transitions_and_their_inputs(api: Any, community: Any) -> None:
    meter = community.device("meter", "electricity_meter", building="3", unit="2", room="501")
    alert = community.alert(meter, severity="major")

    result = api.get(f"/alerts/{alert}").raise_for_status().json()

    assert (result["device"], result["place"], result["kind_zh"]) == ("meter", "3号楼2单元501室", "电表")
    assert (result["severity"], result["severity_zh"]) == ("major", "重要")
    assert (result["process"], result["process_zh"]) == ("active", "发生中")
    assert (result["attention"], result["attention_zh"]) == ("unacknowledged", "未确认")
    assert (result["title"], result["simulated"]) == ("电压过高", False)
    [step] = result["transitions"]
    assert (step["axis"], step["from_state"], step["to_state"], step["to_state_zh"]) == (
        "process", "normal", "active", "发生中",
    )  # fmt: skip
    assert step["inputs"] == {"values": {"voltage_v": 245}}


def test_an_alert_of_a_device_outside_the_flats_has_its_location_and_the_name_of_the_community(
    api: Any, community: Any
) -> None:
    charger = community.device("ebike-01", "ebike_charger", location="东门内车棚")
    alert = community.alert(charger, kind="ebike_charger")
    result = api.get(f"/alerts/{alert}").raise_for_status().json()
    assert (result["community_name"], result["place"]) == ("金河苑", "东门内车棚")
    device = api.get(f"/devices/{community.id}/ebike-01").raise_for_status().json()
    assert (device["location"], device["place"]) == ("东门内车棚", "东门内车棚")


def test_an_alert_about_anju_itself_belongs_to_no_device(api: Any, community: Any) -> None:
    alert = community.alert(kind="pipeline", community=None)
    result = api.get(f"/alerts/{alert}").raise_for_status().json()
    assert (result["community"], result["device"], result["place"], result["kind_zh"]) == (None, None, "", "数据接入")


def test_filters_of_alerts_are_joined_by_and_their_values_by_or(api: Any, community: Any) -> None:
    old = community.alert(severity="info", opened_at=NOON)
    new = community.alert(severity="critical", opened_at=NOON + HOUR, kind="water_meter")
    ended = community.alert(severity="major", opened_at=NOON + 2 * HOUR)
    community.end(ended, NOON + 3 * HOUR)
    api.client.post(f"/alerts/{new}/acknowledge").raise_for_status()
    community.connection.execute("UPDATE alert SET assignee = '王师傅' WHERE id = %s", (old,))
    community.connection.commit()

    def result(**query: Any) -> list[UUID]:
        return [UUID(item["id"]) for item in api.items("/alerts", community=community.id, **query)]

    assert result() == [ended, new, old]
    assert result(state="open") == [new, old]
    assert result(state="ended") == [ended]
    assert result(state=["ended", "active"]) == [ended, new, old]
    assert result(attention="acknowledged") == [new]
    assert result(severity=["info", "critical"]) == [new, old]
    assert result(kind="water_meter") == [new]
    assert result(assignee="王师傅") == [old]
    assert result(since=(NOON + HOUR).isoformat()) == [ended, new]
    assert result(state="open", severity="info") == [old]


@examples(15)
@given(opened=st.lists(st.integers(0, 2), max_size=9), size=st.integers(1, 10))
def test_paging_gives_each_alert_once_though_many_opened_at_one_instant(
    api: Any, make_community: Any, opened: list[int], size: int
) -> None:
    with make_community() as community:
        raised = {community.alert(opened_at=NOON + hour * HOUR) for hour in opened}
        listed = api.items("/alerts", community=community.id, limit=size)
    assert [item["opened_at"] for item in listed] == sorted((item["opened_at"] for item in listed), reverse=True)
    assert len(listed) == len(raised)
    assert {UUID(item["id"]) for item in listed} == raised


def test_an_acknowledgement_is_recorded_with_person_and_comment(api: Any, community: Any) -> None:
    alert = community.alert(community.device("meter", "electricity_meter"))

    result = api.client.post(f"/alerts/{alert}/acknowledge", json={"comment": "已派人查看"}).raise_for_status().json()

    assert (result["attention"], result["attention_zh"]) == ("acknowledged", "已确认")
    assert result["process"] == "active"
    step = result["transitions"][-1]
    assert (step["axis"], step["from_state"], step["to_state"]) == ("attention", "unacknowledged", "acknowledged")
    assert (step["actor"], step["comment"], step["reason"]) == ("api", "已派人查看", "acknowledge")
    assert commands(community, alert) == []


def test_resolving_an_open_alert_orders_its_end(api: Any, community: Any) -> None:
    meter = community.device("meter", "electricity_meter")
    alert = community.alert(meter)
    result = api.client.post(f"/alerts/{alert}/resolve").raise_for_status().json()
    assert result["attention"] == "resolved"
    assert commands(community, alert) == [(meter, "close", "api")]


def test_resolving_an_alert_about_anju_itself_orders_the_end_of_device_0(api: Any, community: Any) -> None:
    alert = community.alert(kind="pipeline", community=None)
    api.client.post(f"/alerts/{alert}/resolve").raise_for_status()
    assert commands(community, alert) == [(0, "close", "api")]


def test_resolving_an_ended_alert_orders_nothing(api: Any, community: Any) -> None:
    alert = community.alert()
    community.end(alert, NOON)
    api.client.post(f"/alerts/{alert}/resolve").raise_for_status()
    assert commands(community, alert) == []


def test_an_action_that_the_state_forbids_is_refused_in_chinese_and_changes_nothing(api: Any, community: Any) -> None:
    alert = community.alert()
    before = api.client.post(f"/alerts/{alert}/resolve").raise_for_status().json()
    answer = api.client.post(f"/alerts/{alert}/acknowledge")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert "已解决" in answer.json()["detail"]
    assert api.get(f"/alerts/{alert}").json() == before


def test_of_many_simultaneous_acknowledgements_one_succeeds(api: Any, community: Any) -> None:
    alert = community.alert()
    with ThreadPoolExecutor(8) as people:
        answers = list(people.map(lambda _: api.client.post(f"/alerts/{alert}/acknowledge").status_code, range(16)))
    assert sorted(answers) == [200] + [409] * 15
    assert len(api.get(f"/alerts/{alert}").json()["transitions"]) == 2


@pytest.mark.parametrize(
    "body", [{"comment": "长" * 2001}, {"note": "x"}, {"comment": 5}, {"comment": "\x00"}, "text", [1]]
)
def test_an_invalid_body_is_refused_and_changes_nothing(api: Any, community: Any, body: Any) -> None:
    alert = community.alert()
    answer = api.client.post(f"/alerts/{alert}/acknowledge", json=body)
    assert answer.status_code == 422
    assert answer.json()["type"] == "request-invalid"
    assert api.get(f"/alerts/{alert}").json()["attention"] == "unacknowledged"


def test_an_unknown_alert_is_not_found(api: Any) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    assert api.get(f"/alerts/{unknown}").status_code == 404
    assert api.client.post(f"/alerts/{unknown}/resolve").status_code == 404
    assert api.get("/alerts/7").status_code == 422
