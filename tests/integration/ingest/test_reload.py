"""Rule files that change while ingest runs: reloaded, refused if invalid, and alerts stay open."""

import os
import signal
import time

import pytest

from patience import eventually
from running import epoch_ms, query, reading, register, running_ingest
from simulators.publisher import Publisher

RULE = """
- name: {name}
  kind: electricity_meter
  severity: {severity}
  when: {{field: voltage_v, above: {limit}}}
  title: 电压过高
  message: "{{device}} {{voltage_v}} V"
  advice: 检查零线
  examples: [[{{at: 0s, voltage_v: 400, then: active}}, {{at: 15m, voltage_v: 100, then: normal}}]]
"""


def rules(*given):
    plain = {"name": "voltage_high", "severity": "warning", "limit": 250}
    return "".join(RULE.format(**(plain | one)) for one in given)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    return folder


def write(folder, text):
    path = folder / "electricity_meter.yaml"
    path.write_text(text, "utf-8")
    os.utime(path, ns=(time.time_ns(), time.time_ns()))


def alerts(url):
    return query(url, "SELECT rule, severity, process FROM alert WHERE device_id IS NOT NULL ORDER BY rule, sequence")


def test_changed_rules_are_reloaded_and_invalid_ones_are_not(services, database_url, session, folder, tmp_path):
    register(database_url, "c1", [("e1", "electricity_meter")])
    write(folder, rules({}))
    with (
        running_ingest(database_url, services.mqtt_url, tmp_path, ANJU_RULES_DIR=str(folder)) as ingest,
        Publisher(services.publish_mqtt_url) as out,
    ):

        def send(volts):
            out.publish("anju/v1/c1/electricity_meter/e1/telemetry", reading(epoch_ms(), voltage_v=volts))

        send(260)
        eventually(lambda: alerts(database_url) == [("voltage_high", "warning", "active")])
        write(folder, rules({"severity": "major"}, {"name": "voltage_extreme", "limit": 300}))
        eventually(lambda: alerts(database_url) == [("voltage_high", "major", "active")])
        write(folder, "- name: voltage_high")
        eventually(lambda: "the changed rules are invalid" in ingest.log.read_text())
        send(310)
        raised = [("voltage_extreme", "warning", "active"), ("voltage_high", "major", "active")]
        eventually(lambda: alerts(database_url) == raised)
        write(folder, rules({"name": "voltage_extreme", "limit": 300}))
        ingest.process.send_signal(signal.SIGHUP)
        ended = [("voltage_extreme", "warning", "active"), ("voltage_high", "major", "ended")]
        eventually(lambda: alerts(database_url) == ended)
        assert ingest.process.poll() is None
    steps = query(database_url, "SELECT reason FROM alert_transition WHERE rule = 'voltage_high' ORDER BY id")
    assert [reason for (reason,) in steps] == ["condition", "reworded", "rule_changed"]
