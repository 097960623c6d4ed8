"""A replay of the stored history gives the stored transitions, byte for byte."""

import json
import random
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import groupby

import pytest

from app.simulation import register
from devices.privacy import Pseudonymiser
from ingest.batch import decode_batch
from ingest.evaluation import Evaluation
from ingest.partition import EVERYTHING
from ingest.receiver import Message
from ingest.registry_cache import RegistryCache
from ingest.rejection_limit import RejectionLimit
from ingest.write_batch import write_batch
from patience import eventually, patient, steady
from rules.analysis.backtest import Span, fresh_engine, replay
from rules.analysis.stored_history import stored_arrivals, wanted_history
from running import event, forget_session, query, reading, running_ingest
from running import (
    register as register_devices,
)
from shipped_rules import SHIPPED
from simulators.community_plan import SITES, plan_community
from simulators.faults import parse_fault
from simulators.fleet import Fleet
from simulators.publisher import Publisher
from store.database import connect
from store.registry.registry import load_devices

START = datetime(2026, 11, 10, 2, tzinfo=UTC)
END = START + timedelta(hours=3)
SITE = SITES[0]
FAULTS = (
    "power_lost:b01-u1-0101-electricity@+20m/150m",
    "voltage_high:b01-u1-0102-electricity@+30m/80m",
    "burst:b01-u1-0201-water@+50m/40m",
    "leak:b01-u1-0202-water@+10m/100m",
    "door_forced:b01-u1-door@+35m/20m",
    "camera_offline:b01-u1-camera@+60m/30m",
    "charger_fault:ev-01@+15m/45m",
    "ebike_over_temperature:ebike-01@+70m/30m",
    "gateway_outage:b01-gateway@+90m/70m",
    "late_batch:b01-u1-0301-gas@+30m/60m",
    "duplicates:b01-u1-0302-water@+0s/150m",
    "clock_drift:b01-u1-0401-electricity@+40m/60m,offset_s=-900",
)
_TRANSITIONS = """
    SELECT rule, rule_version, device_id, sequence, alert_id, from_state, to_state, at, reason, inputs
    FROM alert_transition WHERE device_id IS NOT NULL AND axis = 'process' ORDER BY id
"""


def replay_history(url, span):
    """Replay the stored history on the rules of Anju; return the transitions in their stored form."""
    with closing(connect(url, application_name="test")) as connection, connection.transaction():
        devices = {device.id: device for device in load_devices(connection)}
        engine = fresh_engine(SHIPPED, span.start, devices)
        arrivals = stored_arrivals(connection, wanted_history(SHIPPED, span, list(devices)))
        return [
            (
                transition.rule,
                transition.rule_version,
                transition.device_id,
                transition.sequence,
                transition.alert_id,
                transition.from_phase.value,
                transition.to_phase.value,
                transition.at,
                transition.reason.value,
                json.loads(json.dumps(transition.inputs)),
            )
            for transition in replay(engine, arrivals, span)
            if transition.device_id > 0
        ]


def live(url, fleet):
    """Ingest the messages of a fleet by the clock of the simulation: a batch and a tick in each second."""
    pseudonymiser = Pseudonymiser(b"a key for the tests")
    with closing(connect(url, application_name="test")) as connection:
        connection.autocommit = True
        devices = RegistryCache(EVERYTHING)
        devices.refresh(connection)
        evaluation, limit = Evaluation(SHIPPED, devices, EVERYTHING, START), RejectionLimit()
        by_second = {second: list(group) for second, group in groupby(fleet.messages(START, END), _second_after)}
        for seconds in range(int((END - START).total_seconds()) + 1):
            now = START + timedelta(seconds=seconds)
            messages = [
                Message(message.topic, message.payload, message.at, redelivered=False, packet_id=0)
                for message in by_second.get(now, ())
            ]
            if messages:
                batch = decode_batch(messages, devices.find, pseudonymiser)
                write_batch(connection, batch, evaluation, limit, now)
            with connection.transaction():
                evaluation.tick(connection, now, caught_up=True)


def _second_after(message):
    """Return the first whole second not before a message, at which its batch is written."""
    whole = message.at.replace(microsecond=0)
    return whole if whole == message.at else whole + timedelta(seconds=1)


def test_a_replay_of_hours_of_faults_gives_the_transitions_of_the_live_run(database_url):
    with closing(connect(database_url, application_name="test")) as connection:
        connection.autocommit = True
        register(connection, plan_community(*SITE, 16, seed=3))
        devices = load_devices(connection)
    live(database_url, Fleet(devices, 3, [parse_fault(fault, START) for fault in FAULTS]))
    stored = query(database_url, _TRANSITIONS)
    assert len({row[0] for row in stored}) >= 10, "too few rules changed their state"
    assert {"timer", "event", "silence", "arrival", "condition"} <= {row[8] for row in stored}
    assert replay_history(database_url, Span(START, END)) == stored


METERS, READINGS = 40, 24
QUARTER_MS = 900_000


def message_sequence(began_ms, generator):
    """Yield readings of meters every 15 minutes of their own clocks, at times high or low, and events between them."""
    volts = dict.fromkeys(range(METERS), 220.0)
    for number in range(READINGS):
        for meter in range(METERS):
            if generator.random() < 0.2:
                volts[meter] = generator.choice([220.0, 220.0, 245.0, 190.0, 300.0])
            ts = began_ms + number * QUARTER_MS + meter * 1000
            yield f"anju/v1/huifang/electricity_meter/e{meter}/telemetry", reading(ts, voltage_v=volts[meter])
            if generator.random() < 0.1:
                name = generator.choice(["power_lost", "power_restored", "cover_opened"])
                yield f"anju/v1/huifang/electricity_meter/e{meter}/event", event(ts + 60_000, name)


@pytest.mark.slow
def test_ingest_killed_at_random_decides_the_same_as_without_kills(services, database_url, tmp_path):
    seed = random.randrange(10_000)
    generator = random.Random(seed)
    register_devices(database_url, "huifang", [(f"e{n}", "electricity_meter") for n in range(METERS)])
    forget_session(services)
    began = datetime.now(UTC)
    messages = list(message_sequence(int((began - timedelta(hours=7)).timestamp()) * 1000, generator))
    kills = sorted(generator.sample(range(len(messages)), 4))
    with (
        running_ingest(database_url, services.mqtt_url, tmp_path) as ingest,
        Publisher(services.publish_mqtt_url) as out,
    ):
        for number, (topic, payload) in enumerate(messages):
            if number in kills:
                before = stored(database_url)
                eventually(lambda before=before: stored(database_url) > before or out.acknowledged == out.sent)
                ingest.kill()
                ingest.start()
            out.publish(topic, payload)
        out.flush(patient(60))
        eventually(lambda: stored(database_url) == len(messages), timeout_s=60)
        steady(lambda: query(database_url, "SELECT count(*) FROM alert_transition"), for_s=8)
    transitions = query(database_url, _TRANSITIONS)
    assert transitions, f"nothing happened with seed {seed}"
    again = replay_history(database_url, Span(began - timedelta(seconds=1), datetime.now(UTC)))
    assert sorted(again, key=_by_instance) == sorted(transitions, key=_by_instance), f"seed {seed}"


def stored(url):
    return query(url, "SELECT (SELECT count(*) FROM telemetry_electricity_meter) + (SELECT count(*) FROM event)")[0][0]


def _by_instance(row):
    """Sort key of a stable sort: only timers of different instances may change their order."""
    return row[0], row[2]
