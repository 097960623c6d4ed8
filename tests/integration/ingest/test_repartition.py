"""The number of partitions changes by a drain: no message may wait in an old session, and no worker may run."""

import pytest

from cli import anju
from local.home import Home
from patience import eventually, patient
from running import epoch_ms, query, reading, register, running_broker, running_ingest
from simulators.publisher import Publisher

COMMUNITIES = [f"fenqu-{n}" for n in range(8)]


def publish(broker, ts, *, retain=False):
    with Publisher(broker.publish_url) as out:
        for community in COMMUNITIES:
            out.publish(f"anju/v1/{community}/water_meter/w1/telemetry", reading(ts, volume_m3=1))
            if retain:
                out.publish(f"anju/v1/{community}/water_meter/w1/status", b'{"state": "offline"}', retain=True)
        out.flush(patient(10))


def stored(url):
    return query(url, "SELECT count(*) FROM telemetry_water_meter")[0][0]


@pytest.mark.slow
def test_the_number_changes_only_with_empty_sessions_and_no_worker_and_nothing_is_lost(database_url, tmp_path):
    for community in COMMUNITIES:
        register(database_url, community, [("w1", "water_meter")])
    began = epoch_ms() - 60_000

    def repartition(broker, count):
        return anju(
            "ingest", "--partitions", count, "--repartition", cwd=tmp_path, ANJU_DATABASE_URL=database_url,
            ANJU_MQTT_URL=broker.ingest_url, ANJU_PUBLISH_MQTT_URL=broker.publish_url,
        )  # fmt: skip

    with Home(tmp_path / "home") as home:
        with running_broker(home) as (broker, _):
            with running_ingest(database_url, broker.ingest_url, tmp_path) as ingest:
                eventually(lambda: b"connected to the broker" in ingest.log.read_bytes())
                publish(broker, began, retain=True)
                eventually(lambda: stored(database_url) == 8)
                assert "stop all of them first" in repartition(broker, 4).stderr
                ingest.terminate()
                publish(broker, began + 1)
                refused = repartition(broker, 4)
                assert refused.returncode == 1
                assert "messages wait in the session of partition 0." in refused.stderr
                # An ingest with the new number does not start yet.
                with running_ingest(database_url, broker.ingest_url, tmp_path, ANJU_PARTITIONS="4") as early:
                    assert early.process.wait(patient(20)) == 1
                ingest.start()
                eventually(lambda: stored(database_url) == 16, timeout_s=60)
                ingest.terminate()
            done = repartition(broker, 4)
            assert done.returncode == 0, done.stderr
            assert "8 retained states cleared, 0 left" in done.stdout
        with running_broker(home, partitions=4) as (broker, _):
            # The new sessions exist: this message is stored although no ingest has started.
            publish(broker, began + 2)
            with running_ingest(database_url, broker.ingest_url, tmp_path, ANJU_PARTITIONS="4") as ingest:
                eventually(lambda: stored(database_url) == 24, timeout_s=60)
                assert ingest.terminate() == 0
    assert query(database_url, "SELECT count(*) FROM rejection_count") == [(0,)]
