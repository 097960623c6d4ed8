"""Lists of alerts: their orders, page by page, and filters by building, words and assignee."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.principal import Role
from laws import examples
from logged_in import logged_in

NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)
GRAVEST_FIRST = ["critical", "major", "warning", "info"]


def ids(items: list[dict[str, Any]]) -> list[UUID]:
    return [UUID(each["id"]) for each in items]


@pytest.fixture(scope="module")
def stock(api: Any, make_community: Any) -> Any:
    """A community with alerts of every severity at five instants, two of each."""
    with make_community() as community:
        keys = {
            community.alert(severity=severity, opened_at=NOON + timedelta(minutes=minute)): (severity, minute)
            for severity, minute, _ in itertools.product(GRAVEST_FIRST, range(5), range(2))
        }
        yield community, keys


@pytest.mark.parametrize("sort", ["newest", "oldest", "severity"])
@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_pages_of_every_order_hold_each_alert_once_and_in_order(api: Any, stock: Any, sort: str, limit: int) -> None:
    community, keys = stock
    listed = ids(api.items("/alerts", community=community.id, sort=sort, limit=limit))
    assert sorted(listed) == sorted(keys)
    ranks = {
        "newest": lambda severity, minute: -minute,
        "oldest": lambda severity, minute: minute,
        "severity": lambda severity, minute: (GRAVEST_FIRST.index(severity), -minute),
    }
    ranked = [ranks[sort](*keys[each]) for each in listed]
    assert ranked == sorted(ranked)


def test_a_cursor_of_one_order_is_none_of_another(api: Any, stock: Any) -> None:
    community, _ = stock
    cursor = api.get("/alerts", community=community.id, sort="severity", limit=1).json()["next_cursor"]
    for sort in ("newest", "oldest"):
        assert api.get("/alerts", community=community.id, sort=sort, cursor=cursor).status_code == 422


@examples(20)
@given(st.lists(st.sampled_from(GRAVEST_FIRST), min_size=1, max_size=3, unique=True), st.integers(1, 9))
def test_filters_hold_in_every_order(api: Any, stock: Any, severities: list[str], limit: int) -> None:
    community, keys = stock
    listed = ids(api.items("/alerts", community=community.id, sort="severity", severity=severities, limit=limit))
    assert {keys[each][0] for each in listed} == set(severities)
    assert len(listed) == 10 * len(severities)


@pytest.fixture(scope="module")
def town(make_community: Any) -> Any:
    """A community with alerts at devices in two buildings, one outside, and one about a group in a building."""
    with make_community() as community:
        places = {
            "flat": {"building": "3", "unit": "2", "room": "501"},
            "other": {"building": "13", "unit": "2", "room": "501"},
            "shed": {"location": "东门内车棚"},
        }
        alerts = {
            name: community.alert(community.device(f"Meter-{name}".lower(), "electricity_meter", **place))
            for name, place in places.items()
        }
        yield community, alerts


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("3号楼", {"flat", "other"}), ("3号楼2单元501室", {"flat", "other"}), ("13号楼", {"other"}),
        ("车棚", {"shed"}), ("METER-SHED", {"shed"}), ("电压过高", {"flat", "other", "shed"}),
        ("电压 车棚", {"shed"}), ("车棚  电压 ", {"shed"}), ("车棚 3号楼", set()), ("%", set()), ("_", set()),
        ("'; DROP TABLE alert", set()), ("金河苑 501", {"flat", "other"}), (" ", {"flat", "other", "shed"}),
    ],
)  # fmt: skip
def test_all_words_have_to_stand_in_place_device_title_or_community(
    api: Any, town: Any, text: str, found: set[str]
) -> None:
    community, alerts = town
    listed = set(ids(api.items("/alerts", community=community.id, text=text)))
    assert listed == {alerts[name] for name in found}


def test_the_number_of_a_work_order_finds_its_alert(api: Any, town: Any) -> None:
    community, alerts = town
    number = str(alerts["shed"])[:8].upper()
    assert ids(api.items("/alerts", community=community.id, text=number)) == [alerts["shed"]]


@pytest.mark.parametrize(("building", "found"), [("3", {"flat"}), ("13", {"other"}), ("1", set())])
def test_a_building_is_itself_and_no_other_that_ends_like_it(
    api: Any, town: Any, building: str, found: set[str]
) -> None:
    community, alerts = town
    listed = ids(api.items("/alerts", community=community.id, building=building))
    assert set(listed) == {alerts[name] for name in found}


def test_mine_are_those_of_the_account(api: Any, api_database: str, make_community: Any) -> None:
    with make_community() as community, logged_in(api.url, api_database, Role.PROPERTY) as client:
        mine, theirs, _ = (community.alert() for _ in range(3))
        name = client.get("/me").json()["display_name"]
        for alert, assignee in ((mine, name), (theirs, "李师傅")):
            client.post(f"/alerts/{alert}/assign", json={"assignee": assignee}).raise_for_status()
        query = {"community": community.id, "mine": "true"}
        assert ids(client.get("/alerts", params=query).raise_for_status().json()["items"]) == [mine]
        both = client.get("/alerts", params={**query, "assignee": "李师傅"})
        assert both.status_code == 422


def test_the_shared_key_has_no_alerts_of_its_own(api: Any) -> None:
    answer = api.get("/alerts", mine="true")
    assert answer.status_code == 422
    assert "请用账号登录" in answer.json()["errors"][0]["msg_zh"]
