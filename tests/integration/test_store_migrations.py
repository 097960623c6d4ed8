"""Migrations are applied, undone and applied again."""

import json
from importlib.resources import files

import psycopg

from notifying import alert_id, raise_alerts
from running import query, register
from store.admin.migrate import migrate
from store.notices.enqueue import NOTICE_TASK


def test_every_migration_can_be_undone_and_applied_again(empty_database_url):
    migrate(empty_database_url)
    shipped = sorted((files("store") / "migrations").iterdir(), key=lambda entry: entry.name, reverse=True)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        for entry in shipped:
            connection.execute(entry.read_text("utf-8").split("-- migrate:down")[1])
        connection.execute("DELETE FROM schema_migrations")
    migrate(empty_database_url)
    raise_alerts(empty_database_url, [1])
    assert query(empty_database_url, "SELECT task_name, args -> 'alerts' ->> 0 FROM procrastinate_jobs") == [
        (NOTICE_TASK, str(alert_id(1)))
    ]


def test_the_stored_groups_of_an_older_version_get_their_gateway(database_url):
    up, down = _halves("20261201000004_place_of_a_group.sql")
    groups = [[-1, "c1", "网关 g1", 7, [], False, "3"], [-2, "c1", "3号楼", None, [], False, "3"]]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(down)
        for group in groups:
            connection.execute(
                "INSERT INTO rule_state VALUES ('family_silent', %s, '1', 'active', now(), NULL, 1, %s)",
                (group[0], json.dumps({"family": group, "verdict": True})),
            )
        for _ in range(2):  # a second time changes nothing
            connection.execute(up)
        stored = "SELECT memory -> 'family' FROM rule_state ORDER BY device_id DESC"
        assert query(database_url, stored) == [([*groups[0], "g1", "", ""],), ([*groups[1], "", "", ""],)]
        connection.execute(down)
        assert query(database_url, stored) == [(group,) for group in groups]


def test_the_sessions_of_an_older_ingest_are_known_under_their_fixed_names(database_url):
    up, down = _halves("20261201000034_broker_sessions.sql")
    sessions = "SELECT partition, client_id, drained FROM broker_session ORDER BY partition"
    with psycopg.connect(database_url, autocommit=True) as connection:
        for count in (0, 3):
            connection.execute(down)
            if count:
                connection.execute("INSERT INTO partitioning (count) VALUES (%s)", (count,))
            connection.execute(up)
            assert query(database_url, sessions) == [(n, f"anju-ingest-{n}", False) for n in range(count)]


def test_the_notices_and_shelvings_of_an_older_version_keep_their_meaning(database_url):
    up, down = _halves("20261201000013_safety_of_people.sql")
    raise_alerts(database_url, [1], defer=False)
    alert = alert_id(1)
    reasons = {
        "somebody has seen to it": "acknowledged",
        "over before its suppression ended": "over_while_suppressed",
        "it was told as over": "told_as_over",
        "nobody was told of it": "not_told",
        "the channel is no longer in the file": "channel_removed",
    }
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(down)
        for n, reason in enumerate(reasons):
            connection.execute(
                "INSERT INTO notice (alert_id, channel, kind, n, severity, state, queued_at, due_at, last_error) "
                "VALUES (%s, 'a/wecom', 'escalated', %s, 'critical', 'dropped', now(), now(), %s)",
                (alert, n, reason),
            )
        connection.execute(
            "INSERT INTO notice (alert_id, channel, kind, n, severity, queued_at, due_at) "
            "VALUES (%s, 'b/wecom', 'raised', 1, 'critical', now(), now()), "
            "(%s, 'b/wecom', 'escalated', 1, 'critical', now(), now())",
            (alert, alert),
        )
        connection.execute(
            "INSERT INTO notice_message (channel, sent_at, form, critical, notices) "
            "VALUES ('a/wecom', now(), 'group', true, 1)"
        )
        connection.execute(
            "INSERT INTO alert_suppression (alert_id, cause, since, until, detail) "
            "VALUES (%s, 'shelved', now(), now() + interval '1 hour', '等备件')",
            (alert,),
        )
        connection.execute(up)
        stored = "SELECT last_error FROM notice WHERE state = 'dropped' ORDER BY n"
        assert query(database_url, stored) == [(code,) for code in reasons.values()]
        waits = "SELECT kind, waits_for FROM notice WHERE state = 'queued' ORDER BY id"
        assert query(database_url, waits) == [("raised", "gathering"), ("escalated", "escalation")]
        assert query(database_url, "SELECT unlimited FROM notice_message") == [(True,)]
        assert query(database_url, "SELECT cause FROM suppression_at(now() + interval '1 minute')") == [("shelved",)]
        connection.execute(down)
        assert query(database_url, stored) == [(reason,) for reason in reasons]


def test_ids_and_masks_of_an_older_version_show_nobody_any_more(database_url):
    up, down = _halves("20261201000045_personal_data.sql")
    register(database_url, "c1", [("gate", "vehicle_gate"), ("door", "access_control"), ("w1", "water_meter")])
    masks = {"蒙K·A**34": "蒙K·****4", "蒙K·D***45": "蒙K·*****5", "AB·1**": "***", "蒙A·1**4警": "蒙A·****警"}
    users = {"王**": "王**", "1**": "***", "u**": "***"}
    event = "INSERT INTO event SELECT id, now(), now(), %s, %s, %s FROM device WHERE name = %s"
    rejection = (
        "INSERT INTO rejection (topic, reason, digest, detail, payload, size, device_id, first_received_at, "
        "last_received_at) SELECT %s, 'unknown_device', %s, 'd', '', 0, id, now(), now() FROM device WHERE name = %s"
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(down)
        for mask in masks:
            data = {"plate_hash": "0" * 32, "plate_masked": mask, "direction": "in"}
            connection.execute(event, (mask, f"{mask}-id", json.dumps(data), "gate"))
        for mask in users:
            connection.execute(event, (mask, "", json.dumps({"user_masked": mask}), "door"))
        connection.execute(event, ("cover_opened", "01J", "{}", "w1"))
        connection.execute(
            "INSERT INTO alert_transition (rule, rule_version, device_id, sequence, axis, from_state, to_state, at, "
            "decided_at, reason, inputs) VALUES ('r', '1', 1, 1, 'process', 'normal', 'pending', now(), now(), '', %s)",
            (json.dumps({"values": {"plate_masked": "蒙K·A**34", "direction": "in"}, "event": "vehicle_passed"}),),
        )
        for n, device in enumerate(("gate", "w1")):
            connection.execute(rejection, (f"t{n}", bytes([n]), device))
        connection.execute(up)
    stored = "SELECT event, data, event.id FROM event JOIN device ON device.id = device_id WHERE name = %s"
    gate = query(database_url, stored, "gate")
    assert {event: data["plate_masked"] for event, data, _ in gate} == masks
    assert {frozenset(data) for _, data, _ in gate} == {frozenset({"plate_hash", "plate_masked", "direction"})}
    assert {len(identifier) for _, _, identifier in gate} == {32}
    assert {event: data["user_masked"] for event, data, _ in query(database_url, stored, "door")} == users
    assert query(database_url, stored, "w1") == [("cover_opened", {}, "01J")]
    assert query(database_url, "SELECT inputs -> 'values' FROM alert_transition") == [
        ({"plate_masked": "蒙K·****4", "direction": "in"},)
    ]
    assert query(database_url, "SELECT topic FROM rejection") == [("t1",)]


def test_texts_of_alerts_of_an_older_version_show_nobody_any_more(database_url):
    up, _ = _halves("20261201000046_masks_in_texts.sql")
    texts = {
        "车 蒙K·A**34 通行": "车 蒙K·****4 通行",
        "蒙K·D***45、蒙A·1**4警": "蒙K·*****5、蒙A·****警",
        "开门人 1** 五次被拒": "开门人 *** 五次被拒",
        "开门人 王** 开门": "开门人 王** 开门",
        "蒙K·****4 与 ***": "蒙K·****4 与 ***",
    }
    raise_alerts(database_url, range(1, len(texts) + 1), defer=False)
    with psycopg.connect(database_url, autocommit=True) as connection:
        for n, text in enumerate(texts, 1):
            connection.execute(
                "UPDATE alert SET kind = 'vehicle_gate', message = %s WHERE id = %s", (text, alert_id(n))
            )
        connection.execute(up)
    stored = dict(query(database_url, "SELECT id, message FROM alert"))
    assert [stored[alert_id(n)] for n in range(1, len(texts) + 1)] == list(texts.values())


def _halves(name):
    """Return both directions of a migration."""
    return (files("store") / "migrations" / name).read_text("utf-8").split("-- migrate:down")
