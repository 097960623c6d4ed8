"""One rule on one device: where it stands, what is remembered of the device, and how it came there."""

from datetime import datetime

from psycopg.rows import class_row

from store.alerts.alerts import StoredTransition
from store.alerts.rule_state import RuleStateRow
from store.database import Connection
from store.telemetry.device_state import DeviceStateRow


def find_rule_state(connection: Connection, rule: str, device_id: int) -> RuleStateRow | None:
    """The stored state; None where the rule is normal on the device and always was."""
    row = connection.execute(
        """
        SELECT rule, device_id, rule_version, phase, since, deadline, sequence, memory
        FROM rule_state WHERE rule = %s AND device_id = %s
        """,
        (rule, device_id),
    ).fetchone()
    return RuleStateRow(*row) if row else None


def find_device_state(connection: Connection, device_id: int) -> DeviceStateRow | None:
    """What is remembered of a device, without its tracks; None if it was never heard."""
    row = connection.execute(
        "SELECT last_ts, last_fresh, event_ts, last_values FROM device_state WHERE device_id = %s", (device_id,)
    ).fetchone()
    if row is None:
        return None
    last_ts, last_fresh, event_ts, values = row
    events = {name: datetime.fromisoformat(ts) for name, ts in event_ts.items()}
    return DeviceStateRow(device_id, last_ts, last_fresh, events, values, b"")


def previous_transition(
    connection: Connection, rule: str, device_id: int | None, before: int
) -> StoredTransition | None:
    """The step of a rule on a device (None is Anju itself) before the one of that number."""
    with connection.cursor(row_factory=class_row(StoredTransition)) as cursor:
        return cursor.execute(
            """
            SELECT id, axis, from_state, to_state, at, decided_at, reason, rule_version, actor, comment, inputs,
                   suppressions
            FROM alert_transition
            WHERE rule = %(rule)s AND id < %(before)s AND axis = 'process'
              AND (device_id = %(device_id)s OR (%(device_id)s::bigint IS NULL AND device_id IS NULL))
            ORDER BY id DESC
            LIMIT 1
            """,
            {"rule": rule, "device_id": device_id, "before": before},
        ).fetchone()
