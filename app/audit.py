"""Audit of the commands at the server."""

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime

from store.admin.audit import Change, record_change
from store.database import Connection


def audit_command(connection: Connection, action: str, subject: tuple[str, str], after: Mapping[str, object]) -> None:
    """Record the person at this machine, in the transaction of the change; `subject` is a type and an id."""
    try:
        person = getpass.getuser()
    except (KeyError, OSError):
        person = None  # a container may run as a number without a name
    change = Change(
        at=datetime.now(UTC), actor="cli", person=person, action=action, subject=subject[0], subject_id=subject[1],
        before={}, after=after,
    )  # fmt: skip
    record_change(connection, change)
