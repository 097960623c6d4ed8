"""The oracle finds each lost or duplicate row, and nothing in an intact database."""

import psycopg
import pytest

from database_roles import let_tests_create
from local.services import start_services
from oracle import expected, judge
from patience import patient
from running import Ingest
from stage import staged

_STEP = "alert_id, rule, rule_version, device_id, sequence, axis, from_state, to_state, at, decided_at, reason"
_ALERT = (
    "rule, rule_version, device_id, community, kind, severity, title, message, advice, opened_at, raised_at, simulated"
)
LOST = {
    "a reading": "DELETE FROM telemetry_water_meter WHERE ctid = (SELECT min(ctid) FROM telemetry_water_meter)",
    "a half of a reading": "UPDATE telemetry_water_meter SET pressure_mpa = NULL WHERE pressure_mpa = 0.2",
    "an event": "DELETE FROM event WHERE event = 'frozen'",
    "a rejection": "DELETE FROM rejection WHERE ctid = (SELECT min(ctid) FROM rejection)",
    "the count of a rejection": "UPDATE rejection_count SET count = count - 1",
    "every step of an alert": "DELETE FROM alert_transition WHERE rule = 'water_frozen'",
    "an alert": "DELETE FROM alert_transition WHERE rule = 'water_frozen'; "
    "DELETE FROM alert WHERE rule = 'water_frozen'",
    "the last step of an alert": "UPDATE alert SET process = 'ended' WHERE rule = 'water_frozen'",
}
DOUBLED = {
    "a reading": "INSERT INTO telemetry_water_meter (device_id, ts, received_at, volume_m3) "
    "SELECT device_id, ts + interval '1 hour', received_at, volume_m3 FROM telemetry_water_meter LIMIT 1",
    "a value": "UPDATE telemetry_water_meter SET volume_m3 = volume_m3 + 0.5 WHERE pressure_mpa = 0.2",
    "an event": "INSERT INTO event SELECT device_id, ts, received_at, event, id || '-again', data FROM event LIMIT 1",
    "a rejection": "INSERT INTO rejection (topic, reason, digest, detail, payload, size, first_received_at, "
    "last_received_at) SELECT topic, reason, '', '', 'never sent', 10, now(), now() FROM rejection LIMIT 1",
    "an alert": f"INSERT INTO alert (id, sequence, process, {_ALERT}) "
    f"SELECT gen_random_uuid(), sequence + 1, 'ended', {_ALERT} FROM alert WHERE rule = 'water_frozen'",
    "a step of an alert": f"INSERT INTO alert_transition ({_STEP}) "
    f"SELECT {_STEP} FROM alert_transition WHERE rule = 'water_frozen'",
}


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """Return an intact database and its messages."""
    folder = tmp_path_factory.mktemp("oracle")
    with start_services(folder / "data", print) as services:
        let_tests_create(services.superuser_url)
        ingest = Ingest(services.database_url, services.mqtt_url, folder / "ingest.log")
        with staged(services, ingest, lambda *_: None) as stage:
            stage.publisher(rate=None, total=2000).join(patient(30))
            stage.must_be_whole("nothing")
            yield services.database_url, stage.acknowledged


@pytest.mark.parametrize("damage", LOST)
def test_lost_rows_are_found(intact, damage):
    verdict = after(LOST[damage], *intact)
    assert verdict.lost
    assert not verdict.doubled or damage == "an alert"


@pytest.mark.parametrize("damage", DOUBLED)
def test_duplicate_rows_are_found(intact, damage):
    assert after(DOUBLED[damage], *intact).doubled


def test_an_acknowledged_message_without_its_row_is_lost(intact):
    database_url, messages = intact
    topic, payload = messages[0]
    with psycopg.connect(database_url) as connection:
        verdict = judge(connection, expected([*messages, (topic, payload.replace(b'"ts": ', b'"ts": 1'))]))
    assert len(verdict.lost) == 1


def test_nothing_is_found_in_an_intact_database(intact):
    verdict = after("SELECT 1", *intact)
    assert (verdict.lost, verdict.doubled, len(verdict.good_but_rejected)) == ([], [], 0)
    assert verdict.stored > 2000
    assert verdict.rejected == 4


def after(damage, database_url, messages):
    """Return the verdict after damage, and undo the damage."""
    with psycopg.connect(database_url) as connection:
        for statement in damage.split("; "):
            assert connection.execute(statement).rowcount
        verdict = judge(connection, expected(messages))
        connection.rollback()
    return verdict
