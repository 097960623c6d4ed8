"""Witnessed tests over the API: record, result, list, withdrawal."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

SECOND = timedelta(seconds=1)


@pytest.fixture
def gas_meter(community: Any) -> int:
    return community.device("gas", "gas_meter", building="1", unit="1", room="301")


def record(api: Any, where: Any, key: str | None = None, **body: Any) -> Any:
    facts = {
        "community": where.id, "device": "gas", "by": "街道 王某", "how": "用检漏气体触发",
        "triggered_at": (datetime.now(UTC) - 10 * SECOND).isoformat(),
    }  # fmt: skip
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.client.post("/witnessed-tests", json={**facts, **body}, headers=headers)


def recorded(api: Any, community: Any, **body: Any) -> dict[str, Any]:
    answer = record(api, community, **body)
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


@pytest.mark.usefixtures("gas_meter")
def test_a_test_waits_for_its_event(api: Any, community: Any) -> None:
    test = recorded(api, community)
    assert (test["kind_zh"], test["event"], test["event_zh"]) == ("燃气表", "gas_leak", "燃气泄漏")
    assert (test["place"], test["by"], test["limit_s"]) == ("1号楼1单元301室", "街道 王某", 30)
    assert (test["result"], test["result_zh"], test["arrived_at"]) == ("waiting", "等待中", None)
    (change,) = api.items("/audit", subject="witnessed_test", subject_id=test["id"])
    assert (change["action"], change["person"], change["after"]["how"]) == ("create", "街道 王某", "用检漏气体触发")


def test_a_test_is_delivered_when_its_event_has_arrived(api: Any, community: Any, gas_meter: int) -> None:
    at = datetime.now(UTC) - 60 * SECOND
    test = recorded(api, community, triggered_at=at.isoformat())
    assert (test["result"], test["result_zh"]) == ("missing", "时限内未送达")
    community.event(gas_meter, at + 20 * SECOND, "gas_leak")
    test = api.get(f"/witnessed-tests/{test['id']}").json()
    assert (test["result"], test["result_zh"]) == ("delivered", "已送达")
    assert datetime.fromisoformat(test["arrived_at"]) == at + 20 * SECOND


@pytest.mark.usefixtures("gas_meter")
def test_tests_are_listed_latest_first_and_page_by_page(api: Any, community: Any) -> None:
    now = datetime.now(UTC)
    times = [(now - number * 120 * SECOND).isoformat() for number in range(1, 6)]
    ids = [recorded(api, community, triggered_at=at)["id"] for at in times]
    assert [each["id"] for each in api.items("/witnessed-tests", community=community.id, limit=2)] == ids
    listed = api.items("/witnessed-tests", community=community.id, device="gas", start=times[3], end=times[1])
    assert [each["id"] for each in listed] == ids[2:4]


@pytest.mark.usefixtures("gas_meter")
def test_a_withdrawn_test_stays_listed_with_its_reason(api: Any, community: Any) -> None:
    test = recorded(api, community)
    body = {"by": "李某", "reason": "记错了设备"}
    path = f"/witnessed-tests/{test['id']}/withdraw"
    withdrawn = api.client.post(path, json=body).json()
    assert (withdrawn["result_zh"], withdrawn["withdrawn_by"]) == ("已撤回", "李某")
    assert api.items("/witnessed-tests", community=community.id)[0]["withdrawn_because"] == "记错了设备"
    again = api.client.post(path, json=body)
    assert (again.status_code, again.json()["detail"]) == (409, "这次测试已经撤回。")
    recorded(api, community, triggered_at=test["triggered_at"])


@pytest.mark.usefixtures("gas_meter")
def test_a_request_that_is_sent_again_records_and_withdraws_once(api: Any, community: Any) -> None:
    at = (datetime.now(UTC) - 10 * SECOND).isoformat()
    first, second = (record(api, community, f"key {community.id}", triggered_at=at) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert len(api.items("/witnessed-tests", community=community.id)) == 1
    headers = {"Idempotency-Key": f"withdrawal {community.id}"}
    path = f"/witnessed-tests/{first.json()['id']}/withdraw"
    codes = [api.client.post(path, json={"reason": "误记"}, headers=headers).status_code for _ in range(2)]
    assert codes == [200, 200]


def test_a_record_that_cannot_be_right_is_refused_in_a_sentence(api: Any, community: Any) -> None:
    community.device("gas", "gas_meter")
    community.device("charger", "ebike_charger")
    community.device("camera", "camera")
    now = datetime.now(UTC)

    def refusal(**body: Any) -> tuple[int, str, str]:
        answer = record(api, community, **body)
        (error,) = answer.json()["errors"]
        return answer.status_code, error["loc"][-1], error["msg"]

    assert refusal(community="nowhere") == (422, "community", "没有小区“nowhere”")
    assert refusal(device="none") == (422, "device", "小区里没有设备“none”")
    assert refusal(device="camera")[1:] == (
        "device",
        "这类设备没有须现场测试的报警；现在可以测试的是：燃气表、电动自行车充电桩",
    )
    assert refusal(device="charger")[1:] == (
        "event", "请写明测试的是哪一种报警：over_temperature（温度过高）、smoke_detected（烟雾报警）",
    )  # fmt: skip
    assert refusal(event="battery_low")[1] == "event"
    assert refusal(triggered_at=(now + 60 * SECOND).isoformat())[1] == "triggered_at"
    recorded(api, community, device="charger", event="smoke_detected", triggered_at=now.isoformat())
    recorded(api, community, triggered_at=now.isoformat())
    assert "1分钟" in refusal(triggered_at=(now - 59 * SECOND).isoformat())[2]
    recorded(api, community, triggered_at=(now - 60 * SECOND).isoformat())


def test_an_unknown_test_is_not_found(api: Any) -> None:
    missing = "/witnessed-tests/00000000-0000-0000-0000-000000000000"
    assert api.get(missing).status_code == 404
    assert api.client.post(f"{missing}/withdraw", json={"reason": "误记"}).status_code == 404
