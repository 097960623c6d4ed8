"""The order of arrival decides nothing within the bound on lateness: live, in a backtest, and after a restart."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.device import Device
from laws import examples
from rules.analysis.backtest import collect_alerts
from rules.engine.engine import Engine
from rules.model.rule import RulePack
from rules.model.sample import Sample
from shipped_rules import SHIPPED
from tests.unit.rules_fixtures.world import World, at, event, minutes, rule, volts
from tests.unit.test_rules_laws import readings, rules


def course_of(world):
    """The state of every instance, and every alert with its times."""
    alerts = collect_alerts(world.transitions)
    return (
        {name: (state.phase, state.opened_at) for name, state in instances(world)},
        sorted((alert.rule, alert.opened_at, alert.ended_at or at(10_000)) for alert in alerts),
    )


def instances(world):
    states = [(rule.name, world.engine.instance(rule.name, 7)) for rule in world.pack.rules]
    return [(name, state) for name, state in states if state and state.phase != "normal"]


happenings = st.sampled_from(["power_lost", "power_restored", "cover_opened"])
contents = st.one_of(readings, happenings)


@st.composite
def tight_courses(draw):
    """Items within the bound on lateness, after some from before."""
    before = draw(st.lists(st.tuples(st.integers(0, 40), contents), max_size=6))
    within = draw(st.lists(st.tuples(st.integers(82, 100), contents), min_size=2, max_size=10))
    early = sorted({minute / 2: content for minute, content in before}.items())
    return early, list({minute / 2: content for minute, content in within}.items())


def item(minute, content, arrival):
    made = event(minute, content) if isinstance(content, str) else volts(minute, content)
    return made._replace(received_at=at(arrival))


@examples(1000)
@given(rules, tight_courses(), st.data())
def test_any_order_and_any_split_ends_in_the_same_alerts(one_rule, course, data):
    early, within = course
    ordered, shuffled = World(one_rule), World(one_rule)
    for world in (ordered, shuffled):
        world.evaluate(*(item(minute, content, minute) for minute, content in early))
    for minute, content in sorted(within):
        ordered.evaluate(item(minute, content, max(minute, 50)))
    for minute, content in data.draw(st.permutations(within)):
        shuffled.evaluate(item(minute, content, 50))
        if data.draw(st.booleans()):
            shuffled.tick(50)
    for minute in (51, 80, 200):
        for world in (ordered, shuffled):
            world.tick(minute)
        assert course_of(shuffled) == course_of(ordered)


NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
BACK_IN_2020 = datetime(2020, 1, 1, 8, tzinfo=UTC)


class Meter:
    """A device under the rules of Anju."""

    def __init__(self, kind):
        self.device = Device(1, "c1", "d1", kind, place="1号楼1单元301室")
        self.engine = Engine(RulePack(SHIPPED.of_kind(kind)), NOW - HOUR, lambda _: self.device)
        self.engine.tick(NOW - HOUR, caught_up=True)
        self.transitions = []

    def send(self, ts, content, arrival=None):
        arrival = arrival or max(ts, NOW)
        values, event = ({}, content) if isinstance(content, str) else (content, None)
        found = self.engine.evaluate(Sample(1, ts, arrival, values, event), self.device.kind, arrival)
        self.transitions += found
        return found

    def tick(self, at):
        self.transitions += self.engine.tick(at, caught_up=True)

    def phase(self, rule_name):
        state = self.engine.instance(rule_name, 1)
        return state.phase.value if state else "normal"

    @property
    def open(self):
        states = [self.engine.instance(rule.name, 1) for rule in SHIPPED.of_kind(self.device.kind)]
        return {state.rule: state.phase.value for state in states if state and state.opened_at}

    @property
    def alerts(self):
        return collect_alerts(self.transitions)


@pytest.mark.parametrize(
    ("kind", "events", "rule", "phase"),
    [
        ("gas_meter", ("gas_leak", "gas_leak_cleared"), "gas_leak", "latched"),
        ("ebike_charger", ("smoke_detected", "smoke_cleared"), "ebike_smoke", "recovering"),
        ("ev_charger", ("ground_fault", "fault_cleared"), "ev_ground_fault", "latched"),
        ("camera", ("tampered", "tamper_cleared"), "camera_tampered", "latched"),
        ("camera", ("storage_fault", "storage_restored"), "camera_storage_fault", None),
    ],
)
@pytest.mark.parametrize("end_first", [False, True])
def test_an_end_that_arrives_before_its_beginning_ends_it_all_the_same(kind, events, rule, phase, end_first):
    meter = Meter(kind)
    items = list(zip((NOW - 5 * SECOND, NOW), events, strict=True))
    for ts, content in reversed(items) if end_first else items:
        meter.send(ts, content, NOW + 2 * SECOND)
    assert meter.open.get(rule) == phase
    assert [(alert.rule, alert.opened_at) for alert in meter.alerts] == [(rule, NOW - 5 * SECOND)]


def test_an_event_of_a_clock_that_was_ahead_ends_with_the_clock_set_right():
    camera = Meter("camera")
    camera.send(NOW + 4 * MINUTE, "storage_fault", NOW)
    assert camera.open == {"camera_storage_fault": "active"}
    camera.send(NOW + 2 * SECOND, "storage_restored", NOW + 2 * SECOND)
    assert camera.open == {}
    (alert,) = camera.alerts
    assert (alert.opened_at, alert.ended_at) == (NOW, NOW + 2 * SECOND)
    camera.send(NOW + 30 * SECOND, "storage_fault", NOW + 30 * SECOND)
    assert camera.open == {"camera_storage_fault": "active"}


def test_events_of_a_clock_that_stays_ahead_keep_their_order():
    camera = Meter("camera")
    for second, ts, name in ((0, 240, "storage_fault"), (9, 247, "storage_restored"), (10, 245, "storage_fault")):
        camera.send(NOW + ts * SECOND, name, NOW + second * SECOND)
    assert camera.open == {}


def test_after_a_clock_that_fell_back_to_2020_a_second_gas_leak_is_raised():
    meter = Meter("gas_meter")
    meter.send(NOW, "gas_leak")
    meter.engine.close("gas_leak", 1, NOW + MINUTE, "li")
    for count, minute in enumerate((20, 40), 1):
        arrival = NOW + minute * MINUTE
        (raised, *_) = meter.send(BACK_IN_2020 + minute * MINUTE, "gas_leak", arrival)
        assert (raised.to_phase, raised.at, raised.sequence) == ("active", arrival, count + 1)
        assert "设备时钟不准" in raised.message
        meter.send(BACK_IN_2020 + (minute + 1) * MINUTE, "gas_leak_cleared", arrival + MINUTE)
        assert meter.open["gas_leak"] == "latched"
        meter.engine.close("gas_leak", 1, arrival + 2 * MINUTE, "li")


def test_a_first_gas_leak_of_a_clock_that_fell_back_begins_at_its_arrival():
    meter = Meter("gas_meter")
    (raised,) = meter.send(BACK_IN_2020, "gas_leak", NOW)
    assert (raised.to_phase, raised.at) == ("active", NOW)


def test_a_leak_in_a_replay_of_old_history_keeps_its_own_time():
    meter = Meter("gas_meter")
    meter.send(BACK_IN_2020, {"volume_m3": 10.0}, NOW)
    (raised,) = meter.send(BACK_IN_2020 + HOUR, "gas_leak", NOW + SECOND)
    assert (raised.to_phase, raised.at) == ("active", BACK_IN_2020 + HOUR)
    assert "设备时钟不准" not in raised.message
    meter.send(BACK_IN_2020 + 2 * HOUR, "gas_leak_cleared", NOW + 2 * SECOND)
    assert meter.open == {"gas_leak": "latched"}


@pytest.mark.parametrize(
    ("kind", "rule", "danger", "harmless", "every"),
    [
        ("electricity_meter", "electricity_neutral_fault", {"voltage_v": 280.0}, {"voltage_v": 230.0}, 15),
        ("ebike_charger", "ebike_smoke", {"smoke": True}, {"smoke": False}, 1),
        (
            "ebike_charger",
            "ebike_over_temperature",
            {"battery_temperature_c": 90.0},
            {"battery_temperature_c": 30.0},
            1,
        ),
    ],
)
def test_a_danger_in_late_readings_is_raised_again_although_a_person_closed_the_one_before(
    kind, rule, danger, harmless, every
):
    meter, began = Meter(kind), NOW - 3 * HOUR
    meter.send(began, danger, NOW)
    for minute in range(every, 75, every):
        meter.send(began + minute * MINUTE, harmless, NOW + SECOND)
    meter.tick(NOW + MINUTE)
    assert meter.open[rule] == "latched"
    meter.transitions += meter.engine.close(rule, 1, NOW + 2 * MINUTE, "li")
    assert rule not in meter.open
    meter.send(began + 80 * MINUTE, harmless, NOW + 3 * MINUTE)
    assert rule not in meter.open
    (again,) = [each for each in meter.send(began + 90 * MINUTE, danger, NOW + 4 * MINUTE) if each.rule == rule]
    assert (again.raises, again.sequence) == (True, 2)
    # An older reading than the newest shows nothing new.
    meter.engine.close(rule, 1, NOW + 5 * MINUTE, "li")
    meter.send(began + 100 * MINUTE, harmless, NOW + 6 * MINUTE)
    assert not [each for each in meter.send(began + 95 * MINUTE, danger, NOW + 7 * MINUTE) if each.raises]


def test_an_all_clear_of_a_clock_that_fell_back_ends_nothing_that_began_by_a_right_clock():
    meter = Meter("gas_meter")
    meter.send(NOW, "gas_leak")
    meter.send(BACK_IN_2020, "gas_leak_cleared", NOW + MINUTE)
    assert meter.open == {"gas_leak": "active"}


def test_a_gas_leak_beyond_the_bound_is_raised_although_an_all_clear_is_newer():
    meter = Meter("gas_meter")
    meter.send(NOW - HOUR, "gas_leak_cleared", NOW - HOUR)
    (raised,) = meter.send(NOW - 2 * HOUR, "gas_leak", NOW)
    assert (raised.to_phase, raised.at) == ("active", NOW)
    assert "迟到" in raised.message


def test_a_critical_reading_beyond_the_bound_is_raised_and_latched():
    charger = Meter("ebike_charger")
    charger.send(NOW, {"battery_temperature_c": 30.0})
    (raised,) = charger.send(NOW - 30 * MINUTE, {"battery_temperature_c": 80.0})
    assert (raised.rule, raised.to_phase) == ("ebike_over_temperature", "active")
    assert "迟到" in raised.message
    for minute in range(1, 8):
        charger.send(NOW + minute * MINUTE, {"battery_temperature_c": 30.0})
    assert charger.open == {"ebike_over_temperature": "latched"}


def test_a_late_episode_of_a_critical_rule_is_latched_though_its_rule_is_not():
    meter = Meter("electricity_meter")
    for minute, volts_ in ((30, 230.0), (15, 275.0), (14, 276.0), (1, 230.0)):
        meter.send(NOW - minute * MINUTE, {"voltage_v": volts_}, NOW)
    for minute in (14, 29, 44):
        meter.send(NOW + minute * MINUTE, {"voltage_v": 230.0})
    assert meter.open == {"electricity_neutral_fault": "latched"}
    (alert,) = meter.alerts
    assert alert.opened_at == NOW - 15 * MINUTE
    assert "迟到" in alert.message


def test_other_readings_beyond_the_bound_are_left_to_statistics():
    meter = Meter("electricity_meter")
    meter.send(NOW, {"voltage_v": 230.0})
    assert meter.send(NOW - 11 * MINUTE, {"current_a": 70.0}) == []


def test_an_alert_that_the_true_order_never_had_is_revoked_and_its_number_never_used_again():
    world = World(rule())
    world.evaluate(*(volts(minute, 245) for minute in range(10)))
    world.tick(10)
    assert world.phase() == "active"
    (revoked, _) = world.evaluate(volts(9.5, 230, delay=0.6))
    assert (revoked.reason, revoked.from_phase, revoked.to_phase) == ("revoked", "active", "normal")
    assert collect_alerts(world.transitions) == ()
    world.evaluate(*(volts(minute, 245) for minute in range(11, 25)))
    (alert,) = collect_alerts(world.transitions)
    assert (alert.opened_at, world.engine.instance("voltage_high", 7).sequence) == (at(21), 2)


def test_a_late_end_moves_the_end_of_an_alert():
    world = World(rule(on_delay=minutes(0), off_delay=minutes(0)))
    world.evaluate(volts(0, 245), volts(4, 230), volts(2, 230, delay=3))
    (alert,) = collect_alerts(world.transitions)
    assert (alert.opened_at, alert.ended_at) == (at(0), at(2))
    assert [each.reason for each in world.transitions] == ["condition", "condition", "rewound", "condition"]


def test_an_order_that_a_person_has_gone_beyond_stays_as_the_person_left_it():
    world = World(rule(on_delay=minutes(0), off_delay=minutes(0)))
    world.evaluate(volts(0, 245), volts(2, 245))
    world.close(3)
    assert world.evaluate(volts(1, 230, delay=3)) == []
    assert world.phase() == "muted"


@st.composite
def scattered_courses(draw):
    """Items of three hours with the minutes that each is late, within the bound."""
    instants = draw(st.lists(st.integers(0, 360), min_size=4, max_size=40, unique=True))
    lateness = st.integers(0, 19).map(lambda half: half / 2)
    return [(instant / 2, draw(contents), draw(lateness)) for instant in sorted(instants)]


@examples(1000)
@given(rules, scattered_courses())
def test_items_that_are_late_all_the_time_end_in_the_same_alerts_as_punctual_ones(one_rule, course):
    punctual, late = World(one_rule), World(one_rule)
    for minute, content, _ in course:
        punctual.tick(minute)
        punctual.evaluate(item(minute, content, minute))
    for minute, content, delay in sorted(course, key=lambda each: each[0] + each[2]):
        late.tick(minute + delay)
        late.evaluate(item(minute, content, minute + delay))
    for minute in (200, 400):
        for world in (punctual, late):
            world.tick(minute)
        assert course_of(late) == course_of(punctual)


def test_an_end_from_before_a_timer_that_is_in_the_checkpoint_revokes_its_alert():
    meter = Meter("electricity_meter")
    meter.send(NOW, {"voltage_v": 0.0}, NOW)
    meter.send(NOW + 5 * MINUTE, "power_lost", NOW + 5 * MINUTE)
    meter.tick(NOW + 10 * MINUTE)
    assert meter.open == {"electricity_power_lost": "active"}
    meter.send(NOW + 16 * MINUTE, {"power_factor": 1.0}, NOW + 16 * MINUTE)  # the second checkpoint
    meter.send(NOW + 8 * MINUTE, {"voltage_v": 228.0}, NOW + 17 * MINUTE)
    assert meter.alerts == ()


def test_a_late_item_is_in_the_checkpoint_behind_it():
    meter = Meter("electricity_meter")
    for minute in (0, 10, 16):
        meter.send(NOW + minute * MINUTE, {"power_factor": 1.0}, NOW + minute * MINUTE)
    meter.send(NOW + 9 * MINUTE, {"current_a": 70.0}, NOW + 17 * MINUTE)
    assert meter.phase("electricity_overload") == "pending"
    meter.send(NOW + 12 * MINUTE, {"current_a": 10.0}, NOW + 18 * MINUTE)
    assert meter.phase("electricity_overload") == "normal"


def test_an_alert_that_moved_to_a_later_time_begins_there_for_the_next_late_item():
    camera = Meter("camera")
    for second in (0, 100):
        camera.send(NOW + second * SECOND, "video_lost", NOW + second * SECOND)
    camera.tick(NOW + 230 * SECOND)
    camera.send(NOW + 50 * SECOND, "video_restored", NOW + 235 * SECOND)
    assert [alert.opened_at for alert in camera.alerts] == [NOW + 220 * SECOND]
    camera.send(NOW + 150 * SECOND, "video_restored", NOW + 240 * SECOND)
    assert camera.alerts == ()


def test_a_timer_that_ended_only_without_the_late_item_goes_on():
    meter = Meter("water_meter")
    for minute, register in ((0, 500.0), (60, 500.5), (120, 500.5)):
        meter.send(NOW + minute * MINUTE, {"volume_m3": register}, NOW + minute * MINUTE)
    assert meter.phase("water_never_still") == "normal"
    # A register that runs back by litres within minutes stands still, and its rate is the one from before.
    meter.send(NOW + 115 * MINUTE, {"volume_m3": 500.6}, NOW + 121 * MINUTE)
    assert meter.phase("water_never_still") == "pending"
