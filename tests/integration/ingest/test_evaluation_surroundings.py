"""Evaluation in the database: chattering, group suppression, service states and late data."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from devices.device import Service
from devices.water_meter import WATER_METER
from imports.importer import import_rows
from ingest.batch import Candidate
from ingest.evaluation import Evaluation
from ingest.partition import EVERYTHING
from ingest.registry_cache import RegistryCache
from rules.model.condition import Compare
from rules.model.rule import Rule, RulePack, Severity
from rules.model.sample import Sample
from running import query, register
from shipped_rules import SHIPPED
from store.alerts.bad_actors import list_bad_actors
from store.alerts.shadow import list_shadow_alerts
from store.database import connect
from store.registry.withdraw import withdraw_device
from store.telemetry.device_state import DeviceStateChange, save_device_states

START = datetime(2026, 11, 25, 8, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def a_rule(**changed):
    plain = {
        "name": "flow_high",
        "kind": WATER_METER.name,
        "severity": Severity.WARNING,
        "when": Compare("flow_m3_h", "above", 2.0),
        "title": "流量偏大",
        "message": "{device}：{flow_m3_h}",
        "advice": "查漏",
        "allowed_gap": timedelta(hours=2),
    }
    return Rule(**(plain | changed))


class Place:
    """Evaluation over a database, with its readings and ticks."""

    def __init__(self, url, connection):
        self.url, self.connection = url, connection
        self.devices = RegistryCache(EVERYTHING)
        self.evaluation = None

    def begin(self, *rules, now=START):
        """Start an evaluation of these rules from the stored state."""
        self.devices.refresh(self.connection)
        self.evaluation = Evaluation(RulePack(rules), self.devices, EVERYTHING, now)
        with self.connection.transaction():
            self.evaluation.restore(self.connection, now)

    def show(self, name, *readings, late=0):
        """Evaluate readings of a meter, as (seconds, flow), which arrive `late` seconds after the last one."""
        device = self.devices.find("c1", name)
        samples = [(START + at * SECOND, flow) for at, flow in readings]
        with self.connection.transaction():
            for ts, flow in samples:
                now = samples[-1][0] + late * SECOND if late else ts
                sample = Sample(device.id, ts, now, {"flow_m3_h": flow})
                self.evaluation.evaluate(self.connection, [Candidate(device.kind, sample)], now)
            self._save(samples[-1][0])

    def arrive(self, at, *device_ids):
        """Evaluate a reading of each electricity meter at a time in seconds."""
        ts = START + at * SECOND
        with self.connection.transaction():
            for device_id in device_ids:
                candidate = Candidate("electricity_meter", Sample(device_id, ts, ts, {"voltage_v": 230.0}))
                self.evaluation.evaluate(self.connection, [candidate], ts)
            self._save(ts)

    def _save(self, seen_at):
        states = [state for state in self.evaluation.drain_device_states() if state.device_id > 0]
        rows = [
            DeviceStateChange(m.device_id, seen_at, m.last_arrival, m.last_ts, m.values, m.event_ts) for m in states
        ]
        save_device_states(self.connection, rows)

    def tick(self, first, last=None):
        """Tick every half minute between two times, in seconds."""
        for at in range(first, (last or first) + 1, 30):
            with self.connection.transaction():
                self.evaluation.tick(self.connection, START + at * SECOND, caught_up=True)

    def set_service(self, service):
        """Import a service state of the meter w1, and refresh the registry."""
        row = {"community": "c1", "device": "w1", "kind": "water_meter", "service": service}
        import_rows(self.connection, [], [], [row])
        self.devices.refresh(self.connection)

    def ask(self, statement, *parameters):
        return query(self.url, statement, *parameters)


@pytest.fixture
def place(database_url):
    register(database_url, "c1", [("w1", "water_meter"), ("w2", "water_meter")])
    with closing(connect(database_url, application_name="test")) as connection:
        connection.autocommit = True
        yield Place(database_url, connection)


def test_the_alert_of_a_withdrawn_device_ends_and_its_return_by_an_import_begins_anew(place):
    place.begin(a_rule())
    place.show("w1", (0, 3.0))
    assert place.ask("SELECT process FROM alert") == [("active",)]
    withdraw_device(place.connection, "c1", "w1", START)
    place.devices.refresh(place.connection)
    place.tick(30)
    assert place.ask("SELECT process, attention FROM alert") == [("ended", "unacknowledged")]
    assert place.ask("SELECT to_state, reason FROM alert_transition ORDER BY id DESC LIMIT 1") == [
        ("normal", "service")
    ]
    place.begin(a_rule(), now=START + 40 * SECOND)
    assert place.devices.find("c1", "w1").service is Service.WITHDRAWN
    place.set_service("")
    place.tick(60)
    place.show("w1", (90, 3.0))
    assert place.ask("SELECT sequence, process FROM alert ORDER BY sequence") == [(1, "ended"), (2, "active")]


def flicker(first, times):
    return [(first + 10 * number + 5 * low, 0.5 if low else 3.0) for number in range(times) for low in (0, 1)]


def test_a_chattering_alert_is_notified_once_more_and_then_suppressed(place):
    place.begin(a_rule())
    place.show("w1", *flicker(0, 2))
    place.begin(a_rule(), now=START + 20 * SECOND)
    place.show("w1", *flicker(20, 1), *flicker(200, 1))
    assert place.ask("SELECT sequence, chattering FROM alert ORDER BY sequence") == [
        (1, False), (2, False), (3, True), (4, True),
    ]  # fmt: skip
    assert place.ask(
        "SELECT sequence, cause, until - since FROM alert_suppression JOIN alert ON alert.id = alert_id"
    ) == [(4, "chattering", timedelta(minutes=10))]


def test_bad_actors_are_the_devices_that_chatter_with_all_their_alerts(place):
    place.begin(a_rule())
    place.show("w1", *flicker(0, 3))
    place.show("w2", *flicker(0, 1))
    query(place.url, "UPDATE device SET building = '3', location = '泵房' WHERE name = 'w1' RETURNING id")
    (actor,) = list_bad_actors(place.connection, "c1", START, 10)
    assert (actor.community_name, actor.place) == ("阳光小区", "3号楼泵房")
    assert (actor.device, actor.rule, actor.title, actor.alerts, actor.chattering) == (
        "w1",
        "flow_high",
        "流量偏大",
        3,
        1,
    )
    assert list_bad_actors(place.connection, None, START + timedelta(days=1), 10) == []


def test_children_of_an_offline_gateway_are_suppressed_and_notified_when_only_they_stay_offline(place, database_url):
    register(database_url, "c2", [("g1", "gateway"), *((f"m{n}", "electricity_meter", "g1") for n in range(6))])
    query(database_url, "UPDATE device SET building = '1' WHERE community = 'c2' RETURNING id")
    place.begin(*SHIPPED.rules)
    meters = [place.devices.find("c2", f"m{n}").id for n in range(6)]
    place.arrive(0, *meters)
    place.tick(0, 70 * 60)
    assert place.ask(OPEN_ALERTS) == [
        ("electricity_silent", 6, 6, "caused_by_parent"), ("family_silent", 1, 0, None),
    ]  # fmt: skip
    assert place.ask(
        "SELECT community, device_id, kind, building, simulated FROM alert WHERE rule = 'family_silent'"
    ) == [("c2", None, "family", "1", False)]
    place.begin(*SHIPPED.rules, now=START + timedelta(minutes=71))
    place.tick(71 * 60)
    place.arrive(72 * 60, *meters[1:])
    place.tick(72 * 60, 93 * 60)
    assert place.ask(OPEN_ALERTS) == [("electricity_silent", 1, 0, "caused_by_parent")]
    assert place.ask("SELECT count(*) FROM alert_transition WHERE reason = 'parent'") == [(1,)]


def test_flats_without_power_are_one_alert_of_the_building_and_one_that_moves_leaves_it_at_once(place, database_url):
    register(database_url, "c2", [(f"m{n}", "electricity_meter") for n in range(36)])
    query(database_url, "UPDATE device SET building = '1' WHERE community = 'c2' RETURNING id")
    place.begin(*SHIPPED.rules)
    meters = [place.devices.find("c2", f"m{n}").id for n in range(36)]
    place.arrive(0, *meters)
    with place.connection.transaction():
        lost = [Candidate("electricity_meter", Sample(each, START, START, {}, "power_lost")) for each in meters[:20]]
        place.evaluation.evaluate(place.connection, lost, START)
    place.begin(*SHIPPED.rules, now=START + timedelta(minutes=1))
    place.tick(60, 360)
    assert place.ask(OPEN_ALERTS) == [
        ("electricity_power_lost", 20, 20, "caused_by_parent"), ("family_power_lost", 1, 0, None),
    ]  # fmt: skip
    assert place.ask("SELECT DISTINCT detail FROM alert_suppression") == [("1号楼：成片停电，已合并报警",)]
    with place.connection.transaction():
        at = START + timedelta(seconds=370)
        lost = [Candidate("electricity_meter", Sample(each, at, at, {}, "power_lost")) for each in meters[20:]]
        place.evaluation.evaluate(place.connection, lost, at)
    place.tick(375)
    ((message,),) = place.ask("SELECT message FROM alert WHERE rule = 'family_power_lost'")
    assert message.endswith("1号楼：电表等设备 36 台全部停电，逐户的停电报警已合并到这一条。")
    row = {"community": "c2", "device": "m0", "kind": "electricity_meter", "building": "2"}
    import_rows(place.connection, [], [], [row])
    place.devices.refresh(place.connection)
    place.tick(390)
    assert place.ask("SELECT device.name FROM alert_suppression JOIN alert ON alert.id = alert_id"
                     " JOIN device ON device.id = device_id WHERE until IS NOT NULL") == [("m0",)]  # fmt: skip


OPEN_ALERTS = """
    SELECT rule, count(DISTINCT alert.id),
           count(*) FILTER (WHERE cause IS NOT NULL AND until IS NULL), min(cause)
    FROM alert LEFT JOIN alert_suppression ON alert_id = alert.id
    WHERE process <> 'ended' GROUP BY rule ORDER BY rule
"""


@pytest.mark.parametrize("restarted", [False, True])
def test_the_alert_of_a_removed_building_ends_even_if_it_was_removed_while_ingest_was_away(
    place, database_url, restarted
):
    register(database_url, "c2", [(f"m{n}", "electricity_meter") for n in range(6)])
    query(database_url, "UPDATE device SET building = '1' WHERE community = 'c2' RETURNING id")
    place.begin(*SHIPPED.rules)
    place.arrive(0, *(place.devices.find("c2", f"m{n}").id for n in range(6)))
    place.tick(0, 70 * 60)
    rows = [{"community": "c2", "device": f"m{n}", "kind": "electricity_meter", "building": "2"} for n in range(6)]
    import_rows(place.connection, [], [], rows)
    if restarted:
        place.begin(*SHIPPED.rules, now=START + timedelta(minutes=71))
    else:
        place.devices.refresh(place.connection)
    place.tick(71 * 60)
    assert place.ask(
        "SELECT process, to_state, reason FROM alert JOIN alert_transition ON alert_id = alert.id"
        " WHERE alert.rule = 'family_silent' ORDER BY alert_transition.decided_at DESC LIMIT 1"
    ) == [("ended", "normal", "service")]


def test_open_alerts_out_of_service_are_suppressed_and_notified_when_the_device_is_back(place, database_url):
    place.begin(a_rule())
    place.show("w1", (0, 3.0))
    place.set_service("停用")
    place.tick(60)
    assert place.ask("SELECT cause, until FROM alert_suppression") == [("out_of_service", None)]
    place.begin(a_rule(), now=START + timedelta(minutes=2))
    place.tick(120)
    assert place.ask("SELECT count(*) FROM alert_suppression") == [(1,)]
    place.show("w1", (180, 0.0), (240, 3.0))
    assert place.ask("SELECT sequence FROM alert_suppression JOIN alert ON alert.id = alert_id ORDER BY 1") == [
        (1,), (2,),
    ]  # fmt: skip
    place.set_service("在用")
    place.tick(300)
    assert place.ask("SELECT count(*) FROM alert_suppression WHERE until IS NULL") == [(1,)]


def test_a_retired_device_has_no_open_alert_even_if_it_was_retired_while_ingest_was_away(place, database_url):
    place.begin(a_rule())
    place.show("w1", (0, 3.0))
    place.set_service("报废")
    place.begin(a_rule(), now=START + timedelta(minutes=2))
    assert place.ask("SELECT process FROM alert") == [("ended",)]
    assert place.ask("SELECT reason FROM alert_transition ORDER BY id") == [("condition",), ("service",)]


def test_another_severity_and_other_texts_update_the_alert_without_a_second_one(place):
    place.begin(a_rule())
    place.show("w1", (0, 3.0))
    changed = a_rule(severity=Severity.MAJOR, title="流量过大", message="{device} 流量 {flow_m3_h}", advice="查")
    place.begin(changed, now=START + timedelta(minutes=1))
    place.begin(changed, now=START + timedelta(minutes=2))
    assert place.ask("SELECT severity, title, message, advice, process FROM alert") == [
        ("major", "流量过大", "阳光小区 水表（w1） 流量 3", "查", "active")
    ]
    assert place.ask("SELECT from_state, to_state, reason FROM alert_transition ORDER BY id") == [
        ("normal", "active", "condition"), ("active", "active", "reworded"),
    ]  # fmt: skip


def test_a_rule_on_trial_stores_its_transitions_separately_and_no_alert(place):
    place.begin(a_rule(name="flow_trial", shadow=True))
    place.show("w1", (0, 3.0), (60, 0.0), (120, 3.0))
    assert place.ask("SELECT (SELECT count(*) FROM alert), (SELECT count(*) FROM alert_transition)") == [(0, 0)]
    newest, oldest = list_shadow_alerts(place.connection, START, 10)
    assert (oldest.rule, oldest.device, oldest.message) == ("flow_trial", "w1", "阳光小区 水表（w1）：3")
    assert (oldest.opened_at, oldest.ended_at) == (START, START + timedelta(minutes=1))
    assert (newest.opened_at, newest.ended_at) == (START + timedelta(minutes=2), None)
    place.begin(a_rule(name="flow_trial"), now=START + timedelta(minutes=3))
    place.show("w1", (240, 3.0))
    assert place.ask("SELECT rule, sequence, process FROM alert") == [("flow_trial", 3, "active")]
    assert list_shadow_alerts(place.connection, START, 1)[0].ended_at == START + timedelta(minutes=3)


def test_an_episode_that_is_over_when_its_data_arrives_is_historical_and_not_notified(place):
    place.begin(a_rule())
    place.show("w1", (0, 3.0), (600, 0.0), (1200, 3.0), late=6 * 3600)
    assert place.ask("SELECT sequence, process, historical FROM alert ORDER BY sequence") == [
        (1, "ended", True), (2, "active", False),
    ]  # fmt: skip
    waiting = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'tell' AND scheduled_at > %s"
    assert place.ask(waiting, START + timedelta(hours=6, minutes=20)) == [(2,)]


def test_an_alert_raised_in_time_is_not_historical_however_short_it_was(place):
    place.begin(a_rule())
    place.show("w1", (0, 3.0), (2, 0.0), late=1)
    place.show("w2", (0, 3.0))
    place.show("w2", (60, 0.0))
    assert place.ask("SELECT DISTINCT process, historical FROM alert") == [("ended", False)]


def test_a_transition_stores_the_causes_of_its_suppression(place):
    place.begin(a_rule(), a_rule(name="flow_low", when=Compare("flow_m3_h", "below", 1.0)))
    place.show("w1", (0, 3.0))
    place.set_service("停用")
    place.tick(30)
    place.show("w1", (60, 0.0))
    assert place.ask("SELECT rule, to_state, suppressions FROM alert_transition ORDER BY id") == [
        ("flow_high", "active", []),
        ("flow_high", "normal", ["out_of_service"]),
        ("flow_low", "active", ["out_of_service"]),
    ]
