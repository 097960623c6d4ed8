"""Earlier alerts of the device of an alert."""

from psycopg import sql
from psycopg.rows import class_row

from store.alerts.alerts import ALERT_COLUMNS, ALERT_TABLES, AlertRow
from store.database import Connection


def earlier_alerts(connection: Connection, alert: AlertRow, limit: int) -> list[AlertRow]:
    """Return at most `limit` alerts of the same device that opened before, newest first.

    Of an alert about a group or about Anju itself they are those of the same rule in the same community.
    """
    with connection.cursor(row_factory=class_row(AlertRow)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                SELECT {columns} FROM {tables}
                WHERE alert.opened_at < %(opened_at)s
                  AND (alert.device_id = %(device_id)s
                       OR (%(device_id)s::bigint IS NULL AND alert.device_id IS NULL AND alert.rule = %(rule)s
                           AND alert.community IS NOT DISTINCT FROM %(community)s))
                ORDER BY alert.opened_at DESC LIMIT %(limit)s
                """
            ).format(columns=sql.SQL(ALERT_COLUMNS), tables=sql.SQL(ALERT_TABLES)),
            {
                "opened_at": alert.opened_at, "device_id": alert.device_id, "rule": alert.rule,
                "community": alert.community, "limit": limit,
            },
        ).fetchall()  # fmt: skip
