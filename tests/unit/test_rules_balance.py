"""A master meter against its sub-meters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.device import Device, Service
from devices.water_meter import WATER_METER
from laws import examples
from rules.derived.balance import Balance, ClosedWindow
from rules.derived.counter import Counting
from rules.derived.pipeline import newest_values
from rules.engine.engine import Engine
from rules.model.condition import Compare
from rules.model.duration import microseconds_since_1970
from rules.model.rule import Rule, RulePack, Scope, Severity
from rules.model.sample import Sample
from rules.model.submeters import SubMeters, submeters_by_master

MIDNIGHT = datetime(2026, 1, 1, 16, tzinfo=UTC)  # in the city
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
VOLUME = WATER_METER.field("volume_m3")
MASTER, HOUSEHOLDS = 1, tuple(range(2, 12))


def balance(how="difference", scope="device", **changed):
    return Balance(VOLUME, how, DAY, **{"settle": 6 * HOUR, "scope": scope, "period": HOUR, "gap": 2 * HOUR} | changed)


def reading(device_id, hour, volume, delay=timedelta()):
    ts = MIDNIGHT + hour * HOUR + timedelta(minutes=device_id)
    return Sample(device_id, ts, ts + delay, {"volume_m3": volume})


def day_of(device_id, per_hour, start=1_000.0, hours=range(-2, 34), delay=timedelta()):
    return [reading(device_id, hour, start + hour * per_hour, delay) for hour in hours]


class MeteredCommunity:
    """An engine with one master meter and its households, and every value of the balance."""

    def __init__(self, derived, households=HOUSEHOLDS, scope="community"):
        self.derived, self.submeters = derived, SubMeters(scope, households)
        self.start()

    def start(self, device_states=(), states=()):
        watched = Rule(
            name="loss", kind=WATER_METER.name, severity=Severity.WARNING, title="x", message="x", advice="x",
            when=Compare(self.derived.field.name, "above", 0.5, self.derived), allowed_gap=2 * HOUR,
        )  # fmt: skip
        self.engine = Engine(
            RulePack((watched,)),
            MIDNIGHT,
            lambda number: Device(number, "c", f"w{number}", WATER_METER.name),
            lambda number: self.submeters if number == MASTER else None,
        )
        self.engine.restore(states, device_states, MIDNIGHT)

    def evaluate(self, samples, restart_after=()):
        result, stored, states = [], {}, {}
        for count, sample in enumerate(sorted(samples, key=lambda each: (each.received_at, each.device_id))):
            result += self.engine.evaluate(sample, WATER_METER.name, sample.received_at)
            if count in restart_after:
                stored |= {one.device_id: one for one in self.engine.drain_device_states()}
                states |= {one.device_id: one for one in self.engine.drain_changes().saved}
                self.start(stored.values(), states.values())
        return result

    @property
    def result(self):
        """The newest balance in the state of the master meter; None without one."""
        (derived,) = (one.derived for one in self.engine.drain_device_states() if one.device_id == MASTER)
        return newest_values(derived).get(self.derived.field.name)


def households(per_hour=0.1, numbers=HOUSEHOLDS, **changed):
    return [sample for number in numbers for sample in day_of(number, per_hour, **changed)]


def test_what_the_master_meter_counts_beyond_the_households_is_their_difference():
    community = MeteredCommunity(balance())
    community.evaluate([*day_of(MASTER, 1.5), *households(0.1)])
    assert community.result == pytest.approx(24 * (1.5 - 1.0))


def test_the_ratio_of_master_to_households_does_not_depend_on_the_size_of_the_community():
    community = MeteredCommunity(balance("ratio"))
    community.evaluate([*day_of(MASTER, 1.5), *households(0.1)])
    assert community.result == pytest.approx(1.5)


def test_nothing_is_compared_before_the_window_has_settled():
    community = MeteredCommunity(balance())
    community.evaluate([*day_of(MASTER, 1.5, hours=range(-2, 30)), *households(0.1)])
    assert community.result is None


def test_a_household_that_is_late_by_less_than_the_settling_time_raises_no_false_alert():
    community = MeteredCommunity(balance())
    late = households(0.1, numbers=HOUSEHOLDS[:5], delay=5 * HOUR)
    assert community.evaluate([*day_of(MASTER, 1.0), *late, *households(0.1, numbers=HOUSEHOLDS[5:])]) == []
    assert community.result == pytest.approx(0, abs=1e-6)


def test_where_too_few_households_have_reported_nothing_is_known():
    community = MeteredCommunity(balance())
    assert community.evaluate([*day_of(MASTER, 1.5), *households(0.1, numbers=HOUSEHOLDS[:8])]) == []
    assert community.result is None


def test_a_few_that_are_missing_are_taken_to_use_as_much_as_the_others():
    community = MeteredCommunity(balance())
    assert community.evaluate([*day_of(MASTER, 1.0), *households(0.1, numbers=HOUSEHOLDS[:9])]) == []
    assert community.result == pytest.approx(0, abs=1e-6)


def test_a_household_meter_that_was_replaced_or_reads_zero_once_makes_no_loss():
    community = MeteredCommunity(balance())
    whole = households(0.1, numbers=HOUSEHOLDS[:8])
    zero_once = [replaced if hour != 7 else reading(10, 5, 0.0) for hour, replaced in enumerate(day_of(10, 0.1))]
    replaced = [*day_of(11, 0.1, hours=range(-2, 9)), *day_of(11, 0.1, start=0, hours=range(9, 34))]
    community.evaluate([*day_of(MASTER, 1.0), *whole, *zero_once, *replaced])
    assert community.result == pytest.approx(0, abs=1e-6)


def test_a_gap_across_midnight_hides_what_the_master_meter_counted():
    community = MeteredCommunity(balance())
    stored = [sample for sample in day_of(MASTER, 1.5) if not -0.5 < (sample.ts - MIDNIGHT) / HOUR < 3]
    community.evaluate([*stored, *households(0.1)])
    assert community.result is None


# How a meter reports: the hours of its readings, and the delay of an arrival after the reading.
def hourly(hour):
    return timedelta()


def eighteen_hours_late(hour):
    return 18 * HOUR


def once_a_day(hour):
    """Readings of every hour, sent together at 22:00."""
    return (22 - hour) % 24 * HOUR


NIGHTLY = range(-46, 14 * 24, 24)  # one reading a day, at 02:00
EVERY_HOUR = range(-46, 14 * 24)
REPORTING = {
    "hourly": (EVERY_HOUR, hourly),
    "one reading a night": (NIGHTLY, hourly),
    "18 hours late": (EVERY_HOUR, eighteen_hours_late),
    "one upload a day": (EVERY_HOUR, once_a_day),
}


def course(device_id, reporting, per_hour, extra=0.0, extra_hours=range(0)):
    """Return the readings of two weeks; `extra` flows besides in `extra_hours`."""
    hours, delay = REPORTING[reporting]
    return [
        reading(
            device_id, hour, 1_000 + per_hour * hour + extra * sum(1 for one in extra_hours if one < hour), delay(hour)
        )
        for hour in hours
    ]


@pytest.mark.parametrize("of_households", REPORTING)
@pytest.mark.parametrize("of_master", REPORTING)
@pytest.mark.parametrize("leaks", [True, False])
def test_a_leak_of_ten_days_is_found_however_slowly_one_side_reports(of_master, of_households, leaks):
    ten_days = range(24, 11 * 24) if leaks else range(0)
    community = MeteredCommunity(balance(gap=36 * HOUR))
    master = course(MASTER, of_master, 1.0, 0.2, ten_days)
    transitions = community.evaluate(
        [*master, *(one for meter in HOUSEHOLDS for one in course(meter, of_households, 0.1))]
    )
    raised = [transition for transition in transitions if transition.raises]
    assert len(raised) == leaks
    if leaks:
        assert MIDNIGHT + 2 * DAY < raised[0].decided_at < MIDNIGHT + 5 * DAY


@pytest.mark.parametrize("of_households", REPORTING)
@pytest.mark.parametrize("of_master", REPORTING)
def test_live_arrivals_and_device_time_end_in_the_same_balance(of_master, of_households):
    course_of_all = [
        *course(MASTER, of_master, 1.0, 0.2, range(24, 60)),
        *(one for meter in HOUSEHOLDS for one in course(meter, of_households, 0.1)),
    ]
    results = []
    for samples in (course_of_all, [one._replace(received_at=one.ts) for one in course_of_all]):
        community = MeteredCommunity(balance(gap=36 * HOUR))
        community.evaluate(samples)
        results.append(community.result)
    assert results[0] == pytest.approx(results[1], abs=1e-6)


def test_the_days_without_a_balance_are_counted_until_both_sides_are_complete_again():
    community = MeteredCommunity(balance("missing", gap=36 * HOUR))
    away = range(3 * 24, 6 * 24)
    missing = []
    households_sent = [
        one
        for meter in HOUSEHOLDS
        for one in course(meter, "hourly", 0.1)
        if meter not in {10, 11} or (one.ts - MIDNIGHT) // HOUR not in away
    ]
    samples = sorted(
        [*course(MASTER, "hourly", 1.0), *households_sent], key=lambda one: (one.received_at, one.device_id)
    )
    for sample in samples:
        community.evaluate([sample])
        if sample.device_id == MASTER and (sample.ts - MIDNIGHT) // HOUR % 24 == 12:
            missing.append(community.result)
    # At noon of each day. Two of ten meters show no register at the end of days 2 to 5 and at the begin of day 6.
    assert missing == [0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0]


def test_the_windows_of_a_meter_add_up_to_its_consumption_whatever_the_gaps():
    random = Random(51)
    hours = sorted([*random.sample(range(1, 24 * 9), 60), 0, 24 * 9])
    register = [1_000 + 0.1 * hour + 3 * (hour > 100) for hour in hours]
    windows = ClosedWindow(VOLUME, DAY, HOUR, 5 * DAY)
    counting, observe = Counting(VOLUME).observer(), windows.observer()
    counted, state, closed = None, None, {}
    for hour, volume in zip(hours, register, strict=True):
        at = microseconds_since_1970(MIDNIGHT + hour * HOUR)
        counted, pair = counting(counted, at, {"volume_m3": volume})
        values = {Counting(VOLUME).field.name: pair} if pair is not None else {}
        state, _ = observe(state, at, values)
        closed |= dict(state[1]) if state else {}
    assert len(closed) == 8  # the first begins between two readings
    assert sum(closed.values()) == pytest.approx(0.1 * 24 * 8 + 3, abs=1e-6)


@pytest.mark.parametrize(("scope", "compared"), [("building", False), ("community", True), ("device", True)])
def test_a_scope_says_which_master_meters_are_meant(scope, compared):
    community = MeteredCommunity(balance(scope=scope), scope="community")
    community.evaluate([*day_of(MASTER, 1.5), *households(0.1)])
    assert (community.result is not None) is compared


@examples(20)
@given(st.integers(0, 2**32), st.sets(st.integers(0, 390), max_size=3))
def test_delays_within_the_settling_time_and_restarts_change_no_transition(seed, restarts):
    random = Random(seed)
    delays = {number: timedelta(minutes=random.randrange(300)) for number in (MASTER, *HOUSEHOLDS)}
    delays[MASTER] = timedelta()
    course = [
        sample._replace(received_at=sample.ts + delays[sample.device_id])
        for sample in [*day_of(MASTER, 1.5), *households(0.1)]
    ]
    prompt = [sample._replace(received_at=sample.ts) for sample in course]
    outcome = [
        [
            replace(transition, decided_at=MIDNIGHT, inputs={})
            for transition in MeteredCommunity(balance()).evaluate(each, restart)
        ]
        for each, restart in ((prompt, ()), (course, restarts))
    ]
    assert outcome[0] == outcome[1]
    assert len(outcome[0]) == 1


def device(number, building="", room="", kind="water_meter", **more):
    return Device(number, more.pop("community", "c"), f"d{number}", kind, building=building, room=room, **more)


def test_a_meter_without_a_room_is_that_of_its_building_or_of_the_community():
    submeters = submeters_by_master(
        [
            device(1),
            device(2, "1"),
            device(3, "2"),
            device(11, "1", "101"),
            device(12, "1", "102"),
            device(13, "3", "101"),
            device(14, "1", "101", kind="gas_meter"),
            device(15, "1", "101", community="d"),
        ]
    )
    assert submeters == {1: SubMeters("community", (11, 12, 13)), 2: SubMeters("building", (11, 12))}


def test_a_rule_about_households_does_not_apply_to_their_master_meter():
    large = Rule(
        name="burst", kind=WATER_METER.name, severity=Severity.MAJOR, title="x", message="x", advice="x",
        when=Compare("flow_m3_h", "above", 3.0), allowed_gap=2 * HOUR, scope=Scope.HOUSEHOLD,
    )  # fmt: skip
    masters = {MASTER: SubMeters("building", HOUSEHOLDS)}
    engine = Engine(
        RulePack((large,)), MIDNIGHT, lambda number: Device(number, "c", "w", WATER_METER.name), masters.get
    )
    raised = [
        transition.device_id
        for number in (MASTER, HOUSEHOLDS[0])
        for transition in engine.evaluate(
            Sample(number, MIDNIGHT, MIDNIGHT, {"flow_m3_h": 4.0}), WATER_METER.name, MIDNIGHT
        )
    ]
    assert raised == [HOUSEHOLDS[0]]


def test_a_retired_or_withdrawn_meter_has_no_master_meter_and_one_in_commissioning_is_missing():
    commissioned = device(11, "1", "101", service=Service.COMMISSIONING)
    gone = [device(12, "1", "102", service=Service.RETIRED), device(13, "1", "103", service=Service.WITHDRAWN)]
    submeters = submeters_by_master([device(1), commissioned, *gone])
    assert submeters == {1: SubMeters("community", (11,))}
