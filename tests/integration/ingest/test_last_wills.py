"""Connection reports over a real broker: last wills, with and without a time, and retained copies after a restart."""

import json
from contextlib import contextmanager
from functools import partial

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from devices.broker_url import BrokerUrl
from patience import eventually, patient
from running import epoch_ms, event, query, register
from simulators.publisher import Publisher

COMMUNITY = "yizhu"
STATUS = f"anju/v1/{COMMUNITY}/camera/c1/status"
TAMPERED = "SELECT 1 FROM event WHERE event = 'tampered' AND ts = to_timestamp(%s / 1000.0)"
STATE = "SELECT connection, connection_at FROM device_state WHERE connection IS NOT NULL"


@pytest.fixture
def camera(services, database_url, ingest):
    """Return a function that publishes a connection report of the camera."""
    register(database_url, COMMUNITY, [("c1", "camera")])

    def report(*, retain=False, **content):
        with Publisher(services.publish_mqtt_url) as out:
            out.publish(STATUS, json.dumps(content).encode(), retain=retain)
            out.flush(patient(20))

    return report


def state(database_url, expected):
    return eventually(lambda: [row for row in query(database_url, STATE) if row[0] == expected])[0]


def restart(ingest, services, database_url):
    """Start ingest anew, and wait until it has handled what the broker sends to the new subscription."""
    ingest.terminate()
    ingest.start()
    for _ in range(2):  # the second comes after the subscription, and so after the retained messages
        marker = epoch_ms()
        with Publisher(services.publish_mqtt_url) as out:
            out.publish(f"anju/v1/{COMMUNITY}/camera/c1/event", event(marker, "tampered"))
            out.flush(patient(20))
        eventually(partial(query, database_url, TAMPERED, marker))


def test_a_retained_last_will_counts_from_its_first_arrival_after_a_restart(camera, ingest, services, database_url):
    camera(state="offline", retain=True)
    offline = state(database_url, "offline")
    restart(ingest, services, database_url)
    assert query(database_url, STATE) == [offline]


def test_a_retained_last_will_does_not_undo_a_report_that_was_not_retained(camera, ingest, services, database_url):
    camera(state="offline", retain=True)
    state(database_url, "offline")
    camera(state="online", ts=epoch_ms())
    online = state(database_url, "online")
    restart(ingest, services, database_url)
    assert query(database_url, STATE) == [online]


@contextmanager
def connected(url, will):
    """Connect as a device with a last will, and lose the connection at the end of the block."""
    address = BrokerUrl.parse(url)
    client = Client(CallbackAPIVersion.VERSION2, client_id="camera-with-a-will")
    client.username_pw_set(address.username, address.password)
    client.will_set(STATUS, json.dumps(will).encode(), qos=1, retain=True)
    client.connect(address.host, address.port)
    client.loop_start()
    eventually(client.is_connected)
    try:
        yield client
    finally:
        client.socket().shutdown(2)
        client.loop_stop()


@pytest.mark.parametrize("dated", [False, True], ids=["without ts", "with ts"])
def test_a_last_will_is_obeyed_with_or_without_a_time(camera, services, database_url, dated):
    now = epoch_ms()
    will = {"state": "offline", "ts": now} if dated else {"state": "offline", "ts": None}
    with connected(services.publish_mqtt_url, will) as device:
        device.publish(STATUS, json.dumps({"state": "online", "ts": now}).encode(), qos=1, retain=True)
        online = state(database_url, "online")
    offline = state(database_url, "offline")
    assert offline[1] > online[1]
