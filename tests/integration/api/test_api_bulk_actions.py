"""One action on many alerts: an answer for each, whatever its state, and no second time for a repetition."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from accounts.principal import Role
from logged_in import logged_in
from running import query as ask


def act(api: Any, alerts: list[UUID], action: str, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    body |= {"alerts": [str(each) for each in alerts], "action": action}
    answer: httpx.Response = api.client.post("/alerts/actions", json=body, headers=headers)
    return answer


def results(answer: httpx.Response) -> list[str]:
    return [each["result"] for each in answer.raise_for_status().json()["items"]]


def soon(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def steps(api: Any, alert: UUID) -> list[str]:
    detail = api.get(f"/alerts/{alert}").raise_for_status().json()
    return [each["reason"] for each in detail["transitions"] if each["axis"] == "attention"]


def test_alerts_of_mixed_states_get_an_answer_each_in_the_order_of_the_request(api: Any, community: Any) -> None:
    fresh, seen, over, closed = (community.alert() for _ in range(4))
    act(api, [seen, closed], "acknowledge").raise_for_status()
    act(api, [closed], "close").raise_for_status()
    nobody = uuid.uuid4()
    answer = act(api, [closed, fresh, nobody, seen, over, fresh], "acknowledge")
    items = answer.raise_for_status().json()["items"]
    assert [(each["id"], each["result"], each["result_zh"]) for each in items] == [
        (str(closed), "unchanged", "无需操作"), (str(fresh), "done", "已完成"), (str(nobody), "unknown", "没有找到"),
        (str(seen), "unchanged", "无需操作"), (str(over), "done", "已完成"),
    ]  # fmt: skip
    assert items[0]["detail_zh"].startswith("报警已关闭，不能再“确认”")
    assert [each["alert"] and each["alert"]["attention"] for each in items] == [
        "closed", "acknowledged", None, "acknowledged", "acknowledged",
    ]  # fmt: skip


def test_what_a_state_does_not_allow_is_refused_for_that_alert_alone(api: Any, community: Any) -> None:
    new, seen = community.alert(), community.alert()
    act(api, [seen], "acknowledge").raise_for_status()
    answer = act(api, [new, seen], "close")
    assert results(answer) == ["refused", "done"]
    assert "不能再“关闭”" in answer.json()["items"][0]["detail_zh"]
    assert steps(api, new) == []


def test_every_action_may_be_repeated_without_a_key_and_changes_nothing_twice(api: Any, community: Any) -> None:
    alerts = [community.alert() for _ in range(2)]
    until = soon(1)
    actions: list[tuple[str, dict[str, Any]]] = [
        ("acknowledge", {}), ("assign", {"assignee": "李师傅"}), ("start", {"comment": "去看了"}),
        ("shelve", {"until": until, "reason": "等备件"}), ("unshelve", {}), ("resolve", {}), ("close", {}),
    ]  # fmt: skip
    for action, details in actions:
        assert results(act(api, alerts, action, **details)) == ["done", "done"], action
        assert results(act(api, alerts, action, **details)) == ["unchanged", "unchanged"], action
    assert steps(api, alerts[0]) == [action for action, _ in actions]
    (row,) = api.items("/audit", subject="alert", subject_id=str(alerts[1]), limit=1000)[:1]
    assert (row["action"], row["after"]["attention"]) == ("close", "closed")


def test_a_request_that_is_sent_again_with_its_key_is_done_once_and_completes_what_is_missing(
    api: Any, community: Any
) -> None:
    one, two = community.alert(), community.alert()
    key = f"k-{uuid.uuid4()}"
    assert results(act(api, [one], "comment", key, comment="水表井积水")) == ["done"]
    assert results(act(api, [one, two], "comment", key, comment="水表井积水")) == ["done", "done"]
    assert (steps(api, one), steps(api, two)) == (["comment"], ["comment"])
    refused = act(api, [one], "resolve", key)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["type"] == "key_reused"


def test_a_shelved_alert_is_shelved_until_another_time_only_after_its_release(api: Any, community: Any) -> None:
    alert, ended = community.alert(), community.alert()
    community.end(ended, datetime.now(UTC))
    shelving = {"until": soon(1), "reason": "等备件"}
    assert results(act(api, [alert, ended], "shelve", **shelving)) == ["done", "refused"]
    assert results(act(api, [alert], "shelve", **{**shelving, "until": soon(2)})) == ["refused"]
    too_long = act(api, [community.alert()], "shelve", **{**shelving, "until": soon(25)})
    assert too_long.json()["items"][0]["detail_zh"] == "搁置的截止时间须在现在之后、24 小时之内"


def test_alerts_of_others_are_taken_only_from_the_named_one(api: Any, community: Any) -> None:
    of_li, of_wang = community.alert(), community.alert()
    act(api, [of_li], "assign", assignee="李师傅").raise_for_status()
    act(api, [of_wang], "assign", assignee="王师傅").raise_for_status()
    answer = act(api, [of_li, of_wang], "assign", assignee="张师傅", instead_of="李师傅")
    assert results(answer) == ["done", "refused"]
    assert [each["alert"]["assignee"] for each in answer.json()["items"]] == ["张师傅", "王师傅"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"action": "acknowledge", "alerts": []}, "alerts"),
        ({"action": "acknowledge", "alerts": ["no-id"]}, "0"),
        ({"action": "acknowledge", "alerts": [str(UUID(int=n)) for n in range(501)]}, "alerts"),
        ({"action": "acknowledge", "alerts": [str(UUID(int=0))], "assignee": "李师傅"}, "assignee"),
        ({"action": "assign", "alerts": [str(UUID(int=0))]}, "assignee"),
        ({"action": "comment", "alerts": [str(UUID(int=0))], "comment": " "}, "comment"),
        ({"action": "shelve", "alerts": [str(UUID(int=0))], "reason": "x"}, "until"),
        ({"action": "delete", "alerts": [str(UUID(int=0))]}, "body"),
        ({"alerts": [str(UUID(int=0))]}, "body"),
    ],
)
def test_a_body_that_can_not_be_meant_is_refused_and_names_the_part(api: Any, body: Any, path: str) -> None:
    answer = api.client.post("/alerts/actions", json=body)
    assert answer.status_code == 422
    (problem,) = answer.json()["errors"]
    assert str(problem["loc"][-1]) == path
    assert problem["msg_zh"] != "这个值不能用，请核对"


@pytest.fixture
def manager(api: Any, api_database: str, community: Any) -> Iterator[httpx.Client]:
    with logged_in(api.url, api_database, Role.PROPERTY, f"community:{community.id}") as client:
        yield client


def test_alerts_of_another_tenant_are_unknown_and_stay_as_they_are(
    api_database: str, community: Any, make_community: Any, manager: httpx.Client
) -> None:
    with make_community() as theirs:
        own, foreign = community.alert(), theirs.alert()
    answer = manager.post("/alerts/actions", json={"action": "acknowledge", "alerts": [str(foreign), str(own)]})
    assert results(answer) == ["unknown", "done"]
    assert answer.json()["items"][0]["alert"] is None
    assert ask(api_database, "SELECT attention FROM alert WHERE id = %s", foreign) == [("unacknowledged",)]


def test_the_account_signs_each_step(api: Any, community: Any, manager: httpx.Client) -> None:
    alert = community.alert()
    manager.post("/alerts/actions", json={"action": "acknowledge", "alerts": [str(alert)]}).raise_for_status()
    (step,) = [each for each in api.get(f"/alerts/{alert}").json()["transitions"] if each["axis"] == "attention"]
    assert step["actor"] == "王经理"
    other = manager.post("/alerts/actions", json={"action": "close", "alerts": [str(alert)], "by": "别人"})
    assert other.status_code == 422
