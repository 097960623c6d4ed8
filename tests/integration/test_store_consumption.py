"""Consumption in SQL: the same definition as in the rules, and buckets that add up."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from devices.catalogue import KIND_BY_NAME
from devices.kind import Counter
from devices.local_time import CITY
from laws import examples
from rules.derived.counter import Count, counting, replacing
from rules.model.duration import microseconds_since_1970
from simulators.replay import Row
from store.database import Connection, connect
from store.registry.upsert import TableRows, upsert_registry
from store.telemetry.read import read_increases
from store.telemetry.write import ReadingRow, insert_readings

WATER = KIND_BY_NAME["water_meter"].field("volume_m3")
assert isinstance(WATER, Counter)
MIDNIGHT = datetime(2026, 7, 19, 16, tzinfo=UTC)  # the 20th begins in Shanghai
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ONE_BUCKET = "3650 days"

law = examples(200, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Reading(NamedTuple):
    """Register of a meter at a time; `replaced_by` makes it the last one of a meter that is replaced."""

    at: datetime
    value: float
    replaced_by: float | None = None


class Meter:
    """The meter of a test."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        upsert_registry(
            connection,
            TableRows(("id", "name", "banner", "street"), [("c", "金河苑", "东胜区", "林荫街道")]),
            TableRows(),
            TableRows(("community", "name", "kind"), [("c", "m", "water_meter")]),
        )
        row = connection.execute("SELECT id FROM device").fetchone()
        assert row is not None
        self.id = row[0]

    def show(self, readings: Sequence[Reading]) -> None:
        """Forget all earlier readings."""
        self._connection.execute("DELETE FROM telemetry_water_meter")
        self._connection.execute("DELETE FROM meter_replacement")
        rows = [ReadingRow(self.id, at, at, {WATER.name: value}) for at, value, new in readings if new is None]
        insert_readings(self._connection, {"water_meter": rows})
        for at, value, new in readings:
            if new is not None:
                self._connection.execute(
                    "INSERT INTO meter_replacement (device_id, field, at, old_register, new_register, actor,"
                    " recorded_at) VALUES (%s, %s, %s, %s, %s, '王师傅', now())",
                    (self.id, WATER.name, at, value, new),
                )

    def consumption(self, width: str, start: datetime, end: datetime) -> dict[datetime, float | None]:
        """Return the consumption by bucket."""
        rows = read_increases(self._connection, "water_meter", WATER, [self.id], start=start, end=end, width=width)
        assert {row.device_id for row in rows} <= {self.id}
        return {row.bucket: row.value for row in rows}

    def total(self, width: str, start: datetime, end: datetime) -> float:
        """Return the sum of the buckets, which carries as many decimals as the register."""
        return round(sum(value or 0 for value in self.consumption(width, start, end).values()), WATER.decimals)


@pytest.fixture
def meter(database_url: str) -> Iterator[Meter]:
    with connect(database_url, application_name="test") as connection:
        connection.autocommit = True
        yield Meter(connection)


def hourly(*values: float, start: datetime = MIDNIGHT + HOUR) -> list[Reading]:
    return [Reading(start + n * HOUR, value) for n, value in enumerate(values)]


EXAMPLES = {
    "a higher register after a replacement": ((812.4, 812.5, 20300, 20300.1, 20300.2), 0.3),
    "a first reading of 0": ((0, 812.4, 812.5, 812.6), 0.2),
    "a run of zeros": ((812.4, 0, 0, 812.5, 812.6), 0.2),
    "a long run of zeros": ((812.4, *[0] * 9, 812.5, 812.6), 0.2),
    "a run of 99999.9": ((812.4, 99999.9, 99999.9, 812.5, 812.6), 0.2),
    "a long run of 99999.9": ((812.4, *[99999.9] * 7, 812.5, 812.6), 0.2),
    "zeros and 99999.9 in turn": ((812.4, 0, 99999.9, 0, 99999.9, 812.5, 812.6), 0.2),
    "a register that runs backwards by litres": ((812.400, 812.395, 812.395, 812.395, 812.410), 0.01),
    "a register that runs backwards for good": ((812.400, 812.398, 812.397, 812.396), -0.004),
    "a reset": ((812.4, 812.5, 0, 0.1, 0.3), 0.4),
    "a reset in a flat that stands empty": ((812.4, 812.5, 0, 0, 0, 0, 0.2), 0.3),
    "a rollover": ((99_999.8, 99_999.9, 0.1, 0.2, 0.4), 0.6),
    "a rollover in a flat that stands empty": ((99_999.8, 0.1, 0.1, 0.1), 0.3),
    "binary noise": ((0.1, 0.3, 2.623), 2.523),
    "a doubt that lasts": ((812.4, 812.5, 0), 0.1),
}


@pytest.mark.parametrize(("values", "used"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_a_day_counts_what_was_consumed(meter: Meter, values: Sequence[float], used: float) -> None:
    meter.show(hourly(*values))
    assert meter.consumption("1d", MIDNIGHT, MIDNIGHT + DAY) == {MIDNIGHT: used}
    assert meter.total("1h", MIDNIGHT, MIDNIGHT + DAY) == used


def test_a_reading_at_midnight_closes_the_day_before(meter: Meter) -> None:
    meter.show([Reading(MIDNIGHT, 101), Reading(MIDNIGHT + DAY, 109)])
    assert meter.consumption("1d", MIDNIGHT, MIDNIGHT + DAY) == {MIDNIGHT: 8}
    assert meter.consumption("1d", MIDNIGHT - DAY, MIDNIGHT + 3 * DAY) == {MIDNIGHT: 8}


def test_a_rise_across_a_boundary_is_divided_by_time(meter: Meter) -> None:
    meter.show([Reading(MIDNIGHT - 6 * HOUR, 100), Reading(MIDNIGHT + 18 * HOUR, 104)])
    assert meter.consumption("1d", MIDNIGHT - DAY, MIDNIGHT + DAY) == {MIDNIGHT - DAY: 1, MIDNIGHT: 3}
    assert meter.consumption("1d", MIDNIGHT, MIDNIGHT + 6 * HOUR) == {MIDNIGHT: 1}


def test_rounded_buckets_add_up_to_the_rounded_total(meter: Meter) -> None:
    meter.show([Reading(MIDNIGHT, 100), Reading(MIDNIGHT + 3 * HOUR, 100.0001)])
    assert sorted(meter.consumption("1h", MIDNIGHT, MIDNIGHT + DAY).values()) == [0, 0, 0.0001]


def test_consumption_goes_on_across_a_recorded_replacement(meter: Meter) -> None:
    replaced = [*hourly(812.4, 812.5), Reading(MIDNIGHT + 2.5 * HOUR, 812.55, replaced_by=3)]
    meter.show([*replaced, Reading(MIDNIGHT + 3 * HOUR, 3.05)])
    assert meter.consumption("1h", MIDNIGHT, MIDNIGHT + DAY) == {MIDNIGHT + HOUR: 0.1, MIDNIGHT + 2 * HOUR: 0.1}


def test_a_later_reading_changes_the_past(meter: Meter) -> None:
    meter.show(hourly(812.4, 812.5, 0))
    assert meter.total("1d", MIDNIGHT, MIDNIGHT + DAY) == 0.1
    meter.show(hourly(812.4, 812.5, 0, 0.1, 0.2))
    assert meter.total("1d", MIDNIGHT, MIDNIGHT + DAY) == 0.3


@pytest.mark.parametrize("false", [0.0, 99_999.9])
def test_a_range_that_begins_or_ends_among_false_readings_knows_what_is_around_them(meter: Meter, false: float) -> None:
    meter.show(hourly(812.0, 812.1, 812.2, 812.4, *[false] * 60, 812.5, 812.6))
    jump = MIDNIGHT + 4 * HOUR  # 0.1 m³ in the 61 hours from here
    middle, end = jump + 50 * HOUR, MIDNIGHT + 10 * DAY
    assert meter.total(ONE_BUCKET, MIDNIGHT, middle) == pytest.approx(0.4 + 0.1 * 50 / 61, abs=1e-4)
    assert meter.total(ONE_BUCKET, middle, end) == pytest.approx(0.1 * 11 / 61 + 0.1, abs=1e-4)


rises = st.lists(st.integers(-90, 4_000).map(lambda litres: litres / 1000), min_size=1, max_size=6)
FALSE = [0.0, 99_999.9, 50_000.0]
steps = st.one_of(
    st.tuples(st.just("use"), rises),
    st.tuples(st.just("standstill"), st.integers(1, 60)),
    st.tuples(st.just("glitches"), st.lists(st.sampled_from(FALSE), min_size=1, max_size=8)),
    st.tuples(
        st.just("glitches"), st.tuples(st.sampled_from(FALSE), st.integers(1, 60)).map(lambda run: [run[0]] * run[1])
    ),
    st.tuples(st.just("reset"), st.sampled_from([0.0, 3.0, 61_000.0])),
    st.tuples(st.just("replacement"), st.sampled_from([0.0, 7.5, 30_000.0])),
    st.tuples(st.just("gap"), st.integers(2, 700)),
)


@st.composite
def courses(draw: st.DrawFn) -> list[Reading]:
    """A register with use, falls by litres, rollovers, runs of false readings, resets, replacements and gaps."""
    register = draw(st.sampled_from([0.0, 812.4, 99_990.0]))
    at = MIDNIGHT + timedelta(minutes=draw(st.integers(0, 59)))
    readings = [Reading(at, register)]
    for what, content in draw(st.lists(steps, min_size=1, max_size=8)):
        if what == "gap":
            at += content * HOUR
            continue
        if what == "reset":
            register = content
        for value in content if isinstance(content, list) else [0.0] * (content if what == "standstill" else 1):
            at += timedelta(minutes=draw(st.sampled_from([15, 60, 60, 60, 61])))
            if what == "replacement":
                readings.append(Reading(at, register, replaced_by=content))
                register = content
            elif what == "glitches":
                readings.append(Reading(at, value))
            else:
                register = round((register + value) % WATER.modulus, 3)
                readings.append(Reading(at, register))
    return readings


def total_of_the_rules(readings: Sequence[Reading]) -> float:
    count, replace, state = counting(WATER), replacing(WATER), None
    for at, value, new in readings:
        moment = microseconds_since_1970(at)
        state = count(state, moment, value) if new is None else replace(state, moment, value, new)
    return round(Count(*state).total, WATER.decimals) if state else 0.0


@law
@given(readings=courses())
def test_sql_and_the_rules_have_one_definition(meter: Meter, readings: list[Reading]) -> None:
    meter.show(readings)
    start, end = readings[0].at, readings[-1].at + HOUR
    assert meter.total(ONE_BUCKET, start, end) == pytest.approx(total_of_the_rules(readings), abs=1.5e-4)


@law
@given(readings=courses(), width=st.sampled_from(["15m", "1h", "7h", "1d", "1w", "1mo"]), shift=st.integers(0, 90))
def test_buckets_of_any_width_add_up_to_the_whole(
    meter: Meter, readings: list[Reading], width: str, shift: int
) -> None:
    meter.show(readings)
    start, end = readings[0].at - timedelta(minutes=shift), readings[-1].at + HOUR
    width = width.replace("mo", " months") if width.endswith("mo") else width.replace("m", " minutes")
    assert meter.total(width, start, end) == meter.total(ONE_BUCKET, start, end)


@law
@given(readings=courses(), part=st.floats(0.01, 0.99))
def test_two_ranges_add_up_to_the_range_of_both(meter: Meter, readings: list[Reading], part: float) -> None:
    meter.show(readings)
    start, end = readings[0].at, readings[-1].at + HOUR
    middle = start + (end - start) * part
    both = meter.total(ONE_BUCKET, start, middle) + meter.total(ONE_BUCKET, middle, end)
    assert both == pytest.approx(meter.total(ONE_BUCKET, start, end), abs=2.5e-4)


@law
@given(values=st.lists(st.integers(0, 9_000), min_size=2, max_size=30), minutes=st.data())
def test_a_bucket_is_the_difference_of_the_registers_at_its_ends(
    meter: Meter, values: list[int], minutes: st.DataObject
) -> None:
    readings, at, register = [Reading(MIDNIGHT, 5.0)], MIDNIGHT, 5.0
    for litres in values:
        at += timedelta(minutes=minutes.draw(st.integers(20, 200)))
        register = round(register + litres / 1000, 3)
        readings.append(Reading(at, register))
    meter.show(readings)
    for bucket, used in meter.consumption("1h", MIDNIGHT, at).items():
        expected = register_at(readings, min(bucket + HOUR, at)) - register_at(readings, bucket)
        assert used == pytest.approx(expected, abs=1.01e-4)


def register_at(readings: Sequence[Reading], at: datetime) -> float:
    for (since, low, _), (until, high, _) in pairwise(readings):
        if since <= at <= until:
            return low + (high - low) * ((at - since) / (until - since))
    raise AssertionError(at)


def test_a_curve_of_a_device_takes_less_than_a_tenth_of_a_second(meter: Meter) -> None:
    meter.show([Reading(MIDNIGHT + n * HOUR / 4, 100 + n / 100) for n in range(96 * 40)])
    start = MIDNIGHT + 20 * DAY
    meter.consumption("15m", start, start + DAY)
    began = datetime.now(UTC)
    assert len(meter.consumption("15m", start, start + DAY)) == 96
    assert datetime.now(UTC) - began < timedelta(milliseconds=100)


def test_a_flat_that_has_been_empty_for_a_year_has_consumed_nothing_in_any_hour(meter: Meter) -> None:
    meter.show([Reading(MIDNIGHT - n * HOUR, 812.4) for n in range(365 * 24)])
    assert set(meter.consumption("1h", MIDNIGHT - DAY, MIDNIGHT).values()) == {0}


@pytest.mark.slow
def test_a_month_of_a_thousand_meters_by_day_takes_seconds(database_url: str) -> None:
    with connect(database_url, application_name="test") as connection:
        connection.execute(
            """
            INSERT INTO telemetry_water_meter (device_id, ts, received_at, volume_m3)
            SELECT meter, ts, ts, 100 + meter + extract(epoch FROM ts - %(start)s) / 3600 * 0.0123
            FROM generate_series(1, 1000) AS meter,
                 generate_series(%(start)s - interval '7 days', %(start)s + interval '38 days', '1 hour') AS ts
            """,
            {"start": MIDNIGHT},
        )
        began = datetime.now(UTC)
        meters, end = range(1, 1001), MIDNIGHT + 31 * DAY
        days = read_increases(connection, "water_meter", WATER, meters, start=MIDNIGHT, end=end, width="1 day")
        assert datetime.now(UTC) - began < timedelta(seconds=30)
    assert len(days) == 31_000
    assert {day.value for day in days} == {0.2952}


@pytest.mark.recorded_data
def test_every_month_of_a_real_meter_is_the_same_to_sql_and_to_the_rules(
    database_url: str, recorded_rows: Sequence[Row]
) -> None:
    """Ninety-two meters of a year, with gaps of months, falls by litres and two meters in turn (DAIAD trial A)."""
    meters = {name: number for number, name in enumerate(sorted({row.device for row in recorded_rows}), 1)}
    rows = {(meters[row.device], row.at): row.litres / 1000 for row in reversed(recorded_rows)}
    start, end = datetime(2016, 2, 29, 16, tzinfo=UTC), datetime(2017, 3, 31, 16, tzinfo=UTC)
    with connect(database_url, application_name="test") as connection:
        readings = [ReadingRow(meter, at, at, {WATER.name: register}) for (meter, at), register in rows.items()]
        insert_readings(connection, {"water_meter": readings})
        months = read_increases(
            connection, "water_meter", WATER, [*meters.values()], start=start, end=end, width="1 month"
        )
    by_meter: dict[int, list[Reading]] = {meter: [] for meter in meters.values()}
    for (meter, at), register in sorted(rows.items()):
        by_meter[meter].append(Reading(at, register))
    totals = {meter: totals_of_the_rules(course) for meter, course in by_meter.items()}
    assert len(months) > 900
    for meter, month, used in months:
        next_month = (month.astimezone(CITY) + timedelta(days=31)).replace(day=1)
        at_ends = (register_at(totals[meter], at) for at in (month, next_month.astimezone(UTC)))
        assert used == pytest.approx(-next(at_ends) + next(at_ends), abs=1.5e-4)


def totals_of_the_rules(readings: Sequence[Reading]) -> list[Reading]:
    """Return the total after each good reading, and before and after all of them."""
    count, state, totals = counting(WATER), None, [Reading(MIDNIGHT - 20 * 365 * DAY, 0.0)]
    for at, value, _ in readings:
        state = count(state, microseconds_since_1970(at), value)
        if not Count(*state).suspects:
            totals.append(Reading(at, state[2]))
    assert state is not None
    first, *others = totals[1:]
    return [totals[0], first, *others, Reading(MIDNIGHT + 365 * DAY, state[2])]
