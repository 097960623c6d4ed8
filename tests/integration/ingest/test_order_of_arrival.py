"""Any order and any split of the same items ends in the same alerts: in the database, over a broker, in a backtest."""

import json
import random
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from ingest_site import COMMUNITY, MINUTE, START, Site, alerts_of
from patience import eventually, patient, steady
from running import epoch_ms, forget_session, query, register, running_ingest
from simulators.publisher import Publisher
from store.database import connect

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
CONTENTS = {
    "gas_meter": [
        "gas_leak", "gas_leak_cleared", "flow_exceeded", "valve_opened", "battery_low",
        {"valve_state": "open"}, {"valve_state": "closed"}, {"flow_m3_h": 0.4, "volume_m3": 812.5},
    ],
    "electricity_meter": [
        "power_lost", "power_restored", "cover_opened", {"voltage_v": 230.0}, {"voltage_v": 276.0},
        {"voltage_v": 250.0}, {"voltage_v": 190.0, "current_a": 60.0}, {"energy_kwh": 9.5, "voltage_v": 0.0},
        {"energy_kwh": 9.5, "voltage_v": 280.0},
    ],
    "camera": [
        "storage_fault", "storage_restored", "video_lost", "video_restored", "tampered", "tamper_cleared",
        {"video_ok": True, "occluded": False}, {"video_ok": False}, {"occluded": True},
    ],
    "ebike_charger": [
        "smoke_detected", "smoke_cleared", "over_temperature", "short_circuit", "fault_cleared",
        {"smoke": True}, {"smoke": False, "ports_faulted": 0}, {"battery_temperature_c": 70.0, "status": "faulted"},
        {"battery_temperature_c": 30.0, "ports_faulted": 1}, {"cabinet_temperature_c": 60.0},
    ],
}  # fmt: skip
ALERTS = """
    SELECT device.name, alert.rule, alert.process, alert.opened_at, alert.ended_at
    FROM alert JOIN device ON device.id = alert.device_id WHERE right(alert.rule, 6) <> 'silent'
"""
"""The alerts, without those about missing data: they go by the time of arrival."""


def a_course(kind, dice, begin, end):
    """Items within the bound on lateness: contents at distinct instants of ten minutes."""
    instants = sorted(dice.sample(range(int((end - begin) / timedelta(seconds=5))), dice.randint(2, 9)))
    return [(begin + instant * timedelta(seconds=5), dice.choice(CONTENTS[kind])) for instant in instants]


def payload_of(ts, content):
    """The payload of an item, and its channel."""
    stamp = epoch_ms(ts.timestamp())
    if isinstance(content, str):
        return "event", {"ts": stamp, "event": content}
    return "telemetry", {"ts": stamp, "values": content}


def messages_of(kind, device, items, dice):
    """The items as messages, some of them as arrays."""
    topic, waiting = f"anju/v1/{COMMUNITY}/{kind}/{device}", list(items)
    while waiting:
        channel, first = payload_of(*waiting.pop(0))
        array = [first]
        while waiting and dice.random() < 0.4 and payload_of(*waiting[0])[0] == channel:
            array.append(payload_of(*waiting.pop(0))[1])
        yield f"{topic}/{channel}", json.dumps(array if len(array) > 1 else first).encode()


def alerts_by_twin(rows):
    """The alerts of each device, by its number and its part in the test."""
    found = {}
    for name, *alert in rows:
        number, part = name.split("-")
        found.setdefault(number, {"ordered": [], "shuffled": []})[part].append(tuple(alert))
    return {number: {part: sorted(alerts, key=str) for part, alerts in both.items()} for number, both in found.items()}


def register_twins(url, courses):
    register(
        url, COMMUNITY, [(f"n{n}-{part}", kind) for n, (kind, _) in courses.items() for part in ("ordered", "shuffled")]
    )


def parts_of(content, dice):
    """A reading as a whole, or each of its fields alone; events are whole."""
    if isinstance(content, str) or dice.random() < 0.3:
        return [content]
    return [{name: value} for name, value in content.items()]


def publications(courses, dice):
    """Messages of all courses: in order by one device, in any order and split by its twin; all of them mixed."""
    streams = []
    for number, (kind, items) in courses.items():
        streams.append(list(messages_of(kind, f"n{number}-ordered", items, random.Random(1))))
        parts = [(ts, part) for ts, content in items for part in parts_of(content, dice)]
        streams.append(list(messages_of(kind, f"n{number}-shuffled", dice.sample(parts, len(parts)), dice)))
    while streams:
        stream = dice.choice(streams)
        yield stream.pop(0)
        streams = [each for each in streams if each]


@pytest.mark.parametrize("restarts", [0.0, 0.1], ids=["", "with restarts"])
def test_any_order_and_any_split_ends_in_the_same_alerts(database_url, restarts):
    seed = random.randrange(10_000)
    dice = random.Random(seed)
    kinds = sorted(CONTENTS)
    first = START + timedelta(seconds=10)  # all arrive within a second or two, and none is late beyond the bound
    courses = {n: (kinds[n % 4], a_course(kinds[n % 4], dice, first, START + 10 * MINUTE)) for n in range(80)}
    register_twins(database_url, courses)
    now = START + 10 * MINUTE
    with closing(connect(database_url, application_name="test")) as connection:
        connection.autocommit = True
        site = Site(database_url, connection, dice)
        waiting = list(publications(courses, dice))
        for step in count():
            if not waiting:
                break
            size = dice.randint(1, 20)
            site.write(waiting[:size], now + step * timedelta(milliseconds=2))
            del waiting[:size]
            if dice.random() < restarts:
                site.begin(now + step * timedelta(milliseconds=2))
        for minute in (11, 12, 13, 15, 20):
            site.tick(START + minute * MINUTE)
        rows = query(database_url, ALERTS)
        assert len(rows) > 100, f"seed {seed}: too few alerts"
        for number, both in alerts_by_twin(rows).items():
            assert both["shuffled"] == both["ordered"], f"seed {seed}, course {courses[int(number[1:])]}"
        if restarts:  # a deadline that passed before a restart waits for another sample
            return
        live = sorted([(name, rule, at, ended) for name, rule, _, at, ended in rows], key=str)
        assert live == site.backtest(START + 20 * MINUTE), f"seed {seed}"


@pytest.mark.slow
def test_any_order_and_any_split_ends_in_the_same_alerts_over_a_broker(services, database_url, tmp_path):
    seed = random.randrange(10_000)
    dice = random.Random(seed)
    now = datetime.now(UTC).replace(microsecond=0)
    kinds = sorted(CONTENTS)
    courses = {n: (kinds[n % 4], a_course(kinds[n % 4], dice, now - 8 * MINUTE, now)) for n in range(60)}
    register_twins(database_url, courses)
    forget_session(services)
    with running_ingest(database_url, services.mqtt_url, tmp_path), Publisher(services.publish_mqtt_url) as out:
        for topic, payload in publications(courses, dice):
            out.publish(topic, payload)
        out.flush(patient(60))
        stored = sum(2 * len(items) for _, items in courses.values())
        eventually(lambda: _stored(database_url) == stored, timeout_s=patient(60))
        steady(lambda: query(database_url, "SELECT count(*) FROM alert_transition"), for_s=8)
    rows = query(database_url, ALERTS)
    assert len(rows) > 50, f"seed {seed}: too few alerts"
    for number, both in alerts_by_twin(rows).items():
        assert both["shuffled"] == both["ordered"], f"seed {seed}, course {courses[int(number[1:])]}"


def _stored(url):
    tables = [f"(SELECT count(*) FROM telemetry_{kind})" for kind in CONTENTS]
    return query(url, f"SELECT (SELECT count(*) FROM event) + {' + '.join(tables)}")[0][0]


def send(site, kind, now, *items, array=False):
    """Send items, given as minutes before `now` and contents, in one array or each in a transaction of its own."""
    topic = f"anju/v1/{COMMUNITY}/{kind}/{kind.replace('_', '-')}"
    payloads = [payload_of(now - minutes * MINUTE, content) for minutes, content in items]
    if array:
        site.write([(f"{topic}/{payloads[0][0]}", json.dumps([item for _, item in payloads]).encode())], now)
        return
    for number, (channel, item) in enumerate(payloads):
        site.write([(f"{topic}/{channel}", json.dumps(item).encode())], now + number * timedelta(seconds=1.5))


@pytest.mark.parametrize("array", [True, False], ids=["one array", "two messages"])
@pytest.mark.parametrize("end_first", [True, False])
def test_a_gas_leak_that_its_all_clear_overtakes_is_latched(site, array, end_first):
    items = [(0, "gas_leak_cleared"), (5 / 60, "gas_leak")]
    send(site, "gas_meter", START, *(items if end_first else items[::-1]), array=array)
    ((rule, process, opened_at, historical, _),) = alerts_of(site)
    assert (rule, process, historical) == ("gas_leak", "latched", False)
    assert opened_at == START - timedelta(seconds=5)


@pytest.mark.parametrize("newest_first", [True, False])
def test_an_array_of_any_order_raises_the_critical_alert_that_its_readings_tell_of(site, newest_first):
    items = [(minutes, {"voltage_v": volts}) for minutes, volts in ((1, 230.0), (14, 276.0), (15, 275.0), (30, 230.0))]
    send(site, "electricity_meter", START, *(items if newest_first else items[::-1]), array=True)
    for minutes in (-14, -29, -30):
        send(site, "electricity_meter", START - minutes * MINUTE, (0, {"voltage_v": 230.0}))
    ((rule, process, opened_at, historical, message),) = alerts_of(site)
    assert (rule, process, opened_at) == ("electricity_neutral_fault", "latched", START - 15 * MINUTE)
    assert not historical
    assert "迟到" in message


def test_a_storage_fault_dated_ahead_ends_with_the_report_that_it_is_over(site):
    send(site, "camera", START, (-4, "storage_fault"))
    send(site, "camera", START + timedelta(seconds=2), (0, "storage_restored"))
    ((rule, process, opened_at, *_),) = alerts_of(site)
    assert (rule, process, opened_at) == ("camera_storage_fault", "ended", START)


def test_after_a_clock_that_fell_back_to_2020_a_gas_leak_is_raised(site):
    send(site, "gas_meter", START, (60, {"flow_m3_h": 0.0}), (0, {"flow_m3_h": 0.0}))
    years = 6 * 365 * 24 * 60
    send(site, "gas_meter", START, (years, "gas_leak"))
    ((rule, process, opened_at, _, message),) = alerts_of(site)
    assert (rule, process, opened_at) == ("gas_leak", "active", START)
    assert "设备时钟不准" in message


def test_an_alert_without_a_cause_is_removed_with_its_order_of_arrival(site):
    send(site, "electricity_meter", START, (9, "power_lost"))
    site.tick(START)
    assert [rule for rule, *_ in alerts_of(site)] == ["electricity_power_lost"]
    send(site, "electricity_meter", START + MINUTE, (7, "power_restored"))
    assert alerts_of(site) == []
    steps = query(site.url, "SELECT to_state, reason, alert_id FROM alert_transition ORDER BY id")
    assert [reason for _, reason, _ in steps] == ["event", "timer", "revoked", "event"]
    assert {alert_id for *_, alert_id in steps} == {None}


def test_an_alert_without_a_cause_that_people_know_ends_and_the_next_one_is_another(site):
    send(site, "electricity_meter", START, (9, "power_lost"))
    site.tick(START)
    query(
        site.url,
        """
        INSERT INTO notice (alert_id, channel, kind, n, severity, due_at, queued_at)
        SELECT id, 'wechat', 'raised', 1, severity, now(), now() FROM alert RETURNING id
        """,
    )
    send(site, "electricity_meter", START + MINUTE, (7, "power_restored"))
    ((_, process, *_),) = alerts_of(site)
    assert process == "ended"
    send(site, "electricity_meter", START + 2 * MINUTE, (0, "power_lost"))
    site.tick(START + 8 * MINUTE)
    rows = query(site.url, "SELECT sequence, process FROM alert ORDER BY sequence")
    assert rows == [(1, "ended"), (2, "active")]


def ahead(now):
    return epoch_ms((now + HOUR).timestamp())


def in_seconds(now):
    return int(now.timestamp())


@pytest.mark.parametrize("time_of", [ahead, in_seconds, lambda _: None], ids=["ahead", "seconds", "missing"])
@pytest.mark.parametrize(
    ("kind", "channel", "danger", "all_clear", "rule"),
    [
        ("gas_meter", "event", {"event": "gas_leak"}, {"event": "gas_leak_cleared"}, "gas_leak"),
        ("ebike_charger", "telemetry", {"values": {"smoke": True}}, {"values": {"smoke": False}}, "ebike_smoke"),
        ("electricity_meter", "telemetry", {"values": {"voltage_v": 276}}, {}, "electricity_neutral_fault"),
        ("camera", "event", {"event": "tampered"}, {"event": "tamper_cleared"}, "camera_tampered"),
    ],
)
def test_a_danger_without_a_usable_time_is_raised_at_its_arrival(
    site, *, kind, channel, danger, all_clear, rule, time_of
):
    topic = f"anju/v1/{COMMUNITY}/{kind}/{kind.replace('_', '-')}/{channel}"

    def write(content, now):
        site.write([(topic, json.dumps({"ts": time_of(now), **content}).encode())], now)

    for second in range(3):  # a redelivery is no second alert
        write(danger, START + second * timedelta(seconds=1))
    site.begin(START + MINUTE)
    ((raised, process, opened_at, historical, message),) = alerts_of(site)
    assert (raised, process, opened_at, historical) == (rule, "active", START, False)
    assert "设备报的时间不对，发生时间按收到时间计" in message
    assert query(site.url, "SELECT sum(count) FROM rejection_count WHERE reason LIKE '%%timestamp'") == [(3,)]
    assert query(site.url, f"SELECT ts FROM event UNION ALL SELECT ts FROM telemetry_{kind}") == []
    write(all_clear, START + 2 * MINUTE)
    ((_, process, *_),) = alerts_of(site)
    assert process == ("latched" if channel == "event" else "active")


def test_what_is_no_danger_and_has_no_usable_time_raises_nothing(site):
    topic = f"anju/v1/{COMMUNITY}/camera/camera"
    site.write([(f"{topic}/event", json.dumps({"ts": ahead(START), "event": "storage_fault"}).encode())], START)
    site.write([(f"{topic}/telemetry", json.dumps({"values": {"video_ok": False}}).encode())], START)
    site.tick(START + 10 * MINUTE)
    assert alerts_of(site) == []


@pytest.mark.parametrize("restarted", [False, True])
def test_a_late_item_is_in_the_stored_checkpoint_behind_it(site, restarted):
    for minute in (0, 10, 16):
        send(site, "electricity_meter", START + minute * MINUTE, (0, {"power_factor": 1.0}))
    send(site, "electricity_meter", START + 17 * MINUTE, (8, {"current_a": 70.0}))
    if restarted:
        site.begin(START + 17.5 * MINUTE)
    phases = "SELECT phase FROM rule_state WHERE rule = 'electricity_overload' AND phase <> 'normal'"
    assert query(site.url, phases) == [("pending",)]
    send(site, "electricity_meter", START + 18 * MINUTE, (6, {"current_a": 10.0}))
    assert query(site.url, phases) == []
    assert site.backtest(START + HOUR) == []


@pytest.mark.slow
def test_a_device_that_is_late_all_the_time_has_the_alerts_of_its_punctual_twin(database_url):
    seed = random.randrange(10_000)
    dice = random.Random(seed)
    kinds, length = sorted(CONTENTS), 2 * HOUR
    courses = {}
    for n in range(40):
        instants = sorted(dice.sample(range(10, length // SECOND), dice.randint(10, 40)))
        courses[n] = kinds[n % 4], [(START + each * SECOND, dice.choice(CONTENTS[kinds[n % 4]])) for each in instants]
    register_twins(database_url, courses)
    arrivals = []
    for n, (kind, items) in courses.items():
        for ts, content in items:
            for part, delay in (("ordered", 0), ("shuffled", dice.randrange(590))):
                channel, item = payload_of(ts, content)
                topic = f"anju/v1/{COMMUNITY}/{kind}/n{n}-{part}/{channel}"
                arrivals.append((ts + delay * SECOND, topic, json.dumps(item).encode()))
    arrivals.sort()
    with closing(connect(database_url, application_name="test")) as connection:
        connection.autocommit = True
        site = Site(database_url, connection, dice)
        now = START
        while arrivals:
            now += dice.randint(1, 60) * SECOND
            due = [each for each in arrivals if each[0] <= now]
            del arrivals[: len(due)]
            for received_at in sorted({each[0] for each in due}):
                site.write([(topic, payload) for at, topic, payload in due if at == received_at], received_at)
            site.tick(now)
        for minutes in (20, 60):
            site.tick(now + minutes * MINUTE)
    rows = query(database_url, ALERTS)
    assert len(rows) > 100, f"seed {seed}: too few alerts"
    for number, both in alerts_by_twin(rows).items():
        assert both["shuffled"] == both["ordered"], f"seed {seed}, course {courses[int(number[1:])]}"
