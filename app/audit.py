"""Audit of the commands at the server."""

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime

from store.admin.audit import Change, record_change
from store.database import Connection


def audit_command(connection: Connection, action: str, subject: tuple[str, str], after: Mapping[str, object]) -> None:
    """Record the person at this machine, in the transaction of the change; `subject` is a type and an id."""
    change = Change(
        at=datetime.now(UTC), actor="cli", person=user_of_this_machine(), action=action, subject=subject[0],
        subject_id=subject[1], before={}, after=after,
    )  # fmt: skip
    record_change(connection, change)


def user_of_this_machine() -> str | None:
    """Return the name of the user; None in a container that runs as a number without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None
