"""Alerts of Anju itself, which the worker writes: at most one of each rule is open."""

from uuid import UUID

from store.database import Connection


def find_open_alert(connection: Connection, rule: str) -> tuple[UUID, int] | None:
    """Return id and sequence of the open alert of a rule, or None."""
    return connection.execute(
        "SELECT id, sequence FROM alert WHERE rule = %s AND process <> 'ended'", (rule,)
    ).fetchone()


def count_alerts(connection: Connection, rule: str) -> int:
    """Count all alerts of a rule so far."""
    row = connection.execute("SELECT count(*) FROM alert WHERE rule = %s", (rule,)).fetchone()
    return row[0] if row else 0
