"""Messages in the broker's session for ingest are stored and evaluated once, whatever happens to the session."""

import asyncio
import re
import socket
import time
from pathlib import Path

import psycopg
import pytest

import workload
from crowd import Crowd
from devices.broker_url import BrokerUrl
from doors import new_secrets, running_door
from ingest.partition import EVERYTHING
from logged_publisher import Load, LoggedPublisher
from mqtt_packets import connect
from patience import patient, steady
from running import epoch_ms, query, reading, register

# Memory of ingest: the limit of the buffer, and the interpreter with its libraries.
MEMORY_MB = 400
POISONED = "anju/v1/dutong/water_meter/w1/telemetry"


@pytest.mark.chaos
def test_another_client_takes_over_the_session_again_and_again(stage):
    """The other client takes messages and acknowledges none; ingest takes the session back each time."""
    with stage.load():
        for _ in range(10):
            usurp_session(stage.services.mqtt_url, for_s=0.5)
            time.sleep(1)
    stage.must_be_whole("session taken over by another client", times=10)


def usurp_session(url, *, for_s):
    address = BrokerUrl.parse(url)
    with socket.create_connection((address.host, address.port), timeout=for_s) as connection:
        client_id = EVERYTHING.client_id(address.password)
        connection.sendall(connect(client_id, address.username, address.password, clean=False))
        until = time.monotonic() + for_s
        try:
            while time.monotonic() < until and connection.recv(65536):
                pass
        except OSError:  # ingest was faster
            pass


def test_poison_at_the_head_of_the_queue(stage):
    """Messages that the database refuses for an unforeseen reason precede all others."""
    register(stage.database_url, "dutong", [("w1", "water_meter")])
    with psycopg.connect(stage.database_url) as connection:
        connection.execute("ALTER TABLE telemetry_water_meter ADD CHECK (volume_m3 <> 66666.5)")
    stage.ingest.kill()
    refused = reading(epoch_ms(), volume_m3=66666.5)
    poison = Load(lambda n: (POISONED, refused), total=20)
    publisher = LoggedPublisher(stage.services.publish_mqtt_url, poison)
    publisher.start()
    publisher.join(patient(10))
    stage.publisher(rate=None, total=5000).join(patient(30))
    stage.ingest.start()
    stage.over_at = time.monotonic()
    stage.must_be_whole("poison at the head of the queue", times=20)
    # The state of the rules is read again once for a batch with poison, not for every step of the search.
    assert 1 <= stage.ingest.log.read_text().count("a batch cannot be written") <= 5
    assert query(stage.database_url, "SELECT sum(times) FROM rejection WHERE topic = %s", POISONED) == [(20,)]


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_a_long_queue_is_drained_in_order_with_bounded_memory(stage, request):
    messages = request.config.getoption("chaos_backlog")
    stage.ingest.kill()
    stage.publisher(rate=None, total=messages).join(patient(900))
    stage.ingest.start()
    stage.over_at = time.monotonic()
    stage.must_be_whole(f"queue of {messages:,} messages", timeout_s=900)
    assert query(stage.database_url, OUT_OF_ORDER) == [(0,)]
    assert peak_memory_mb(stage.ingest.process.pid) < MEMORY_MB


OUT_OF_ORDER = """
    SELECT count(*) FROM (
        SELECT received_at < lag(received_at) OVER (PARTITION BY device_id ORDER BY ts) AS earlier
        FROM telemetry_water_meter
    ) AS reading WHERE earlier
    """


def peak_memory_mb(pid):
    """Return the peak memory of a process, in MiB."""
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(peak[1]) // 1024


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_thousands_of_devices_vanish_and_reconnect_at_once(stage, request):
    number = request.config.getoption("chaos_devices")
    register(stage.database_url, workload.COMMUNITY, workload.devices(number))
    secrets = new_secrets(stage.database_url, [f"{workload.COMMUNITY}/{workload.KIND}/w{n}" for n in range(number)])
    crowd = Crowd(stage.services.publish_mqtt_url, secrets)
    stage.publishers.append(crowd)

    async def vanish_and_come_again():
        await crowd.come()
        crowd.vanish()
        await crowd.come()
        try:
            stage.over_at = time.monotonic()
            stage.must_be_whole(f"{number:,} devices vanish and reconnect at once", timeout_s=300)
            events = steady(lambda: query(stage.database_url, CONNECTIONS))
            assert query(stage.database_url, STATES) == [("online", number)], events
            assert events == [("offline", number), ("online", 2 * number)]
        finally:
            crowd.vanish()

    with running_door(stage.database_url, stage.services):
        asyncio.run(vanish_and_come_again())


CONNECTIONS = "SELECT event, count(*) FROM event WHERE event IN ('online', 'offline') GROUP BY 1 ORDER BY 1"
STATES = "SELECT connection, count(*) FROM device_state GROUP BY 1"
