"""Plates and door users reach no table and no log, go by age and by request, and are found after a new key."""

import json
import subprocess
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from cli import environment, invoke
from database_roles import as_role
from devices.kind import Identity
from devices.privacy import Pseudonymiser
from devices.seal import Seal
from imports.contacts import import_contacts
from imports.importer import import_rows
from patience import eventually, patient
from person_everywhere import messages_with
from running import ANJU, SECRET_KEY, epoch_ms, query, reading, register, running_ingest
from simulators.publisher import Publisher
from store.admin.erasure import digest_of
from store.admin.retention import delete_expired_events, forget_erasures
from store.admin.roles import Role
from store.database import connect
from store.registry.registry import load_devices

COMMUNITY = "yinsi"
PLATE, OTHER_PLATE, USER, NUMBER = "蒙KD35791", "蒙KA1234", "欧阳建国", "u-5502817"
NEXT_KEY = "the next secret key of these tests"
DEVICES = [
    ("gw", "gateway"),
    ("door", "access_control"),
    ("gate", "vehicle_gate"),
    ("cam", "camera"),
    ("gate2", "vehicle_gate", "gw"),
    ("door2", "access_control", "gw"),
    ("cam2", "camera", "gw"),
]


def topic(kind, device, channel="event", community=COMMUNITY):
    return f"anju/v1/{community}/{kind}/{device}/{channel}"


def passed(ts, plate, **more):
    data = {"plate": plate, "direction": "in"}
    return json.dumps({"ts": ts, "event": "vehicle_passed", "data": data, **more}).encode()


def unlocked(ts, user):
    return json.dumps({"ts": ts, "event": "unlocked", "data": {"user": user, "method": "card"}}).encode()


def dump(url):
    """Return every row of every table as text, and the bytes of binary columns as such."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        rows = [
            row[0] for (table,) in tables for row in connection.execute(f"SELECT whole::text FROM {table} AS whole")
        ]
        binary = connection.execute(
            """
            SELECT table_name, column_name FROM information_schema.columns
            WHERE table_schema = 'public' AND data_type = 'bytea'
            """
        ).fetchall()
        values = [
            bytes(row[0]).decode(errors="replace")
            for table, column in binary
            for row in connection.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
        ]
    return "\n".join(rows + values)


def erase(url, folder, *arguments, **settings):
    """Run `anju erase` as an operator does, and return its answer."""
    done = invoke(
        "erase", *arguments, "--json", cwd=folder,
        **{"ANJU_DATABASE_URL": as_role(url, Role.OPERATOR), "ANJU_SECRET_KEY": SECRET_KEY, **settings},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("person", [PLATE, NUMBER])
def test_a_person_at_any_place_of_any_message_is_in_no_table_and_no_log(
    services, database_url, ingest, tmp_path, person
):
    register(database_url, COMMUNITY, DEVICES)
    with connect(database_url, application_name="test") as connection:
        devices = load_devices(connection)
    began, sent = epoch_ms() - 3_600_000, 0
    with Publisher(services.publish_mqtt_url) as out:
        for to, content in messages_with(person, devices, began):
            out.publish(to, json.dumps(content, ensure_ascii=sent % 2 == 0).encode())
            sent += 1
        out.publish(topic("gate", "gate"), passed(began, person))
        out.publish(topic("vehicle_gate", "gate"), passed(began + 1, "蒙K00000"))
        out.flush(patient(60))
    marker = "SELECT 1 FROM event WHERE ts = to_timestamp(%s / 1000.0)"
    eventually(lambda: query(database_url, marker, began + 1), timeout_s=60)
    eventually(lambda: query(database_url, "SELECT coalesce(sum(messages), 0)::int FROM spool_total") == [(0,)])
    assert sent > 1000
    assert query(database_url, "SELECT count(*) > 100 FROM rejection") == [(True,)]
    assert ingest.terminate() == 0
    for text in (dump(database_url), ingest.log.read_text()):
        for form in {
            SECRET_KEY,
            person,
            person.lower(),
            person.casefold(),
            json.dumps(person)[1:-1],
            person.encode().hex(),
        }:
            assert form not in text


@pytest.mark.slow
@pytest.mark.usefixtures("session")
def test_an_event_is_stored_once_although_the_key_changed_before_it_was_sent_again(services, database_url, tmp_path):
    register(database_url, COMMUNITY, DEVICES)
    began = epoch_ms() - 60_000
    passage = passed(began, PLATE, id="01J-1")
    settings = {"ANJU_SECRET_KEY": NEXT_KEY, "ANJU_SECRET_KEY_OLD": SECRET_KEY}
    for number, changed in enumerate(({}, settings)):
        with (
            running_ingest(database_url, services.mqtt_url, tmp_path, **changed),
            Publisher(services.publish_mqtt_url) as out,
        ):
            out.publish(topic("vehicle_gate", "gate"), passage)
            out.publish(topic("vehicle_gate", "gate"), passed(began + 1 + number, OTHER_PLATE, id="01J-2"))
            out.flush(patient(30))
            eventually(lambda n=number: query(database_url, "SELECT count(*) FROM event") == [(2 + n,)])
    hashes = query(database_url, "SELECT data ->> 'plate_hash' FROM event ORDER BY ts")
    old, new = Pseudonymiser(SECRET_KEY.encode()), Pseudonymiser(NEXT_KEY.encode())
    expected = [(old, PLATE), (old, OTHER_PLATE), (new, OTHER_PLATE)]
    assert hashes == [(key.hash(Identity.PLATE, plate),) for key, plate in expected]
    found = erase(database_url, tmp_path, "--plate", OTHER_PLATE, **settings)
    assert found["found"]["event"] == 2
    assert erase(database_url, tmp_path, "--plate", OTHER_PLATE)["found"]["event"] == 1


def test_a_plate_is_erased_everywhere_and_what_is_on_its_way_too(services, database_url, ingest, tmp_path):
    register(database_url, COMMUNITY, DEVICES)
    register(database_url, "linju", [("gate", "vehicle_gate"), ("w1", "water_meter")])
    began = epoch_ms() - 60_000
    with Publisher(services.publish_mqtt_url) as out:
        for n in range(3):
            out.publish(topic("vehicle_gate", "gate"), passed(began + n, PLATE, id=f"{PLATE}-{n}"))
        out.publish(topic("vehicle_gate", "gate", community="linju"), passed(began, PLATE))
        out.publish(topic("vehicle_gate", "gate"), passed(began + 9, OTHER_PLATE))
        out.publish(topic("access_control", "door"), unlocked(began, PLATE))
        out.flush(patient(30))
        eventually(lambda: query(database_url, "SELECT count(*) FROM event") == [(6,)])
        found = erase(database_url, tmp_path, "--plate", " 蒙k·D35791 ")
        assert found["dry_run"]
        assert (found["found"]["event"], found["events_by_community"]) == (4, {"linju": 1, COMMUNITY: 3})
        untouched = "SELECT count(data ->> 'plate_hash'), (SELECT count(*) FROM erasure) FROM event"
        assert query(database_url, untouched) == [(5, 0)]

        erased = erase(database_url, tmp_path, "--plate", PLATE, "--reason", "申请单 31", "--yes")
        assert erased["erased"]["event"] == 4
        out.publish(topic("vehicle_gate", "gate"), passed(began + 5, PLATE))
        later = epoch_ms() + 60_000
        out.publish(topic("vehicle_gate", "gate"), passed(later, PLATE))
        out.flush(patient(30))
        eventually(lambda: query(database_url, "SELECT count(*) FROM event") == [(8,)])
    masked = "SELECT data ->> 'plate_masked' FROM event WHERE event = 'vehicle_passed' ORDER BY ts"
    assert query(database_url, masked) == [(None,)] * 5 + [("蒙K·****4",), ("蒙K·*****1",)]
    assert query(database_url, "SELECT count(*) FROM event WHERE data ? 'user_hash'") == [(1,)]
    key = Pseudonymiser(SECRET_KEY.encode()).hash(Identity.PLATE, PLATE)
    text = dump(database_url)
    assert text.count(key) == 1
    assert PLATE not in text
    ((person, after),) = query(database_url, "SELECT subject_id, after FROM audit_log WHERE action = 'erase'")
    assert (person, after["reason"], after["erased"]["event"]) == ("", "申请单 31", 4)


def test_a_door_user_is_erased_in_one_community_only(services, database_url, ingest, tmp_path):
    register(database_url, COMMUNITY, DEVICES)
    register(database_url, "linju", [("door", "access_control")])
    began = epoch_ms() - 60_000
    with Publisher(services.publish_mqtt_url) as out:
        for community in (COMMUNITY, "linju"):
            out.publish(topic("access_control", "door", community=community), unlocked(began, "1042"))
        out.flush(patient(30))
        eventually(lambda: query(database_url, "SELECT count(*) FROM event") == [(2,)])
        assert (
            erase(database_url, tmp_path, "--user", "1042", "--community", "linju", "--reason", "单 21042", "--yes")[
                "erased"
            ]["event"]
            == 1
        )
        for community in (COMMUNITY, "linju"):
            out.publish(topic("access_control", "door", community=community), unlocked(began + 1, "1042"))
        out.flush(patient(30))
        eventually(lambda: query(database_url, "SELECT count(*) FROM event") == [(4,)])
    left = "SELECT community, count(data ->> 'user_hash') FROM event JOIN device ON device.id = device_id GROUP BY 1"
    assert sorted(query(database_url, left)) == [("linju", 0), (COMMUNITY, 2)]


PLACES = [{"community": COMMUNITY, "building": "3", "unit": "2", "room": room} for room in ("501", "502")]
SITE = {"community": COMMUNITY, "name": "隐私小区", "banner": "东胜区", "street": "公园街道"}
CONTACTS = f"小区,楼,单元,房号,姓名,电话\n{COMMUNITY},3,2,501,张三,13812345678\n{COMMUNITY},3,2,502,张三,13812345678\n"
METERS = [{**place, "device": f"w{place['room']}", "kind": "water_meter"} for place in PLACES]


def test_a_household_is_erased_with_the_state_of_its_rules_while_ingest_runs(services, database_url, ingest, tmp_path):
    with connect(database_url, application_name="test") as connection:
        import_rows(connection, [SITE], PLACES, METERS)
        (tmp_path / "contacts.csv").write_text(CONTACTS)
        import_contacts(connection, tmp_path / "contacts.csv", Seal(b"key"), actor="a", now=datetime.now(UTC))
        connection.commit()
    began = epoch_ms() - 120_000
    with Publisher(services.publish_mqtt_url) as out:
        for n in range(20):
            for room in ("501", "502"):
                values = {"volume_m3": 4711.25 + n, "flow_m3_h": 1.5, "battery_v": 2.0}
                out.publish(topic("water_meter", f"w{room}", "telemetry"), reading(began + n * 1000, **values))
        out.publish(topic("water_meter", "w501", "telemetry"), reading(began, volume_m3=-4711.25))
        out.flush(patient(30))
        of = "SELECT count(*) FROM telemetry_water_meter JOIN device ON device.id = device_id WHERE device.name = %s"
        eventually(lambda: query(database_url, of, "w501") == query(database_url, of, "w502") == [(20,)])
        eventually(lambda: query(database_url, "SELECT count(*) FROM rejection") == [(1,)])
        path = f"{COMMUNITY}/3/2/501"
        found = erase(database_url, tmp_path, "--household", path)
        assert (found["found"]["telemetry_water_meter"], found["found"]["contact"]) == (20, 1)
        assert query(database_url, of, "w501") == [(20,)]

        erased = erase(database_url, tmp_path, "--household", path, "--yes")["erased"]
        assert (erased["telemetry_water_meter"], erased["rejection"], erased["contact"]) == (20, 1, 1)
        assert query(database_url, "SELECT room FROM contact") == [("502",)]
        late = reading(began + 500, volume_m3=4711.5)
        for room in ("501", "502"):
            out.publish(topic("water_meter", f"w{room}", "telemetry"), late)
            out.publish(topic("water_meter", f"w{room}", "telemetry"), reading(epoch_ms() + 2000, battery_v=3.5))
        out.flush(patient(30))
        eventually(lambda: query(database_url, of, "w502") == [(22,)])
        eventually(lambda: query(database_url, of, "w501") == [(1,)])
    stored = "SELECT last_values FROM device_state JOIN device ON device.id = device_id WHERE device.name = %s"
    assert query(database_url, stored, "w501") == [({"battery_v": 3.5},)]
    assert query(database_url, stored, "w502")[0][0]["volume_m3"] == 4711.25 + 19
    assert query(database_url, "SELECT count(*) FROM household") == [(2,)]
    inputs = """
        SELECT count(*) FROM alert_transition AS step JOIN device ON device.id = step.device_id
        WHERE device.name = %s AND step.inputs::text LIKE '%%4730%%'
    """
    assert query(database_url, inputs, "w501") == [(0,)]
    assert query(database_url, "SELECT action, subject_id FROM audit_log") == [("erase", path)]


@pytest.mark.usefixtures("session")
def test_an_alert_that_quotes_a_mask_loses_it_with_the_person(services, database_url, tmp_path):
    register(database_url, COMMUNITY, DEVICES)
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "vehicle_gate.yaml").write_text(
        """
- name: watched_passage
  kind: vehicle_gate
  severity: info
  when: {event: vehicle_passed}
  title: 有车通行
  message: "{device}：{plate_masked} 通行。"
  advice: 请到门岗登记后放行，并向物业值班室说明来访的住户。
  latch: true
  examples:
    - - {at: 0s, event: vehicle_passed, plate_masked: 蒙K·****4, then: latched}
"""
    )
    began = epoch_ms() - 60_000
    with (
        running_ingest(database_url, services.mqtt_url, tmp_path, ANJU_RULES_DIR=str(rules)),
        Publisher(services.publish_mqtt_url) as out,
    ):
        out.publish(topic("vehicle_gate", "gate"), passed(began, PLATE))
        behind = {"kind": "vehicle_gate", "device": "gate2", "ts": began, "event": "vehicle_passed"}
        out.publish(topic("gateway", "gw"), json.dumps({**behind, "data": {"plate": OTHER_PLATE}}).encode())
        out.flush(patient(30))
        look = "SELECT message FROM alert ORDER BY message DESC"
        messages = eventually(lambda: len(rows := query(database_url, look)) == 2 and rows)
        assert ["蒙K·*****1" in messages[0][0], "蒙K·****4" in messages[1][0]] == [True, True]
        erased = erase(database_url, tmp_path, "--plate", PLATE, "--yes")["erased"]
        assert erased["alert"] == 1
        assert erased["alert_transition"] >= 1
        assert erased["rule_state"] == 1
    text = dump(database_url)
    assert "蒙K·*****1" not in text
    assert "*** 通行" in text
    assert "蒙K·****4 通行" in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give one of --plate, --user and --household"),
        (["--plate", PLATE, "--user", USER], "give one of"),
        (["--household", f"{COMMUNITY}/1/1/1", "--community", COMMUNITY], "--household names its community itself"),
        (["--plate", " "], "empty"),
        (["--plate", PLATE, "--reason", f"车主 {PLATE} 申请"], "must not name the person"),
        (["--plate", PLATE, "--reason", "车主 蒙K·d35791 申请"], "must not name the person"),
        (["--user", "王小明", "--reason", "王小明本人申请"], "must not name the person"),
        (["--user", "1042", "--reason", "门禁1042号"], "must not name the person"),
        (["--plate", PLATE, "--reason", "申请\u202e单"], "--reason"),
    ],
)
def test_a_wrong_order_is_refused_and_says_what_to_give(tmp_path, arguments, told):
    done = invoke(
        "erase", *arguments, cwd=tmp_path, ANJU_DATABASE_URL="postgresql://localhost/none", ANJU_SECRET_KEY=SECRET_KEY
    )
    assert done.returncode == 2
    assert told in done.stderr


def test_an_unregistered_household_is_refused(database_url, tmp_path):
    done = invoke("erase", "--household", "a/1/1/1", cwd=tmp_path, ANJU_DATABASE_URL=database_url)
    assert done.returncode == 1
    assert "没有登记住户 a/1/1/1" in done.stderr
    assert query(database_url, "SELECT count(*) FROM audit_log") == [(0,)]


def test_events_of_doors_and_gates_go_after_their_own_time(database_url):
    register(database_url, COMMUNITY, [("door", "access_control"), ("gate", "vehicle_gate"), ("g1", "gas_meter")])
    now = datetime(2026, 12, 1, tzinfo=UTC)
    for days in (1, 100, 200):
        query(
            database_url,
            "INSERT INTO event SELECT id, %s, %s, 'tampered', '', '{}' FROM device RETURNING 1",
            now - timedelta(days=days), now,
        )  # fmt: skip
    keep = {"access_control": timedelta(days=180), "vehicle_gate": timedelta(days=30)}
    with connect(as_role(database_url, Role.WORKER), application_name="test") as connection:
        assert delete_expired_events(connection, now, keep) == 3
        assert delete_expired_events(connection, now, keep) == 0
    left = "SELECT kind, count(*)::int FROM event JOIN device ON device.id = device_id GROUP BY 1 ORDER BY 1"
    assert query(database_url, left) == [("access_control", 2), ("gas_meter", 3), ("vehicle_gate", 1)]


def test_the_record_of_an_erasure_goes_after_a_month(database_url, tmp_path):
    erase(database_url, tmp_path, "--plate", PLATE, "--yes")
    now = datetime.now(UTC)
    with connect(as_role(database_url, Role.WORKER), application_name="test") as connection:
        for days, left in ((29, 1), (31, 0)):
            forget_erasures(connection, now + timedelta(days=days))
            assert connection.execute("SELECT count(*) FROM erasure").fetchone() == (left,)


@pytest.mark.slow
def test_passages_that_are_being_stored_during_an_erasure_are_erased_too(services, database_url, ingest, tmp_path):
    register(database_url, COMMUNITY, DEVICES)
    began, count = epoch_ms() - 600_000, 6000
    with Publisher(services.publish_mqtt_url) as out:
        for n in range(count):
            out.publish(topic("vehicle_gate", "gate"), passed(began + n, PLATE))
            out.publish(topic("access_control", "door"), unlocked(began + n, USER))
            if n % 1500 == 1000:
                erase(database_url, tmp_path, "--plate", PLATE, "--yes")
        out.flush(patient(120))
    eventually(lambda: query(database_url, "SELECT count(*) FROM event") == [(2 * count,)], timeout_s=120)
    assert query(database_url, "SELECT count(*) FROM event WHERE data ? 'plate_hash'") == [(0,)]
    assert query(database_url, "SELECT count(*) FROM event WHERE data ? 'user_hash'") == [(count,)]
    assert query(database_url, "SELECT count(*) FROM rejection") == [(0,)]


def test_an_operator_reads_what_goes_and_what_stays(database_url, tmp_path):
    register(database_url, COMMUNITY, [("gate", "vehicle_gate")])
    key = Pseudonymiser(SECRET_KEY.encode()).hash(Identity.PLATE, PLATE)
    data = json.dumps({"plate_hash": key, "plate_masked": "蒙K·*****1", "direction": "in"})
    insert = "INSERT INTO event SELECT id, now(), now(), 'vehicle_passed', %s, %s FROM device RETURNING 1"
    for n in range(2):
        query(database_url, insert, str(n), data)
    settings = {"ANJU_DATABASE_URL": database_url, "ANJU_SECRET_KEY": SECRET_KEY}
    first = invoke("erase", "--plate", PLATE, cwd=tmp_path, **settings).stdout.splitlines()
    assert first == [
        "将删除（现在什么都没有改动，加 --yes 执行）：",
        "  事件 2",
        "事件本身保留（只剩时间和方向），统计和验收的数字不变。",
    ]
    done = invoke("erase", "--plate", PLATE, "--yes", cwd=tmp_path, **settings).stdout.splitlines()
    assert done[:2] == ["已删除：", "  事件 2"]
    again = invoke("erase", "--plate", PLATE, cwd=tmp_path, **settings).stdout
    assert again == "没有找到相关数据。加 --yes 执行后，此前已发出、尚未收到的数据也不会再保存。\n"
    assert query(database_url, "SELECT DISTINCT data FROM event") == [({"direction": "in"},)]


def test_a_plate_may_come_from_standard_input(database_url, tmp_path):
    settings = {"ANJU_DATABASE_URL": database_url, "ANJU_SECRET_KEY": SECRET_KEY}
    command = [ANJU, "erase", "--plate", "-", "--json", "--yes"]
    done = subprocess.run(
        command, input=f"{PLATE}\n", cwd=tmp_path, env=environment(settings), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["erased"]["event"] == 0
    digest = digest_of(Pseudonymiser(SECRET_KEY.encode()).hash(Identity.PLATE, PLATE))
    assert query(database_url, "SELECT digest FROM erasure") == [(digest,)]
