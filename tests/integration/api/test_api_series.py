"""Series of a device over the API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laws import examples

NOON = datetime(2026, 7, 1, 4, tzinfo=UTC)  # in Shanghai
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

few_examples = examples(20)


def meter(community: Any, *readings: float, every: timedelta = HOUR) -> str:
    """Make a meter with these register values, one per interval `every` from noon on; return the path of its series."""
    device_id = community.device("meter", "electricity_meter")
    community.readings(
        "electricity_meter", device_id, {NOON + n * every: {"energy_kwh": kwh} for n, kwh in enumerate(readings)}
    )
    return f"/devices/{community.id}/meter/telemetry"


def buckets(
    api: Any, path: str, field: str, aggregate: str, bucket: str, *, start: datetime, end: datetime
) -> list[Any]:
    query = {
        "field": field,
        "aggregate": aggregate,
        "bucket": bucket,
        "start": start.isoformat(),
        "end": end.isoformat(),
    }
    answer = api.get(path, **query).raise_for_status().json()
    return [(item["ts"], item["values"][field]) for item in answer["items"]]


def test_readings_come_newest_first_with_the_definitions_of_their_fields(api: Any, community: Any) -> None:
    device_id = community.device("m", "electricity_meter", simulated=True)
    series = {NOON: {"energy_kwh": 10.0, "relay_closed": True}, NOON + HOUR: {"voltage_v": 221.5}}
    community.readings("electricity_meter", device_id, series)

    result = api.get(f"/devices/{community.id}/m/telemetry").raise_for_status().json()

    assert result["items"] == [
        {"ts": "2026-07-01T05:00:00Z", "received_at": "2026-07-01T05:00:01Z", "values": {"voltage_v": 221.5}},
        {
            "ts": "2026-07-01T04:00:00Z",
            "received_at": "2026-07-01T04:00:01Z",
            "values": {"energy_kwh": 10.0, "relay_closed": True},
        },
    ]
    assert result["simulated"] is True
    assert result["next_cursor"] is None
    info = {field["name"]: field for field in result["fields"]}
    assert (info["energy_kwh"]["type"], info["energy_kwh"]["unit"], info["energy_kwh"]["zh"]) == (
        "counter",
        "kWh",
        "正向有功电能",
    )
    assert (info["relay_closed"]["type"], info["relay_closed"]["unit"]) == ("flag", None)


def test_readings_without_the_wanted_field_are_left_out(api: Any, community: Any) -> None:
    device_id = community.device("m", "electricity_meter")
    community.readings("electricity_meter", device_id, {NOON: {"energy_kwh": 10.0}, NOON + HOUR: {"voltage_v": 221.5}})
    result = api.items(f"/devices/{community.id}/m/telemetry", field="energy_kwh")
    assert [item["values"] for item in result] == [{"energy_kwh": 10.0}]


@few_examples
@given(count=st.integers(0, 12), size=st.integers(1, 13))
def test_paging_gives_each_reading_once_whatever_the_page_size(
    api: Any, make_community: Any, count: int, size: int
) -> None:
    with make_community() as community:
        path = meter(community, *range(count))
        result = api.items(path, limit=size)
    assert [item["values"]["energy_kwh"] for item in result] == list(reversed(range(count)))


def test_a_range_holds_its_start_and_not_its_end(api: Any, community: Any) -> None:
    path = meter(community, 1, 2, 3)
    result = api.items(path, start=NOON.isoformat(), end=(NOON + 2 * HOUR).isoformat())
    assert [item["values"]["energy_kwh"] for item in result] == [2, 1]


@pytest.mark.parametrize(
    ("aggregate", "value"),
    [("min", 1), ("max", 7), ("mean", 4), ("sum", 12), ("count", 3), ("first", 1), ("last", 7), ("increase", 6)],
)
def test_a_bucket_holds_the_aggregate_of_its_readings(api: Any, community: Any, aggregate: str, value: float) -> None:
    path = meter(community, 1, 4, 7, every=10 * MINUTE)
    result = buckets(api, path, "energy_kwh", aggregate, "1h", start=NOON, end=NOON + HOUR)
    assert result == [("2026-07-01T04:00:00Z", value)]


def test_the_mean_of_a_flag_is_the_share_of_readings_that_are_true(api: Any, community: Any) -> None:
    device_id = community.device("m", "electricity_meter")
    series = {NOON + n * MINUTE: {"relay_closed": n != 0} for n in range(4)}
    community.readings("electricity_meter", device_id, series)
    path = f"/devices/{community.id}/m/telemetry"
    assert buckets(api, path, "relay_closed", "mean", "1h", start=NOON, end=NOON + HOUR) == [
        ("2026-07-01T04:00:00Z", 0.75)
    ]
    assert buckets(api, path, "relay_closed", "last", "1h", start=NOON, end=NOON + HOUR) == [
        ("2026-07-01T04:00:00Z", True)
    ]


def test_days_and_months_begin_at_midnight_in_shanghai(api: Any, community: Any) -> None:
    path = meter(community, *range(24))  # until 11 o'clock of the next day
    start, end = NOON, NOON + 24 * HOUR
    days = buckets(api, path, "energy_kwh", "count", "1d", start=start, end=end)
    assert days == [("2026-06-30T16:00:00Z", 12), ("2026-07-01T16:00:00Z", 12)]
    assert buckets(api, path, "energy_kwh", "count", "1mo", start=start, end=end) == [("2026-06-30T16:00:00Z", 24)]


@pytest.mark.parametrize(
    ("readings", "increase"),
    [
        ((100, 103, 110), 10),
        ((5000, 0, 5001, 5003), 3),
        ((5000, 0, 0, 0, 0, 5001, 5003), 3),
        ((100, 999_999, 101), 1),
        ((100, 999_999, 999_999, 101), 1),
        ((5000, 2, 5, 6), 4),
        ((999_998, 1, 3, 4), 6),
        ((12.5, 13.1, 15.023), 2.523),
        ((7,), None),
    ],
    ids=[
        "growth",
        "one reading of 0",
        "a run of 0",
        "one reading far above",
        "a run far above",
        "replaced meter",
        "rollover",
        "decimals",
        "nothing before",
    ],
)
def test_an_increase_books_neither_resets_nor_glitches(
    api: Any, community: Any, readings: tuple[float, ...], increase: float | None
) -> None:
    path = meter(community, *readings)
    result = buckets(api, path, "energy_kwh", "increase", "1d", start=NOON, end=NOON + 12 * HOUR)
    assert [value for _, value in result] == [increase]


def test_an_increase_counts_from_the_last_reading_before_the_range(api: Any, community: Any) -> None:
    path = meter(community, 10, 14, 15, 18)
    result = buckets(api, path, "energy_kwh", "increase", "1h", start=NOON + HOUR / 2, end=NOON + 3 * HOUR)
    assert [value for _, value in result] == [2, 1, 3]


def test_a_reading_at_midnight_closes_the_day_before(api: Any, community: Any) -> None:
    midnight = NOON - 12 * HOUR
    device_id = community.device("m", "electricity_meter")
    series = {midnight + n * 24 * HOUR: {"energy_kwh": kwh} for n, kwh in enumerate((101.0, 109.0, 112.0))}
    community.readings("electricity_meter", device_id, series)
    path = f"/devices/{community.id}/m/telemetry"
    result = buckets(api, path, "energy_kwh", "increase", "1d", start=midnight, end=midnight + 72 * HOUR)
    assert result == [("2026-06-30T16:00:00Z", 8), ("2026-07-01T16:00:00Z", 3)]


@pytest.mark.parametrize("aggregate", ["mean", "sum"])
def test_no_aggregate_shows_binary_noise(api: Any, community: Any, aggregate: str) -> None:
    device_id = community.device("m", "electricity_meter")
    series = {NOON + n * MINUTE: {"voltage_v": volts} for n, volts in enumerate((220.1, 220.2, 220.4))}
    community.readings("electricity_meter", device_id, series)
    path = f"/devices/{community.id}/m/telemetry"
    result = buckets(api, path, "voltage_v", aggregate, "1h", start=NOON, end=NOON + HOUR)
    assert [value for _, value in result] == [{"mean": 220.2333, "sum": 660.7}[aggregate]]


def total(api: Any, path: str, start: datetime, end: datetime) -> float:
    return sum(value or 0 for _, value in buckets(api, path, "energy_kwh", "increase", "1h", start=start, end=end))


@few_examples
@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.integers(1, 11))
def test_an_increase_is_the_sum_of_its_parts(api: Any, make_community: Any, steps: list[int], cut: int) -> None:
    """Holds for a register that only grows; the sum equals its growth."""
    readings = [sum(steps[: n + 1]) for n in range(len(steps))]
    end, middle = NOON + 13 * HOUR, NOON + cut * HOUR
    with make_community() as community:
        path = meter(community, *readings)
        whole = total(api, path, NOON, end)
        parts = total(api, path, NOON, middle) + total(api, path, middle, end)
    assert whole == parts == readings[-1] - readings[0]


@pytest.mark.parametrize(
    ("query", "parameter", "message"),
    [
        ("field=volume_m3", "field", "energy_kwh"),
        ("bucket=1h&aggregate=mean", "field", "energy_kwh"),
        ("field=voltage_v&bucket=1h&aggregate=increase", "aggregate", "min, max, mean"),
        ("field=relay_closed&bucket=1h&aggregate=sum", "aggregate", "mean, count, first, last"),
        ("field=voltage_v&bucket=1h&aggregate=median", "aggregate", "'increase'"),
        ("field=voltage_v&bucket=60&aggregate=mean", "bucket", "1mo"),
        ("field=voltage_v&bucket=1h", "bucket", "belong together"),
        ("field=voltage_v&aggregate=mean", "bucket", "belong together"),
        ("field=voltage_v&bucket=1m&aggregate=mean&start=2026-01-01T00:00:00Z", "bucket", "5000"),
        (
            "field=voltage_v&bucket=1h&aggregate=mean&end=2026-01-01T00:00:00Z&start=2026-02-01T00:00:00Z",
            "end",
            "later",
        ),
        ("field=voltage_v&bucket=1h&aggregate=mean&cursor=x", "cursor", "without pages"),
        ("start=2026-01-01T00:00:00", "start", "timezone"),
        ("start=1970-01-01T00:00:00Z", "start", "2000"),
        ("limit=0", "limit", "greater"),
        ("since=2026-01-01T00:00:00Z", "since", "not permitted"),
    ],
)
def test_an_invalid_query_is_refused_with_the_valid_choices(
    api: Any, community: Any, query: str, parameter: str, message: str
) -> None:
    answer = api.client.get(f"{meter(community)}?{query}")
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["type"] == "request-invalid"
    assert [error["loc"] for error in problem["errors"]] == [["query", parameter]]
    assert message in problem["errors"][0]["msg"]
    assert message in problem["detail"]
