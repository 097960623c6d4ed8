"""Migrations are applied, undone and applied again."""

import json
from importlib.resources import files

import psycopg

from notifying import alert_id, raise_alerts
from running import query
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
    text = (files("store") / "migrations" / "20261201000004_place_of_a_group.sql").read_text("utf-8")
    up, down = text.split("-- migrate:down")
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
