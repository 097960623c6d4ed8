"""`anju rules backtest` and `anju rules explain` over the stored history."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from cli import invoke
from devices.privacy import Pseudonymiser
from ingest.batch import decode_batch
from ingest.evaluation import Evaluation
from ingest.partition import EVERYTHING
from ingest.receiver import Message
from ingest.registry_cache import RegistryCache
from ingest.rejection_limit import RejectionLimit
from ingest.write_batch import write_batch
from running import epoch_ms, query, reading, register
from shipped_rules import SHIPPED
from store.database import connect
from store.telemetry.history import read_ingest_lags

START = datetime(2026, 11, 10, 4, tzinfo=UTC)  # noon in Shanghai
MINUTE = timedelta(minutes=1)
VOLTS = (230, 245, 245, 245, 231, 230, 230, 245)
DURING = ("--start", "2026-11-10T12:00", "--end", "2026-11-10T15:00")


@pytest.fixture
def history(database_url):
    """Store evaluated readings of one meter every 15 minutes from noon on; another meter has never sent any."""
    register(database_url, "c1", [("e1", "electricity_meter"), ("e2", "electricity_meter")])
    with closing(connect(database_url, application_name="test")) as connection:
        connection.autocommit = True
        devices = RegistryCache(EVERYTHING)
        devices.refresh(connection)
        evaluation = Evaluation(SHIPPED, devices, EVERYTHING, START)
        for number, volts in enumerate(VOLTS):
            at = START + number * timedelta(minutes=15)
            payload = reading(epoch_ms(at.timestamp()), voltage_v=volts, current_a=3)
            message = Message("anju/v1/c1/electricity_meter/e1/telemetry", payload, at, redelivered=False, packet_id=0)
            batch = decode_batch([message], devices.find, Pseudonymiser(b"a key for the tests"))
            write_batch(connection, batch, evaluation, RejectionLimit(), at)
            with connection.transaction():
                evaluation.tick(connection, at, caught_up=True)
    return database_url


@pytest.fixture
def rules(history, tmp_path):
    return lambda *arguments: invoke("rules", *arguments, cwd=tmp_path, ANJU_DATABASE_URL=history)


def test_a_backtest_of_the_stored_history_finds_the_raised_alert(rules, history):
    done = rules("backtest", "--community", "c1", "--rule", "electricity_voltage_high", *DURING, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["samples"], result["devices"]) == (8, 1)
    raised = query(history, "SELECT id::text, rule, opened_at, ended_at FROM alert WHERE device_id IS NOT NULL")
    by_backtest = [
        (each["id"], each["rule"], *map(datetime.fromisoformat, (each["opened_at"], each["ended_at"])))
        for each in result["occurrences"]
    ]
    assert by_backtest == raised


def test_loaded_history_is_told_and_put_in_its_place_by_device_time(rules, history):
    query(history, "UPDATE telemetry_electricity_meter SET received_at = ts + interval '3 days' RETURNING 1")
    by_arrival = rules("backtest", "--start", "2026-11-13", "--end", "2026-11-14")
    assert "8 of them arrived over 25 hours after" in by_arrival.stdout
    assert "--device-time" in by_arrival.stdout
    by_device = rules("backtest", *DURING, "--device-time")
    assert "of them arrived" not in by_device.stdout
    assert "2026-11-10" in by_device.stdout


def test_only_lags_of_ingest_pause_the_backtest(database_url):
    steps = [
        ("pipeline_behind", "normal", "pending", 0, "behind"),
        ("pipeline_behind", "pending", "active", 1, "behind"),
        ("family_outage", "normal", "active", 2, "outage"),  # a device group has no device either
        ("pipeline_behind", "active", "recovering", 3, "behind"),
        ("notices_undelivered", "normal", "active", 5, "undelivered"),
        ("family_outage", "active", "normal", 9, "outage"),
    ]
    with psycopg.connect(database_url) as connection:
        for rule, before, after, minute, field in steps:
            connection.execute(
                """
                INSERT INTO alert_transition (rule, rule_version, sequence, axis, from_state, to_state, at, decided_at,
                                              reason, inputs)
                VALUES (%s, 'v1', 1, 'process', %s, %s, %s, %s, 'condition', %s)
                """,
                (rule, before, after, *2 * [START + minute * MINUTE], json.dumps({"values": {field: True}})),
            )
        lags = read_ingest_lags(connection, START - MINUTE, START + 60 * MINUTE)
    assert lags == [(START, START + 3 * MINUTE)]


def test_a_backtest_of_a_time_without_data_is_an_error(rules):
    done = rules("backtest", "--start", "2026-11-01", "--end", "2026-11-02")
    assert done.returncode == 3
    assert "nothing of these devices arrived in that time" in done.stderr


def test_an_alert_is_explained_step_by_step_from_its_first_reading_on(rules, history):
    [(alert,)] = query(history, "SELECT id::text FROM alert WHERE rule = 'electricity_voltage_high'")
    done = rules("explain", alert)
    assert done.returncode == 0, done.stderr
    steps = [line.split("  ")[1] for line in done.stdout.splitlines() if " → " in line]
    assert steps == ["正常 → 观察中", "观察中 → 发生中", "发生中 → 恢复中", "恢复中 → 正常"]
    assert "  已结束，未确认" in done.stdout.splitlines()
    assert "电压 245 V，高于限值 235.4 V" in done.stdout
    assert "自11月10日 12:15:00起持续满 30 分钟，11月10日 12:45:00报警。" in done.stdout


def test_the_phase_of_a_rule_is_explained_from_the_stored_state(rules):
    answer = rules("explain", "--rule", "electricity_voltage_high", "--device", "c1/e1").stdout
    assert "观察中，还没有报警（11月10日 13:45:00起）" in answer
    assert "数据中断不能凑够持续时间" in answer
    never = rules("explain", "--rule", "electricity_voltage_high", "--device", "c1/e2").stdout
    assert "从未收到这台设备的数据" in never


def test_an_earlier_phase_of_a_rule_is_computed_again(rules):
    at = ("explain", "--rule", "electricity_voltage_high", "--device", "c1/e1", "--at")
    assert "观察中" in rules(*at, "2026-11-10T12:31").stdout
    assert "发生中" in rules(*at, "2026-11-10T12:50").stdout
    before = json.loads(rules(*at, "2026-11-10T12:05", "--json").stdout)
    assert before["phase"] == "normal"
    assert any("电压 230 V，没有高于限值 235.4 V" in sentence for sentence in before["state"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--rule", "electricity_voltage_high"), 2, "name an alert by its id, or a rule"),
        (("--rule", "electricity_voltage_hihg", "--device", "c1/e1"), 2, "did you mean `electricity_voltage_high`?"),
        (("--rule", "water_leak", "--device", "c1/e1"), 2, "is a rule for a water_meter"),
        (("--rule", "electricity_voltage_high", "--device", "c1/e9"), 1, "there is no device c1/e9"),
        (("00000000-0000-0000-0000-000000000000",), 1, "there is no alert"),
    ],
)
def test_an_impossible_explanation_is_an_error_with_a_remedy(rules, arguments, code, message):
    done = rules("explain", *arguments)
    assert done.returncode == code
    assert message in done.stderr
