"""The watchdog's device and alerts in the database."""

from datetime import datetime

from store.database import Connection

COMMUNITY = "anju-watchdog"
"""The community of the watchdog's device, which is the only one in it."""

MISSED_RULE = "watchdog_missed"
"""The rule of the alert that the watchdog's own alert did not come."""


def register_watchdog(connection: Connection) -> None:
    """Register the watchdog's community and device, by a function of the owner: the worker may register no other."""
    connection.execute("SELECT register_watchdog()")


def find_watchdog(connection: Connection) -> int | None:
    """Return the id of the watchdog's device; None where none is registered."""
    row = connection.execute("SELECT id FROM device WHERE community = %s", (COMMUNITY,)).fetchone()
    return row[0] if row else None


def has_raised(connection: Connection, device_id: int, since: datetime) -> bool:
    """Return whether an alert of the device opened at `since` or later."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM alert WHERE device_id = %s AND opened_at >= %s)", (device_id, since)
    ).fetchone()
    return bool(row and row[0])


def last_raised(connection: Connection) -> datetime | None:
    """Return when the watchdog's device last raised an alert; None where it never did."""
    row = connection.execute("SELECT max(raised_at) FROM alert WHERE community = %s", (COMMUNITY,)).fetchone()
    return row[0] if row else None
