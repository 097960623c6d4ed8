"""Values derived from many samples are stored with the device and continue after a restart."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

from ingest.batch import Batch
from ingest.evaluation import Evaluation
from ingest.partition import EVERYTHING
from ingest.registry_cache import RegistryCache
from ingest.rejection_limit import RejectionLimit
from ingest.write_batch import write_batch
from rules.language.loader import load_rules
from rules.model.rule import RulePack
from rules.model.sample import Sample
from running import query, register
from store.database import connect
from store.registry.devices import find_device
from store.registry.replacements import NewReplacement, record_replacement
from store.telemetry.write import ReadingRow

START = datetime(2026, 11, 25, 8, tzinfo=UTC)
RULES = """
- name: water_small_flow
  kind: water_meter
  severity: warning
  when: {all: [{over: 24h, minimum: flow_m3_h, above: 0.01}, {over: 24h, increase: volume_m3, above: 0.1}]}
  title: 持续小流量
  message: "{device} {flow_m3_h_minimum_1d}"
  advice: 检查马桶
  examples:
    - - {at: 0s, every: 1h, for: 24h, flow_m3_h: 0.03, volume_m3: {from: 100, by: 0.03}, then: active}
      - {at: 25h, flow_m3_h: 0, then: normal}
"""


def flow_for_hours(url, pack, hours, register=100):
    """Evaluate a reading of a small flow in each of these hours, by a new evaluation."""
    with closing(connect(url, application_name="test")) as connection:
        devices = RegistryCache(EVERYTHING)
        evaluation = Evaluation(pack, devices, EVERYTHING, START)
        with connection.transaction():
            devices.refresh(connection)
            evaluation.restore(connection, START)
        number = devices.find("c", "w1").id
        for hour in hours:
            at, values = START + timedelta(hours=hour), {"flow_m3_h": 0.03, "volume_m3": register + 0.03 * hour}
            batch = Batch(last_seen={number: at})
            batch.readings["water_meter"].append(ReadingRow(number, at, at, values))
            batch.candidates.append(("water_meter", Sample(number, at, at, values), None))
            write_batch(connection, batch, evaluation, RejectionLimit(), at)


def test_a_window_continues_after_a_restart(database_url, tmp_path):
    (tmp_path / "water_meter.yaml").write_text(RULES, "utf-8")
    pack = load_rules(tmp_path)
    register(database_url, "c", [("w1", "water_meter")])
    for begin in range(0, 24, 8):
        flow_for_hours(database_url, pack, range(begin, begin + 8))
        assert query(database_url, "SELECT count(*) FROM alert") == [(0,)]
    flow_for_hours(database_url, pack, [24])
    assert query(database_url, "SELECT message FROM alert") == [("阳光小区 水表（w1） 0.03",)]


def test_a_window_goes_on_across_a_replacement_that_is_recorded_meanwhile(database_url, tmp_path):
    """The registry in memory is read again, and the state of the rules is none the wiser."""
    (tmp_path / "water_meter.yaml").write_text(RULES, "utf-8")
    pack = load_rules(tmp_path)
    register(database_url, "c", [("w1", "water_meter")])
    flow_for_hours(database_url, pack, range(20))
    with closing(connect(database_url, application_name="test")) as connection, connection.transaction():
        at = START + timedelta(hours=19.5)
        new = NewReplacement(at=at, old_register=100 + 0.03 * 19.5, new_register=50 + 0.03 * 19.5, actor="王师傅")
        record_replacement(connection, find_device(connection, "c", "w1"), new, at)
    flow_for_hours(database_url, pack, range(20, 25), register=50)
    assert query(database_url, "SELECT message FROM alert") == [("阳光小区 水表（w1） 0.03",)]


def test_values_that_no_rule_needs_any_more_are_deleted(database_url, tmp_path):
    (tmp_path / "water_meter.yaml").write_text(RULES, "utf-8")
    register(database_url, "c", [("w1", "water_meter")])
    flow_for_hours(database_url, load_rules(tmp_path), [0])
    ((tracks,),) = query(database_url, "SELECT tracks FROM device_state")
    assert b"flow_m3_h_minimum_1d" in tracks
    flow_for_hours(database_url, RulePack(()), [1])
    assert query(database_url, "SELECT tracks FROM device_state") == [(b"",)]
