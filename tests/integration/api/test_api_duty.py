"""Duty and handover: who is on duty when, and what a shift tells the next one."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from accounts.principal import Role
from logged_in import logged_in

HOUR = timedelta(hours=1)
NOW = datetime.now(UTC).replace(microsecond=0)
FUTURE = NOW + timedelta(days=100)


def enter(client: httpx.Client, *communities: str, key: str | None = None, **entry: Any) -> httpx.Response:
    body = {"communities": list(communities), "person": "王师傅", **entry}
    for name in ("starts_at", "ends_at"):
        if name in body:
            body[name] = body[name].isoformat()
    return client.post("/duty", json=body, headers={"Idempotency-Key": key} if key else {})


def entered(api: Any, *communities: str, **entry: Any) -> list[dict[str, Any]]:
    shifts: list[dict[str, Any]] = enter(api.client, *communities, **entry).raise_for_status().json()["items"]
    return shifts


def on_duty(api: Any, community: str, start: datetime | None = None, end: datetime | None = None) -> list[str]:
    period = {name: at.isoformat() for name, at in (("start", start), ("end", end)) if at}
    return [shift["person"] for shift in api.items("/duty", community=community, limit=1, **period)]


def test_who_is_on_duty_now_and_at_any_instant(api: Any, community: Any) -> None:
    entered(api, community.id, ends_at=NOW + HOUR)
    entered(api, community.id, person="李师傅", starts_at=NOW + HOUR, ends_at=NOW + 9 * HOUR, note="门卫室电话转接")
    entered(api, community.id, person="张师傅", starts_at=NOW + 2 * HOUR, ends_at=NOW + 3 * HOUR)
    assert on_duty(api, community.id) == ["王师傅"]
    assert on_duty(api, community.id, NOW + HOUR) == ["李师傅"]
    assert on_duty(api, community.id, NOW + 2.5 * HOUR) == ["李师傅", "张师傅"]
    assert on_duty(api, community.id, NOW + HOUR / 2, NOW + 10 * HOUR) == ["王师傅", "李师傅", "张师傅"]
    assert on_duty(api, community.id, NOW + 3 * HOUR, NOW + 4 * HOUR) == ["李师傅"]
    assert on_duty(api, community.id, NOW + 9 * HOUR) == []


def test_a_shift_of_several_communities_is_one_for_each(api: Any, community: Any, make_community: Any) -> None:
    with make_community() as other:
        shifts = entered(api, community.id, other.id, community.id, ends_at=NOW + HOUR)
    assert {shift["community"] for shift in shifts} == {community.id, other.id}
    assert {shift["community_name"] for shift in shifts} == {"金河苑"}
    assert len({shift["id"] for shift in shifts}) == 2


def test_a_person_is_on_duty_once_at_a_time_in_a_community(api: Any, community: Any) -> None:
    entered(api, community.id, starts_at=FUTURE, ends_at=FUTURE + 8 * HOUR)
    for starts_at, ends_at in ((-1, 1), (0, 8), (2, 3), (7, 12), (-5, 20)):
        answer = enter(api.client, community.id, starts_at=FUTURE + starts_at * HOUR, ends_at=FUTURE + ends_at * HOUR)
        assert answer.status_code == 409
        assert answer.json()["detail"].startswith("王师傅在金河苑已经排了班：")
    entered(api, community.id, starts_at=FUTURE + 8 * HOUR, ends_at=FUTURE + 9 * HOUR)
    entered(api, community.id, starts_at=FUTURE - HOUR, ends_at=FUTURE)


def test_of_simultaneous_entries_of_one_shift_one_is_stored(api: Any, community: Any) -> None:
    with ThreadPoolExecutor(4) as people:
        answers = list(people.map(lambda _: enter(api.client, community.id, ends_at=NOW + HOUR), range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


def test_entries_for_the_same_communities_at_once_do_not_wait_for_each_other_for_ever(
    api: Any, community: Any, make_community: Any
) -> None:
    with make_community() as other, ThreadPoolExecutor(6) as people:
        answers = people.map(
            lambda name: enter(api.client, other.id, community.id, person=name, ends_at=NOW + HOUR), "甲乙丙丁戊己"
        )
        assert {answer.status_code for answer in answers} == {201}


def test_a_refusal_of_one_community_stores_nothing_for_the_others(api: Any, community: Any) -> None:
    answer = enter(api.client, community.id, "nowhere", ends_at=NOW + HOUR)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "communities"])
    assert on_duty(api, community.id) == []


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ({"ends_at": NOW - HOUR}, "ends_at"),
        ({"starts_at": NOW + 2 * HOUR, "ends_at": NOW + HOUR}, "ends_at"),
        ({"starts_at": NOW, "ends_at": NOW + timedelta(days=31, seconds=1)}, "ends_at"),
        ({"ends_at": NOW + HOUR, "person": " "}, "person"),
        ({}, "ends_at"),
    ],
)
def test_impossible_shifts_are_refused(api: Any, community: Any, entry: dict[str, Any], part: str) -> None:
    answer = enter(api.client, community.id, **entry)
    assert (answer.status_code, answer.json()["errors"][0]["loc"][-1]) == (422, part)


def test_a_shift_ends_early_once_and_a_cancelled_one_never_was(api: Any, community: Any) -> None:
    (present,) = entered(api, community.id, starts_at=NOW - HOUR, ends_at=NOW + HOUR)
    (coming,) = entered(api, community.id, starts_at=FUTURE, ends_at=FUTURE + HOUR)
    for shift in (present, coming):
        ended = api.client.post(f"/duty/{shift['id']}/end", json={"by": "王经理"}).raise_for_status().json()
        assert ended["ended_by"] == "王经理"
        again = api.client.post(f"/duty/{shift['id']}/end")
        assert (again.status_code, "由 王经理 提前结束" in again.json()["detail"]) == (409, True)
    assert on_duty(api, community.id, NOW - HOUR / 2) == ["王师傅"]
    assert on_duty(api, community.id) == on_duty(api, community.id, FUTURE) == []
    entered(api, community.id, starts_at=FUTURE, ends_at=FUTURE + HOUR)
    assert api.client.post(f"/duty/{uuid.uuid4()}/end").status_code == 404


def test_a_request_that_is_sent_again_enters_and_ends_once(api: Any, community: Any) -> None:
    key = f"k-{uuid.uuid4()}"
    first, again = (enter(api.client, community.id, key=key, ends_at=NOW + HOUR) for _ in range(2))
    assert first.json() == again.json()
    (shift,) = first.json()["items"]
    other = f"k-{uuid.uuid4()}"
    for _ in range(2):
        answer = api.client.post(f"/duty/{shift['id']}/end", headers={"Idempotency-Key": other})
        assert answer.status_code == 200
    reused = api.client.post("/handover/notes", json={"community": community.id, "note": "x"},
                             headers={"Idempotency-Key": other})  # fmt: skip
    assert reused.status_code == 422
    actions = [row["action"] for row in api.items("/audit", subject="duty_shift", subject_id=shift["id"])]
    assert actions == ["end", "create"]


@pytest.fixture
def manager(api: Any, api_database: str, community: Any) -> Iterator[httpx.Client]:
    with logged_in(api.url, api_database, Role.PROPERTY, f"community:{community.id}") as client:
        yield client


def test_another_tenant_sees_and_changes_no_shift_note_or_step(
    api: Any, community: Any, make_community: Any, manager: httpx.Client
) -> None:
    with make_community() as theirs:
        (shift,) = entered(api, theirs.id, ends_at=NOW + HOUR)
        alert = theirs.alert(opened_at=NOW)
        api.client.post(f"/alerts/{alert}/acknowledge").raise_for_status()
        api.client.post("/handover/notes", json={"community": theirs.id, "note": "机密"}).raise_for_status()
        for path in ("/duty", "/handover"):
            assert theirs.id not in manager.get(path).raise_for_status().text
            assert theirs.id not in manager.get(path, params={"community": theirs.id}).raise_for_status().text
        assert manager.post(f"/duty/{shift['id']}/end").status_code == 404
        refusals = [
            (
                enter(manager, each, ends_at=NOW + HOUR),
                manager.post("/handover/notes", json={"community": each, "note": "x"}),
            )
            for each in (theirs.id, "nowhere")
        ]  # fmt: skip
        for of_others, of_nobody in zip(*refusals, strict=True):
            assert of_others.status_code == 422
            assert of_others.text.replace(theirs.id, "nowhere") == of_nobody.text


def test_a_handover_holds_what_is_open_what_was_done_and_who_comes(
    api: Any, community: Any, manager: httpx.Client
) -> None:
    entered(api, community.id, starts_at=NOW - 2 * HOUR, ends_at=NOW + HOUR)
    entered(api, community.id, person="李师傅", starts_at=NOW + 5 * HOUR, ends_at=NOW + 9 * HOUR)
    entered(api, community.id, person="张师傅", starts_at=NOW + 48 * HOUR, ends_at=NOW + 50 * HOUR)
    device = community.device("m1", "water_meter", building="3", unit="2", room="501")
    grave = community.alert(device, severity="critical", opened_at=NOW - HOUR)
    old = community.alert(opened_at=NOW - 300 * HOUR)
    under_way = community.alert(opened_at=NOW - HOUR)
    over = community.alert(opened_at=NOW - HOUR)
    for alert, action, body in (
        (grave, "acknowledge", {}), (under_way, "assign", {"assignee": "李师傅"}),
        (over, "resolve", {"comment": "已紧固"}),
    ):  # fmt: skip
        manager.post(f"/alerts/{alert}/{action}", json=body).raise_for_status()
    for alert in (under_way, over):
        community.end(alert, NOW)
    note = manager.post("/handover/notes", json={"community": community.id, "note": "钥匙在门卫室"})
    assert (note.status_code, note.json()["actor"]) == (201, "王经理")
    handover = manager.get("/handover").raise_for_status().json()
    assert [each["person"] for each in handover["on_duty"]] == ["王师傅"]
    end = (NOW + 4 * HOUR).isoformat()
    planned = manager.get("/handover", params={"start": NOW.isoformat(), "end": end}).raise_for_status().json()
    assert [each["person"] for each in planned["next_on_duty"]] == ["李师傅"]
    assert [each["id"] for each in handover["open"]] == [str(grave), str(old)]
    assert handover["open_counts"] == {"info": 0, "warning": 1, "major": 0, "critical": 1}
    assert [each["id"] for each in handover["in_hand"]] == [str(under_way)]
    assert handover["opened"] == {"critical": 1, "major": 0, "warning": 2, "info": 0, "ended": 2}
    assert [(each["act_zh"], each["actor"], each["assignee"], each["comment"]) for each in handover["done"]] == [
        ("解决", "王经理", None, "已紧固"), ("派单", "王经理", "李师傅", None), ("确认", "王经理", None, None),
    ]  # fmt: skip
    assert handover["done"][2]["place"] == "3号楼2单元501室"
    assert [each["note"] for each in handover["notes"]] == ["钥匙在门卫室"]
    before = manager.get("/handover", params={"end": (NOW - HOUR).isoformat()}).raise_for_status().json()
    assert (before["done"], before["notes"]) == ([], [])


@pytest.mark.parametrize("length", [timedelta(0), -HOUR, timedelta(days=7, seconds=1)])
def test_a_handover_is_of_a_period_of_seven_days_at_most(api: Any, length: timedelta) -> None:
    answer = api.get("/handover", start=NOW.isoformat(), end=(NOW + length).isoformat())
    assert answer.status_code == 422


def test_a_street_reads_a_handover_and_writes_none(api: Any, api_database: str, community: Any) -> None:
    with logged_in(api.url, api_database, Role.STREET) as client:
        assert client.get("/handover", params={"community": community.id}).status_code == 200
        assert client.post("/handover/notes", json={"community": community.id, "note": "x"}).status_code == 403
        assert enter(client, community.id, ends_at=NOW + HOUR).status_code == 403
