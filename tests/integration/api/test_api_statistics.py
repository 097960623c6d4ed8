"""Statistics of alerts: numbers and times against a count by hand, by scope and role, as JSON and as a workbook."""

import io
import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from accounts.principal import Role
from devices.local_time import CITY
from laws import examples
from logged_in import logged_in
from store.alerts.alerts import claim_alert
from store.alerts.attention import AttentionChange, record_attention
from store.alerts.statistics import StatisticsFilter, count_alerts, count_people
from store.alerts.transitions import alert_lock

JULY = datetime(2026, 7, 1, tzinfo=CITY)
WHOLE = {"start": "2026-06", "end": "2026-09"}


def step(community: Any, alert: UUID, state: str, at: datetime, actor: str = "王经理") -> None:
    """Let a person bring an alert into a state; a state `comment` leaves it as it is."""
    with alert_lock(community.connection) as locked:
        row = claim_alert(locked, alert)
        assert row is not None
        attention = row.attention if state == "comment" else state
        change = AttentionChange(attention=attention, assignee=None, reason=state, actor=actor, comment=None)
        record_attention(locked, row, change, at)
    community.connection.commit()


def percentile(values: list[float], share: float) -> float | None:
    """Return the percentile by linear interpolation, as spreadsheets do."""
    if not values:
        return None
    values, place = sorted(values), share * (len(values) - 1)
    low, high = values[math.floor(place)], values[math.ceil(place)]
    return low + (high - low) * (place - math.floor(place))


CASES = st.lists(
    st.tuples(
        st.sampled_from(["critical", "major", "warning", "info"]),
        st.integers(0, 80 * 24 * 60),  # minutes of opening: July to September
        st.none() | st.integers(1, 600),  # minutes until it is acknowledged
        st.none() | st.integers(1, 600),  # and from there until it is resolved
        st.booleans(),  # whether it ends
        st.sampled_from(["王经理", "李师傅"]),
    ),
    max_size=12,
)


@examples(15)
@given(cases=CASES)
def test_numbers_and_times_are_those_of_a_count_by_hand(make_community: Any, cases: list[Any]) -> None:
    with make_community() as community:
        alerts = []
        for severity, minute, until_seen, until_solved, ends, person in cases:
            opened = JULY + timedelta(minutes=minute)
            alert = community.alert(severity=severity, opened_at=opened)
            step(community, alert, "comment", opened + timedelta(seconds=5))
            seen = solved = None
            if until_seen is not None:
                seen = opened + timedelta(minutes=until_seen)
                step(community, alert, "acknowledged", seen, person)
            if until_solved is not None:
                solved = (seen or opened) + timedelta(minutes=until_solved)
                step(community, alert, "resolved", solved, person)
            if ends:
                community.end(alert, opened + timedelta(days=1))
            alerts.append((severity, opened, seen or solved, solved, ends, person))
        conditions = StatisticsFilter(start=JULY, end=JULY.replace(month=10), community=community.id)
        rows = count_alerts(community.connection, conditions)
        people = {row.person: row for row in count_people(community.connection, conditions)}
    (total,) = (row for row in rows if row.dimension == "total")
    assert (total.alerts, total.resolved) == (len(alerts), sum(each[3] is not None for each in alerts))
    assert total.acknowledged == sum(each[2] is not None for each in alerts)
    assert total.unattended == sum(each[4] and each[2] is None for each in alerts)
    assert total.open == sum(not each[4] for each in alerts)
    assert [total.critical, total.major, total.warning, total.info] == [
        sum(each[0] == severity for each in alerts) for severity in ("critical", "major", "warning", "info")
    ]
    seen_s = [(each[2] - each[1]).total_seconds() for each in alerts if each[2]]
    solved_s = [(each[3] - each[1]).total_seconds() for each in alerts if each[3]]
    for found, values, share in (
        (total.acknowledge_median_s, seen_s, 0.5), (total.acknowledge_p90_s, seen_s, 0.9),
        (total.resolve_median_s, solved_s, 0.5), (total.resolve_p90_s, solved_s, 0.9),
    ):  # fmt: skip
        assert found == pytest.approx(percentile(values, share))
    months = {row.key: row.alerts for row in rows if row.dimension == "month"}
    assert months == {
        month: number
        for month in ("2026-07", "2026-08", "2026-09")
        if (number := sum(f"{each[1]:%Y-%m}" == month for each in alerts))
    }
    for person in ("王经理", "李师傅"):
        own = [each for each in alerts if each[5] == person and each[2]]
        assert (people[person].acknowledged if person in people else 0) == len(own)


@pytest.fixture(scope="module")
def summer(make_community: Any) -> Any:
    """A community with a midnight's alerts of two kinds, one of them handled, and one that late data raised."""
    with make_community() as community:
        meter = community.device("m1", "water_meter")
        before = community.alert(meter, kind="water_meter", opened_at=JULY - timedelta(seconds=1))
        after = community.alert(opened_at=JULY, severity="critical")
        step(community, before, "acknowledged", JULY + timedelta(minutes=10))
        step(community, before, "closed", JULY + timedelta(minutes=70), "=HYPERLINK(1)")
        community.end(after, JULY + timedelta(hours=1))
        late = community.alert(opened_at=JULY)
        community.connection.execute(
            "UPDATE alert SET historical = true, simulated = true, process = 'ended' WHERE id = %s", (late,)
        )
        community.connection.commit()
        step(community, late, "acknowledged", JULY + timedelta(days=30))
        yield community


def read(client: httpx.Client, path: str = "/statistics", **query: Any) -> Any:
    return client.get(path, params=query).raise_for_status().json()


def test_months_are_local_and_those_without_alerts_are_there(api: Any, summer: Any) -> None:
    answer = read(api.client, community=summer.id, **WHOLE)
    assert [(each["month"], each["alerts"]) for each in answer["months"]] == [
        ("2026-06", 1), ("2026-07", 2), ("2026-08", 0), ("2026-09", 0),
    ]  # fmt: skip
    june = answer["months"][0]
    assert (june["acknowledged"], june["time_to_acknowledge"]) == (1, {"median_s": 601, "p90_s": 601})
    assert june["time_to_resolve"]["median_s"] == 4201
    assert answer["months"][2]["time_to_resolve"] == {"median_s": None, "p90_s": None}


def test_what_late_data_raised_counts_and_takes_no_time(api: Any, summer: Any) -> None:
    july = read(api.client, community=summer.id, **WHOLE)["months"][1]
    assert (july["alerts"], july["simulated"], july["acknowledged"], july["unattended"]) == (2, 1, 1, 1)
    assert july["time_to_acknowledge"]["median_s"] is None


def test_communities_and_kinds_have_their_names_and_filters_hold(api: Any, summer: Any) -> None:
    answer = read(api.client, community=summer.id, **WHOLE)
    assert [(each["community"], each["community_name"], each["alerts"]) for each in answer["communities"]] == [
        (summer.id, "金河苑", 3)
    ]
    assert [(each["kind_zh"], each["alerts"]) for each in answer["kinds"]] == [("电表", 2), ("水表", 1)]
    of_water = read(api.client, community=summer.id, kind="water_meter", **WHOLE)
    assert (of_water["total"]["alerts"], len(of_water["kinds"])) == (1, 1)


def test_people_are_counted_by_what_they_did_first(api: Any, summer: Any) -> None:
    items = read(api.client, "/statistics/people", community=summer.id, **WHOLE)["items"]
    assert [(each["person"], each["acknowledged"], each["resolved"]) for each in items] == [
        ("=HYPERLINK(1)", 0, 1), ("王经理", 2, 0),
    ]  # fmt: skip
    assert items[0]["time_to_resolve"]["median_s"] == 4201


def test_the_workbook_holds_the_figures_of_the_page_and_no_formula(api: Any, summer: Any) -> None:
    answer = api.get("/statistics.xlsx", community=summer.id, **WHOLE).raise_for_status()
    assert answer.headers["content-disposition"] == 'attachment; filename="anju-statistics-2026-06-2026-09.xlsx"'
    workbook = load_workbook(io.BytesIO(answer.content))
    assert workbook.sheetnames == ["说明", "按月", "按小区", "按设备类型", "按人员"]
    months = list(workbook["按月"].values)
    assert months[0][:2] == ("月份", "报警数")
    assert [row[:2] for row in months[1:]] == [
        ("2026-06", 1),
        ("2026-07", 2),
        ("2026-08", 0),
        ("2026-09", 0),
        ("合计", 3),
    ]
    assert months[1][months[0].index("解决用时中位数（分钟）")] == 70
    assert workbook["按人员"]["A2"].value == "=HYPERLINK(1)"
    assert {cell.data_type for sheet in workbook for row in sheet.iter_rows() for cell in row} <= {"s", "n"}
    assert "含模拟数据的报警 1 条，不能作为验收依据" in [row[1] for row in workbook["说明"].values]


def test_persons_are_for_their_company_alone(api: Any, api_database: str, summer: Any) -> None:
    with logged_in(api.url, api_database, Role.BUREAU) as client:
        assert client.get("/statistics/people").status_code == 403
        workbook = load_workbook(io.BytesIO(client.get("/statistics.xlsx").raise_for_status().content))
        assert "按人员" not in workbook.sheetnames
        assert read(client, community=summer.id, **WHOLE)["total"]["alerts"] == 3


def test_another_tenant_is_in_no_figure(api: Any, api_database: str, community: Any, summer: Any) -> None:
    community.alert(opened_at=JULY)
    with logged_in(api.url, api_database, Role.PROPERTY, f"community:{community.id}") as client:
        answer = read(client, **WHOLE)
        assert (answer["total"]["alerts"], len(answer["communities"])) == (1, 1)
        assert read(client, community=summer.id, **WHOLE)["total"]["alerts"] == 0
        assert read(client, "/statistics/people", **WHOLE)["items"] == []
        workbook = client.get("/statistics.xlsx", params={**WHOLE, "community": summer.id}).content
        assert load_workbook(io.BytesIO(workbook))["说明"]["B3"].value == summer.id


def test_twelve_months_up_to_the_present_one_unless_asked_otherwise(api: Any, community: Any) -> None:
    months = [each["month"] for each in read(api.client, community=community.id)["months"]]
    assert (len(months), months[-1]) == (12, f"{datetime.now(UTC).astimezone(CITY):%Y-%m}")


@pytest.mark.parametrize(
    "query",
    [
        {"start": "2026-13"}, {"start": "2026-7"}, {"start": "2026-07-01"}, {"end": "1999-01"},
        {"start": "2026-09", "end": "2026-08"}, {"start": "2020-01", "end": "2026-01"}, {"month": "2026-07"},
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/statistics", "/statistics/people", "/statistics.xlsx"])
def test_impossible_months_are_refused(api: Any, path: str, query: dict[str, str]) -> None:
    assert api.get(path, **query).status_code == 422
