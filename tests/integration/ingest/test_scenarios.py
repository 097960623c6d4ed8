"""Scenarios through the real broker, ingest and database: no false alert, no lost and no duplicate reading."""

from collections import Counter
from contextlib import closing
from datetime import UTC

import pytest

from app.simulation import register
from devices.payload import DeviceEvent, Reading, decode
from devices.privacy import Pseudonymiser
from patience import eventually, patient, steady
from running import SECRET_KEY, forget_session, query, running_ingest
from shipped_rules import SHIPPED
from simulators.fleet import Fleet
from simulators.publisher import Publisher
from simulators.scenarios.scenario import SEED, find_scenario
from simulators.scenarios.score import RaisedAlert, score_alerts, score_table
from store.database import connect

OF_THE_QUEUE = {"gateway_queue_growing", "gateway_storage_full"}


@pytest.fixture
def killable(local_services):
    """Return a database and a broker that this test may kill."""
    return local_services


def messages_of(scenario):
    return list(Fleet(scenario.devices, SEED, scenario.parse_faults()).messages(scenario.start, scenario.end))


def distinct(scenario, messages):
    """Return the number of accepted readings and events that differ in device, instant or event."""
    by_name = {device.name: device for device in scenario.devices}
    pseudonymiser = Pseudonymiser(SECRET_KEY.encode())
    items = {
        (type(item), item.device.name, item.ts, getattr(item, "event", None))
        for message in messages
        for item in decode(message.topic, message.payload, message.at, lambda _, n: by_name.get(n), pseudonymiser)
        if isinstance(item, Reading | DeviceEvent)
    }
    counts = Counter(kind for kind, *_ in items)
    return counts[Reading], counts[DeviceEvent]


def stored(url, scenario):
    readings = sum(
        query(url, f"SELECT count(*) FROM telemetry_{kind}")[0][0]
        for kind in {device.kind for device in scenario.devices}
    )
    events = query(url, "SELECT count(*) FROM event WHERE event NOT IN ('online', 'offline')")[0][0]
    return readings, events


def alerts(url):
    rows = query(
        url,
        """
        SELECT rule, device.name, opened_at, ended_at FROM alert JOIN device ON device.id = alert.device_id
        WHERE NOT EXISTS (SELECT FROM alert_suppression AS own WHERE own.alert_id = alert.id)
        """,
    )
    return [
        RaisedAlert(rule, device, at.astimezone(UTC), ended and ended.astimezone(UTC))
        for rule, device, at, ended in rows
    ]


@pytest.mark.parametrize(
    "name",
    [
        "burst_pipe",
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ("duplicates", "late_batch", "gateway_back_after_a_week")
        ),
    ],
)
def test_a_scenario_raises_its_expected_alerts_although_the_broker_is_killed(killable, database_url, tmp_path, name):
    scenario = find_scenario(name)
    no_data_rules = {rule.name for rule in SHIPPED.rules if rule.no_data}
    # Messages sent at once leave no time without data.
    expected = tuple(each for each in scenario.expected if each.rule not in no_data_rules)
    scenario = scenario.model_copy(update={"expected": expected})
    with closing(connect(database_url, application_name="test")) as connection:
        connection.autocommit = True
        register(connection, scenario.plan)
    forget_session(killable)
    messages = messages_of(scenario)
    with running_ingest(database_url, killable.mqtt_url, tmp_path), Publisher(killable.publish_mqtt_url) as publisher:
        for number, message in enumerate(messages):
            if number == len(messages) // 2:
                eventually(lambda: stored(database_url, scenario)[0] > 0)
                killable.broker.kill()
                killable.broker.start()
            publisher.publish(message.topic, message.payload)
        publisher.flush(patient(60))
        expected_counts = distinct(scenario, messages)
        eventually(lambda: stored(database_url, scenario) == expected_counts, timeout_s=60)
        raised = steady(lambda: alerts(database_url))
    # A gateway that empties its queue reports the queue of hours ago: beyond the bound no order is the right one.
    score = score_alerts(scenario, [each for each in raised if each.rule not in OF_THE_QUEUE])
    assert score.perfect, score_table([score])
    assert stored(database_url, scenario) == expected_counts
    assert query(database_url, "SELECT count(*) FROM rejection") == [(0,)]
