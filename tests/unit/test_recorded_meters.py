"""The water rules on a year of 92 real meters: the DAIAD trial (github.com/DAIAD/data, CC BY-SA 4.0).

Each alert was verified by eye on a plot of litres per hour, from some days before it until after its end.
"""

from collections import defaultdict
from itertools import groupby, pairwise

import pytest

from devices.device import Device
from devices.water_meter import WATER_METER
from rules.analysis.backtest import Arrival, Span, backtest
from rules.derived.counter import Count, counting
from rules.model.rule import RulePack
from rules.model.sample import Sample
from shipped_rules import SHIPPED

VOLUME = WATER_METER.field("volume_m3")

# By the first characters of the meter's id: the days on which an alert was raised, with the year unless it is 2016.
LEAKS = {
    # A base flow of 1 to 4 l/h that never stops: cisterns and dripping taps, some for months.
    "0860": ["04-29"],
    "0da9": ["03-06"],
    "be4c": ["03-23", "06-16", "09-06", "2017-02-21"],
    "da98": [
        *("03-13", "03-17", "03-26", "04-05", "04-16", "04-20", "04-27", "05-10", "05-16"),
        *("05-26", "06-15", "06-22", "07-01", "07-07", "07-27", "08-25", "2017-01-06"),
    ],
    "f19a": ["05-09"],
    # The same base flow, and on 8 August a day of 30 l/h before it.
    "1438": ["07-03", "08-08", "09-18"],
    # Base flows of 3, of 28 and of 2 l/h, with ordinary use in between.
    "7800": ["03-04", "04-26", "05-08"],
    # 58 l/h for a week.
    "a3ee": ["06-10"],
}
DOUBTFUL = {
    # A base flow of 1 to 4 l/h through nights with missing readings.
    "9659": ["08-07"],
}
UNUSED = {
    # Flats that are used for some weeks of the year.
    "08f3": ["03-31", "06-17", "2017-02-10"],
    "0d56": ["05-16", "11-28"],
    "1438": ["03-31", "06-15", "11-08"],
    "3053": ["04-29", "08-25", "10-10", "12-02", "2017-01-14"],
}
MUCH = {
    # 500 l/h for a day and for six hours.
    "0e7d": ["07-18", "10-31"],
    # 700 l/h for up to 33 hours, at a meter with high use in general.
    "a3ee": ["03-24", "06-24", "12-02"],
}

pytestmark = pytest.mark.recorded_data


@pytest.fixture(scope="module")
def rows(recorded_rows):
    """Return all readings by meter."""
    by_meter = defaultdict(list)
    for row in recorded_rows:
        by_meter[row.device].append(row)
    return by_meter


def raise_alerts(rows):
    """Return (rule, meter, opened, ended) of every alert about consumption; takes half a minute and runs once."""
    consumption_rules = RulePack(tuple(rule for rule in SHIPPED.of_kind("water_meter") if rule.no_data is None))
    devices = {number: Device(number, "daiad", meter, "water_meter") for number, meter in enumerate(rows, 1)}
    numbers = {device.name: number for number, device in devices.items()}
    ordered = sorted((row for of_meter in rows.values() for row in of_meter), key=lambda row: row.at)
    arrivals = (
        Arrival("water_meter", Sample(numbers[row.device], row.at, row.at, {"volume_m3": row.litres / 1000}))
        for row in ordered
    )
    alerts = backtest(consumption_rules, arrivals, Span(ordered[0].at, ordered[-1].at), devices).alerts
    return [(alert.rule, devices[alert.device_id].name, alert.opened_at, alert.ended_at) for alert in alerts]


def steady_runs(rows):
    """Yield (meter, first, last) of every run of 72 or more readings that are each higher than the previous one."""
    for meter, readings in rows.items():
        for grows, steps in groupby(pairwise(readings), key=lambda step: step[1].litres > step[0].litres):
            run = [later for _, later in steps]
            if grows and len(run) >= 72:
                yield meter, run[0].at, run[-1].at


def days(raised, rule):
    by_meter = defaultdict(list)
    for name, meter, opened, _ in sorted(raised, key=lambda alert: alert[2]):
        if name == rule:
            by_meter[meter[:4]].append(f"{opened:%m-%d}" if opened.year == 2016 else f"{opened:%Y-%m-%d}")
    return by_meter


def test_the_recording_has_the_steady_leaks_counted_in_its_readme(rows):
    runs = list(steady_runs(rows))
    assert len(runs) == 55
    assert len({meter for meter, *_ in runs}) == 8


def test_every_steady_leak_is_found_before_it_ends_and_only_verified_alerts_are_raised(rows):
    raised = raise_alerts(rows)
    leaks = [(meter, opened, ended) for rule, meter, opened, ended in raised if rule == "water_never_still"]
    for meter, _, last in steady_runs(rows):
        assert any(
            leaking == meter and opened <= last and (ended is None or ended >= last) for leaking, opened, ended in leaks
        ), f"the leak of {meter[:4]} that ends on {last:%F} was missed"
    assert days(raised, "water_never_still") == LEAKS | DOUBTFUL
    assert days(raised, "water_unused") == UNUSED
    assert days(raised, "water_use_high") == MUCH
    assert {rule for rule, *_ in raised} == {"water_never_still", "water_unused", "water_use_high"}


def test_the_consumption_of_a_year_is_the_net_difference_of_the_register(rows):
    """Also where a register falls by litres, and where two meters report in turn for some hours."""
    count, falls = counting(VOLUME), 0
    for readings in rows.values():
        state = None
        for row in sorted(readings, key=lambda row: row.at):
            state = Count(*count(state, int(row.at.timestamp() * 1_000_000), row.litres / 1000))
        falls += sum(later.litres < row.litres for row, later in pairwise(readings))
        assert state.register == 0
        assert round(state.total * 1000) == readings[-1].litres - readings[0].litres
    assert falls >= 203
