"""Indexes behind lists of alerts: what many people open all day is read from an index and not sorted."""

from datetime import UTC, datetime

import psycopg

from database_roles import as_role
from store.admin.roles import Role
from store.alerts.alerts import AlertFilter, AlertOrder, list_alerts
from store.database import Database

OPEN = ["active", "latched", "recovering"]


def test_open_alerts_by_severity_come_from_their_index(new_database):
    with new_database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                """
                INSERT INTO alert (id, rule, rule_version, sequence, kind, severity, title, message, advice, process,
                                   opened_at, raised_at, ended_at, simulated, partition)
                SELECT gen_random_uuid(), 'r' || n, '1', n, 'pipeline',
                       (ARRAY['info', 'warning', 'major', 'critical'])[1 + n % 4], 't', 'm', 'a',
                       CASE WHEN n % 9 = 0 THEN 'active' ELSE 'ended' END, now() - n * interval '1 minute',
                       now(), now(), false, 0
                FROM generate_series(1, 20000) AS n
                """
            )
            connection.execute("ANALYZE alert")
        database = Database(as_role(url, Role.API), application_name="test", max_size=1)
        try:
            with database.connection() as connection:
                rows = list_alerts(
                    connection, AlertFilter(process=OPEN), None, 101, datetime.now(UTC), order=AlertOrder.SEVERITY
                )
                assert (len(rows), {row.severity for row in rows}) == (101, {"critical"})
                used = "SELECT pg_stat_get_xact_numscans('alert_open_by_severity'::regclass)"
                assert connection.execute(used).fetchone() == (1,)
        finally:
            database.close()
