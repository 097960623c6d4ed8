"""Actions on alerts: assignment, comments, shelving, repeated and simultaneous requests, and the audit log."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from rules.model.attention import Action, Attention, AttentionError, next_attention
from store.alerts.suppression import CauseName, suppress

HOUR = timedelta(hours=1)


def do(api: Any, alert: UUID, action: str, key: str | None = None, **body: Any) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.client.post(f"/alerts/{alert}/{action}", json=body, headers=headers)


def done(api: Any, alert: UUID, action: str, **body: Any) -> Any:
    return do(api, alert, action, **body).raise_for_status().json()


def refused(answer: Any) -> str:
    assert answer.status_code == 409, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    detail: str = answer.json()["detail"]
    return detail


def soon(hours: float = 1) -> str:
    return (datetime.now(UTC) + hours * HOUR).isoformat()


def trail(api: Any, alert: UUID) -> list[dict[str, Any]]:
    """Return the audit entries of an alert, oldest first."""
    result: list[dict[str, Any]] = api.items("/audit", subject="alert", subject_id=str(alert), limit=2)
    return result[::-1]


def test_the_history_of_an_alert_lists_persons_and_actions_in_order(api: Any, community: Any) -> None:
    alert = community.alert(community.device("meter", "electricity_meter"))
    done(api, alert, "acknowledge", by="王经理")
    done(api, alert, "assign", by="王经理", assignee="李师傅", comment="先看总表")
    done(api, alert, "start", by="李师傅")
    done(api, alert, "comment", by="李师傅", comment="端子松动")
    done(api, alert, "resolve", by="李师傅", comment="已紧固")
    result = done(api, alert, "close", by="王经理")
    assert (result["attention"], result["attention_zh"], result["assignee"]) == ("closed", "已关闭", "李师傅")
    summary = [(step["axis"], step["act_zh"], step["actor"], step["comment"]) for step in result["transitions"]]
    assert summary == [
        ("process", None, None, None),
        ("attention", "确认", "王经理", None),
        ("attention", "派单", "王经理", "先看总表"),
        ("attention", "开始处理", "李师傅", None),
        ("attention", "备注", "李师傅", "端子松动"),
        ("attention", "解决", "李师傅", "已紧固"),
        ("attention", "关闭", "王经理", None),
    ]
    assert result["transitions"][2]["inputs"] == {"assignee": "李师傅"}


def test_every_change_is_in_the_audit_log_with_the_values_before_and_after(api: Any, community: Any) -> None:
    alert = community.alert()
    done(api, alert, "acknowledge")
    done(api, alert, "assign", by="王经理", assignee="李师傅")
    done(api, alert, "comment", by="李师傅", comment="端子松动")
    assert [(row["actor"], row["person"], row["action"], row["before"], row["after"]) for row in trail(api, alert)] == [
        (
            "api", None, "acknowledge", {"attention": "unacknowledged", "assignee": None},
            {"attention": "acknowledged", "assignee": None, "comment": None},
        ),
        (
            "api", "王经理", "assign", {"attention": "acknowledged", "assignee": None},
            {"attention": "assigned", "assignee": "李师傅", "comment": None},
        ),
        ("api", "李师傅", "comment", {}, {"comment": "端子松动"}),
    ]  # fmt: skip


def test_a_refused_action_leaves_no_record(api: Any, community: Any) -> None:
    alert = community.alert()
    refused(do(api, alert, "close"))
    assert trail(api, alert) == []


def test_an_alert_explains_its_beginning(api: Any, community: Any) -> None:
    alert = community.alert(community.device("meter", "electricity_meter"))
    assert api.get(f"/alerts/{alert}").json()["why"] == ["此类情况一次即报，7月1日 12:00:00报警。"]


def test_a_late_action_is_refused_with_the_person_and_time_of_the_first(api: Any, community: Any) -> None:
    alert = community.alert()
    done(api, alert, "resolve", by="王经理")
    detail = refused(do(api, alert, "acknowledge", by="李师傅"))
    assert detail.startswith("报警已解决，不能再“确认”；可以“关闭”。最近一次操作：王经理 于")
    assert detail.endswith("“解决”。")


def test_of_two_simultaneous_assignments_one_succeeds_and_the_other_learns_the_assignee(
    api: Any, community: Any
) -> None:
    """Each request uses its own connection to API and database."""
    alert = community.alert()
    with ThreadPoolExecutor(2) as people:
        answers = list(people.map(lambda name: do(api, alert, "assign", assignee=name), ("李师傅", "张师傅")))
    winner = next(answer.json()["assignee"] for answer in answers if answer.is_success)
    (loser,) = (answer for answer in answers if not answer.is_success)
    assert f"报警已派给{winner}，没有改派给" in refused(loser)
    result = api.get(f"/alerts/{alert}").json()
    assert (result["assignee"], len(result["transitions"])) == (winner, 2)


def test_an_assignee_is_replaced_only_by_a_request_that_names_them(api: Any, community: Any) -> None:
    alert = community.alert()
    done(api, alert, "assign", assignee="李师傅")
    assert "已经派给李师傅" in refused(do(api, alert, "assign", assignee="李师傅"))
    refused(do(api, alert, "assign", assignee="张师傅"))
    refused(do(api, alert, "assign", assignee="张师傅", instead_of="王师傅"))
    done(api, alert, "start")
    assert done(api, alert, "assign", assignee="张师傅", instead_of="李师傅")["assignee"] == "张师傅"


def test_of_many_simultaneous_shelvings_one_succeeds(api: Any, community: Any) -> None:
    alert = community.alert()
    with ThreadPoolExecutor(4) as people:
        bodies = [{"until": soon(hours), "reason": "等备件", "by": f"第{hours}位"} for hours in range(1, 5)]
        answers = list(people.map(lambda body: do(api, alert, "shelve", **body), bodies))
    (winner,) = (answer.json() for answer in answers if answer.is_success)
    (cause,) = winner["suppressions"]
    assert {f"报警已由 {cause['actor']} 搁置到" in refused(answer) for answer in answers if not answer.is_success} == {
        True
    }
    assert api.get(f"/alerts/{alert}").json()["suppressions"] == [cause]


def test_a_shelved_alert_is_listed_with_person_reason_and_end(api: Any, community: Any) -> None:
    shelved, other = community.alert(), community.alert()
    until = soon(24 - 0.01)
    done(api, shelved, "shelve", by="王经理", until=until, reason="等备件")
    (cause,) = api.get(f"/alerts/{shelved}").json()["suppressions"]
    assert (cause["cause"], cause["cause_zh"], cause["actor"], cause["detail"]) == (
        "shelved", "已搁置", "王经理", "等备件",
    )  # fmt: skip
    assert datetime.fromisoformat(cause["until"]) == datetime.fromisoformat(until)

    def result(**query: Any) -> list[UUID]:
        return [UUID(item["id"]) for item in api.items("/alerts", community=community.id, **query)]

    assert result(suppressed="true") == [shelved]
    assert result(suppressed="false") == [other]
    assert set(result()) == {shelved, other}
    assert {UUID(item["id"]): len(item["suppressions"]) for item in api.items("/alerts", community=community.id)} == {
        shelved: 1, other: 0,
    }  # fmt: skip


def test_unshelving_ends_a_shelving_early_and_both_are_recorded(api: Any, community: Any) -> None:
    alert = community.alert()
    assert refused(do(api, alert, "unshelve")) == "报警没有被搁置，或者搁置已经到期。"
    until = done(api, alert, "shelve", until=soon(), reason="等备件")["suppressions"][0]["until"]
    result = done(api, alert, "unshelve", by="李师傅", comment="备件到了")
    assert result["suppressions"] == []
    assert [(step["reason"], step["comment"]) for step in result["transitions"][1:]] == [
        ("shelve", "等备件"),
        ("unshelve", "备件到了"),
    ]
    shelved, unshelved = trail(api, alert)
    assert shelved["after"] == unshelved["before"]
    assert datetime.fromisoformat(shelved["after"]["until"]) == datetime.fromisoformat(until)
    done(api, alert, "shelve", until=soon(), reason="又缺一件")


def test_a_suppression_by_rules_has_no_actor(api: Any, community: Any) -> None:
    alert = community.alert()
    suppress(
        community.connection,
        [alert],
        CauseName.CAUSED_BY_PARENT,
        since=datetime.now(UTC) - HOUR,
        detail="三号楼网关离线",
    )
    community.connection.commit()
    (cause,) = api.get(f"/alerts/{alert}").json()["suppressions"]
    assert (cause["cause_zh"], cause["until"], cause["actor"]) == ("另一故障引起", None, None)


@pytest.mark.parametrize("hours", [-0.01, 24.01])
def test_a_shelving_that_has_passed_or_lasts_more_than_a_day_is_refused_in_chinese(
    api: Any, community: Any, hours: float
) -> None:
    alert = community.alert()
    answer = do(api, alert, "shelve", until=soon(hours), reason="等备件")
    assert answer.status_code == 422
    assert "24 小时之内" in answer.json()["detail"]
    assert api.get(f"/alerts/{alert}").json()["suppressions"] == []


def test_an_ended_alert_need_not_be_shelved_but_may_be_commented_on(api: Any, community: Any) -> None:
    alert = community.alert()
    community.end(alert, datetime.now(UTC))
    assert refused(do(api, alert, "shelve", until=soon(), reason="等备件")) == "报警已结束，无需搁置。"
    assert done(api, alert, "comment", comment="原因已查明")["transitions"][-1]["comment"] == "原因已查明"


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("assign", {}),
        ("assign", {"assignee": " "}),
        ("comment", {}),
        ("comment", {"comment": ""}),
        ("comment", {"comment": "\x00"}),
        ("shelve", {"reason": "等备件"}),
        ("shelve", {"until": "2026-07-01T08:00:00+08:00"}),
        ("acknowledge", {"by": ""}),
        ("start", {"assignee": "李师傅"}),
    ],
)
def test_an_incomplete_body_is_refused_and_changes_nothing(
    api: Any, community: Any, action: str, body: dict[str, Any]
) -> None:
    alert = community.alert()
    answer = do(api, alert, action, **body)
    assert answer.status_code == 422
    assert answer.json()["type"] == "request-invalid"
    assert len(api.get(f"/alerts/{alert}").json()["transitions"]) == 1


def test_a_repeated_request_is_applied_once_and_answered_alike(api: Any, community: Any) -> None:
    alert = community.alert()
    for action, body in (
        ("acknowledge", {}),
        ("assign", {"assignee": "李师傅"}),
        ("comment", {"comment": "水表井积水"}),
        ("shelve", {"until": soon(), "reason": "等备件"}),
    ):
        key = f"{alert}-{action}"
        first, again = (do(api, alert, action, key, **body).raise_for_status().json() for _ in range(2))
        assert first == again
    assert len(trail(api, alert)) == 4
    late = do(api, alert, "acknowledge", f"{alert}-acknowledge").raise_for_status().json()
    assert late["attention"] == "assigned"  # the later action stands


def test_simultaneous_requests_with_one_key_are_applied_once(api: Any, community: Any) -> None:
    alert = community.alert()
    with ThreadPoolExecutor(6) as phone:
        answers = list(phone.map(lambda _: do(api, alert, "comment", str(alert), comment="到场"), range(6)))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len(api.get(f"/alerts/{alert}").json()["transitions"]) == 2


def test_a_key_of_another_action_is_refused(api: Any, community: Any) -> None:
    alert, other = community.alert(), community.alert()
    do(api, alert, "acknowledge", str(alert)).raise_for_status()
    for answer in (do(api, alert, "resolve", str(alert)), do(api, other, "acknowledge", str(alert))):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["type"] == "key_reused"
    assert api.get(f"/alerts/{other}").json()["attention"] == "unacknowledged"


@examples(12)
@given(actions=st.lists(st.sampled_from([*Action, "comment"]), max_size=7))
def test_any_sequence_of_actions_leaves_one_chain_in_the_history_and_one_in_the_audit_log(
    api: Any, make_community: Any, actions: list[str]
) -> None:
    """The API refuses the actions that the state machine refuses, and records all others."""
    with make_community() as community:
        alert = community.alert()
        state, taken = Attention.UNACKNOWLEDGED, []
        for number, action in enumerate(actions):
            needed = {"assign": {"assignee": f"第{number}位"}, "comment": {"comment": "到场"}}.get(action, {})
            before = api.get(f"/alerts/{alert}").json()["assignee"]
            extra = {"instead_of": before} if action == "assign" and before else {}
            answer = do(api, alert, action, **needed, **extra)
            try:
                state = state if action == "comment" else next_attention(state, Action(action))
            except AttentionError:
                refused(answer)
            else:
                assert answer.is_success, answer.text
                taken.append(action)
        result, log = api.get(f"/alerts/{alert}").json(), trail(api, alert)
    steps = [step for step in result["transitions"] if step["axis"] == "attention"]
    assert [step["reason"] for step in steps] == [row["action"] for row in log] == taken
    reached = ["unacknowledged", *(step["to_state"] for step in steps)]
    assert [step["from_state"] for step in steps] == reached[:-1]
    assert result["attention"] == reached[-1] == state
    moves = [row for row in log if row["action"] != "comment"]
    assert [row["before"]["assignee"] for row in moves[1:]] == [row["after"]["assignee"] for row in moves[:-1]]
