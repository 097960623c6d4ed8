"""From the message of a meter to the notice, through kills of ingest."""

import random
import time
from collections import Counter

import pytest

from notifying import running_worker, write_routing
from patience import eventually, patient
from receiver import receiving
from running import epoch_ms, event, forget_session, query, register, running_ingest
from simulators.publisher import Publisher

METERS = 60


@pytest.mark.slow
def test_each_alert_is_notified_once_however_often_ingest_is_killed(services, database_url, tmp_path):
    register(database_url, "yangguang", [(f"e{n}", "electricity_meter") for n in range(METERS)])
    forget_session(services)
    with receiving() as program:
        path = write_routing(
            tmp_path / "notify.yaml",
            contacts=[{"name": "平台", "channels": {"webhook": program.url}}],
            routes=[{"to": "平台"}],
        )
        with (
            running_ingest(database_url, services.mqtt_url, tmp_path) as ingest,
            running_worker(database_url, path, tmp_path / "worker.log"),
            Publisher(services.publish_mqtt_url) as out,
        ):
            for n in range(METERS):
                out.publish(
                    f"anju/v1/yangguang/electricity_meter/e{n}/event", event(epoch_ms(), "cover_opened", id="1")
                )
                time.sleep(0.1)
                if n % 20 == 10:
                    time.sleep(random.random())
                    ingest.kill()
                    ingest.start()
            out.flush(patient(60))
            eventually(lambda: len(program.alerts()) >= METERS, timeout_s=90)
            time.sleep(2)
        notices = Counter(program.alerts())
        opened = query(database_url, "SELECT replace(id::text, '-', '') FROM alert WHERE device_id IS NOT NULL")
    assert len(opened) == METERS
    # Ingest itself may have lagged long enough for an alert, too.
    assert [notices[identity[:16], "firing"] for (identity,) in opened] == [1] * METERS
