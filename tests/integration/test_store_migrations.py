"""Migrations are applied, undone and applied again."""

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
