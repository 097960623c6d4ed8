"""Maintenance windows over the API: announcement, lists, early end, and suppression."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

HOUR = timedelta(hours=1)


def at(hours: float) -> str:
    return (datetime.now(UTC) + hours * HOUR).isoformat()


def announce(api: Any, key: str | None = None, **body: Any) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.client.post("/silences", json={"ends_at": at(2), "reason": "换表", **body}, headers=headers)


def announced(api: Any, **body: Any) -> dict[str, Any]:
    answer = announce(api, **body)
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


def suppressed(api: Any, community: Any) -> set[UUID]:
    return {UUID(item["id"]) for item in api.items("/alerts", community=community.id, suppressed="true")}


def test_a_window_suppresses_the_alerts_of_its_building_with_person_and_reason(api: Any, community: Any) -> None:
    here = community.alert(community.device("here", "electricity_meter", building="3"))
    community.alert(community.device("there", "electricity_meter", building="4"))
    window = announced(api, community=community.id, building="3", by="王经理")
    assert (window["state"], window["state_zh"], window["actor"]) == ("active", "进行中", "王经理")
    assert suppressed(api, community) == {here}
    (cause,) = api.get(f"/alerts/{here}").json()["suppressions"]
    assert (cause["cause_zh"], cause["detail"], cause["actor"]) == ("维护窗口", "换表", "王经理")


def test_a_window_of_one_device_and_one_of_a_kind_and_rule(api: Any, community: Any) -> None:
    meter, other = (community.alert(community.device(name, "electricity_meter")) for name in ("meter", "other"))
    window = announced(api, community=community.id, device="meter")
    assert (window["community"], window["device"]) == (community.id, "meter")
    assert suppressed(api, community) == {meter}
    rule = api.get(f"/alerts/{other}").json()["rule"]
    window = announced(api, kind="electricity_meter", rule=rule)
    assert (window["community"], window["kind_zh"], window["rule"]) == (None, "电表", rule)
    assert suppressed(api, community) == {meter, other}


def test_a_window_of_a_building_says_that_critical_alerts_come_all_the_same(api: Any, community: Any) -> None:
    """The README's example once kept a gas leak, smoke and duress from being notified."""
    meter = community.device("gas", "gas_meter", building="1")
    leak = community.alert(meter, kind="gas_meter", severity="critical")
    window = announced(api, community=community.id, building="1")
    assert suppressed(api, community) == set()
    assert api.get(f"/alerts/{leak}").json()["suppressions"] == []
    assert window["lets_through"] == ["critical"]
    for part in ("紧急报警", "“燃气泄漏”", "“充电柜冒烟”", "“胁迫报警”", "照常马上通知", "写明规则和设备"):
        assert part in window["effect_zh"]
    (listed,) = api.items("/silences", community=community.id)
    assert (listed["lets_through"], listed["effect_zh"]) == (window["lets_through"], window["effect_zh"])
    (row,) = api.items("/audit", subject="silence", subject_id=window["id"])
    assert "effect_zh" not in row["after"]


@pytest.mark.parametrize(
    ("kind", "named", "other"),
    [
        ("gas_meter", "“燃气泄漏”", "“胁迫报警”"),
        ("access_control", "“胁迫报警”", "“燃气泄漏”"),
        ("camera", "紧急报警可能伤人", "“"),
    ],
)
def test_a_window_of_a_kind_names_the_critical_rules_of_that_kind(
    api: Any, community: Any, kind: str, named: str, other: str
) -> None:
    effect = announced(api, community=community.id, kind=kind)["effect_zh"]
    assert named in effect
    assert other not in effect


def test_a_window_that_names_a_critical_rule_warns_that_it_is_notified_to_nobody(api: Any, community: Any) -> None:
    community.device("gas", "gas_meter")
    window = announced(api, community=community.id, device="gas", rule="gas_leak")
    assert window["lets_through"] == []
    assert "“燃气泄漏”是紧急报警" in window["effect_zh"]
    assert "不会通知任何人" in window["effect_zh"]
    assert announced(api, rule="gateway_silent")["effect_zh"] == "窗口期间只有“网关离线”暂不通知，其他报警照常通知。"
    assert "没有名为 gas_leek 的规则" in announced(api, rule="gas_leek")["effect_zh"]


def test_a_future_window_suppresses_nothing_and_can_be_cancelled(api: Any, community: Any) -> None:
    community.alert()
    window = announced(api, community=community.id, starts_at=at(1))
    assert (window["state"], suppressed(api, community)) == ("scheduled", set())
    ended = api.client.post(f"/silences/{window['id']}/end", json={"by": "李经理"}).raise_for_status().json()
    assert (ended["state_zh"], ended["ended_by"]) == ("已结束", "李经理")


def test_of_two_ends_of_a_window_one_succeeds_and_the_other_learns_by_whom(api: Any, community: Any) -> None:
    alert = community.alert()
    window = announced(api, community=community.id)
    with ThreadPoolExecutor(2) as people:
        answers = list(
            people.map(lambda by: api.client.post(f"/silences/{window['id']}/end", json={"by": by}), ("甲", "乙"))
        )
    (winner,) = (answer.json()["ended_by"] for answer in answers if answer.is_success)
    (loser,) = (answer for answer in answers if not answer.is_success)
    assert loser.status_code == 409
    assert f"由 {winner} 提前结束" in loser.json()["detail"]
    assert api.get(f"/alerts/{alert}").json()["suppressions"] == []


def test_present_and_future_windows_are_listed_and_past_ones_on_demand(api: Any, community: Any) -> None:
    community.device("meter", "electricity_meter")
    active, later = (
        announced(api, community=community.id, device="meter"),
        announced(api, community=community.id, starts_at=at(1)),
    )
    over = announced(api, community=community.id, starts_at=at(-1))
    api.client.post(f"/silences/{over['id']}/end").raise_for_status()

    def listed(**query: Any) -> list[str]:
        return [item["id"] for item in api.items("/silences", community=community.id, limit=1, **query)]

    assert listed() == [later["id"], active["id"]]
    assert listed(over="true") == [later["id"], active["id"], over["id"]]
    assert api.get(f"/silences/{active['id']}").json()["id"] == active["id"]


def test_a_repeated_announcement_makes_one_window(api: Any, community: Any) -> None:
    first, again = (announce(api, key=community.id, community=community.id).json() for _ in range(2))
    assert first == again
    assert len(api.items("/silences", community=community.id)) == 1
    (row,) = api.items("/audit", subject="silence", subject_id=first["id"])
    assert (row["action"], row["before"], row["after"]["community"]) == ("create", {}, community.id)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "body: 请至少指定"),
        ({"building": "3"}, "body: 指定楼栋或设备时，请同时指定小区"),
        ({"community": "nowhere"}, "没有小区"),
        ({"kind": "sundial"}, "没有设备类型"),
        ({"kind": "water_meter", "ends_at": at(-1)}, "尚未过去"),
        ({"kind": "water_meter", "starts_at": at(3)}, "在开始时间之后"),
        ({"kind": "water_meter", "ends_at": at(24 * 91)}, "最长 90 天"),
        ({"kind": "water_meter", "reason": " "}, "reason"),
        ({"kind": "water_meter", "room": "501"}, "room"),
    ],
)
def test_an_invalid_window_is_refused_with_the_mistake(api: Any, body: dict[str, Any], message: str) -> None:
    answer = announce(api, **body)
    assert answer.status_code == 422
    assert message in answer.json()["detail"]


@pytest.mark.parametrize(("part", "message"), [({"device": "ghost"}, "没有设备"), ({"building": "3号楼"}, "没有楼栋")])
def test_a_part_that_the_community_lacks_is_refused(
    api: Any, community: Any, part: dict[str, str], message: str
) -> None:
    community.device("here", "electricity_meter", building="3")
    answer = announce(api, community=community.id, **part)
    assert (answer.status_code, message in answer.json()["detail"]) == (422, True)


def test_an_unknown_window_is_not_found(api: Any) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    assert api.get(f"/silences/{unknown}").status_code == 404
    assert api.client.post(f"/silences/{unknown}/end").status_code == 404


def test_a_planned_power_cut_is_announced_listed_and_called_off(api: Any, community: Any) -> None:
    community.device("meter", "electricity_meter", building="3")
    cut = announced(
        api,
        purpose="power_cut",
        community=community.id,
        building="3",
        starts_at=at(1),
        reason="变压器检修",
        by="王经理",
    )
    assert (cut["purpose"], cut["purpose_zh"], cut["state"]) == ("power_cut", "计划停电", "scheduled")
    assert cut["lets_through"] == ["critical"]
    assert "来电后半小时" in cut["effect_zh"]
    assert api.items("/silences", community=community.id) == [cut]
    (entry,) = api.items("/audit", subject="silence", subject_id=cut["id"])
    assert (entry["after"]["purpose"], entry["after"]["reason"]) == ("power_cut", "变压器检修")
    ended = api.client.post(f"/silences/{cut['id']}/end").json()
    assert ended["state"] == "over"


def test_a_power_cut_suppresses_missing_data_and_nothing_else(api: Any, community: Any) -> None:
    meter = community.device("meter", "electricity_meter", building="3")
    other, silent = community.alert(meter), community.alert(meter)
    community.connection.execute("UPDATE alert SET rule = 'electricity_silent' WHERE id = %s", (silent,))
    community.connection.commit()
    announced(api, purpose="power_cut", community=community.id, reason="变压器检修")
    assert suppressed(api, community) == {silent}
    (cause,) = api.get(f"/alerts/{silent}").json()["suppressions"]
    assert cause["detail"] == "计划停电：变压器检修"
    assert api.get(f"/alerts/{other}").json()["suppressions"] == []


def test_a_power_cut_for_more_than_a_place_is_refused_in_words(api: Any, community: Any) -> None:
    for body, words in (
        ({}, "须指定小区"), ({"community": community.id, "kind": "water_meter"}, "只按小区和楼栋"),
        ({"community": community.id, "building": "99"}, "没有楼栋"),
    ):  # fmt: skip
        refused = announce(api, purpose="power_cut", **body)
        assert (refused.status_code, words in refused.json()["detail_zh"]) == (422, True), refused.text
