"""Three nodes of the broker: after the kill of one, clients use another. More of it in tests/chaos."""

import threading
import time

import pytest

from database_roles import let_tests_create
from local.brokers.nats_cluster import open_nats_cluster
from local.services import start_services
from patience import eventually, patient
from running import epoch_ms, event, forget_session, meter_rows, query, reading, register, running_ingest
from simulators.publisher import Publisher
from store.admin.migrate import migrate

COMMUNITY = "jiqun"
METERS = 100
A_SECOND = 1500


@pytest.fixture
def cluster(tmp_path):
    with start_services(tmp_path / "services", print, open_nats_cluster) as services:
        let_tests_create(services.superuser_url)
        migrate(services.database_url)
        register(services.database_url, COMMUNITY, [(f"e{n}", "electricity_meter") for n in range(METERS)])
        forget_session(services)
        yield services


class Traffic:
    """Endless readings of all meters, and for each meter one event that raises an alert."""

    def __init__(self, url):
        self.readings = 0
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish)

    def _publish(self):
        began, first_ms = time.monotonic(), epoch_ms() - 600_000
        with Publisher(self._url) as out:
            for n in range(METERS):
                out.publish(topic(n, "event"), event(first_ms, "cover_opened", id=str(n)))
            while not self._stop.is_set():
                out.publish(topic(self.readings), reading(first_ms + self.readings // METERS, power_w=350.0))
                self.readings += 1
                time.sleep(max(0.0, began + self.readings / A_SECOND - time.monotonic()))
            out.flush(patient(60))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def topic(n, channel="telemetry"):
    return f"anju/v1/{COMMUNITY}/electricity_meter/e{n % METERS}/{channel}"


def wait_for_progress(url):
    """Wait until many more rows are stored than now."""
    before = meter_rows(url)[0]
    eventually(lambda: meter_rows(url)[0] > before + 3 * A_SECOND, timeout_s=60)


@pytest.mark.slow
def test_a_killed_node_loses_and_duplicates_nothing(cluster, tmp_path):
    url = cluster.database_url
    with running_ingest(url, cluster.mqtt_url, tmp_path):
        with Traffic(cluster.publish_mqtt_url) as traffic:
            wait_for_progress(url)
            for node in cluster.nodes[:2]:  # all clients are connected to the first node, and next to the second
                node.kill()
                wait_for_progress(url)
                node.start()
        eventually(lambda: meter_rows(url) == (traffic.readings, METERS), timeout_s=60)
    assert query(url, "SELECT count(*) FROM rejection_count") == [(0,)]
    assert query(url, "SELECT count(*), count(DISTINCT device_id) FROM alert WHERE device_id IS NOT NULL") == [
        (METERS, METERS)
    ]
    raised = query(url, "SELECT count(*) FROM alert_transition WHERE device_id IS NOT NULL AND to_state = 'active'")
    assert raised == [(METERS,)]
