"""Actions of people on alerts, and the commands that the owner of a rule's state carries out for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import class_row

from store.alerts.alerts import AlertRow
from store.alerts.transitions import LockedConnection, TransitionRow, insert_transitions
from store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionChange:
    """A person's action on an alert, with the attention state and the assignee that result from it.

    `reason` is the name of the action. An action that changes neither, such as a comment, is a transition as well.
    """

    attention: str
    assignee: str | None
    reason: str
    actor: str
    comment: str | None
    inputs: Mapping[str, Any] = field(default_factory=dict)


RENEWED_AFTER = timedelta(minutes=10)
"""The least time between two requests to look after one alert: a detector that flickers is no reason to ask again."""


class RuleCommand(NamedTuple):
    """A person's decision that the owner of the rule's state carries out.

    `device_id` is the id of a device or device group, or the negated partition of Anju itself: 0, -1, -2, ...
    `sequence` is that of the alert, None if the command names none.
    """

    id: int
    rule: str
    device_id: int
    command: str
    actor: str
    sequence: int | None


def record_attention(connection: LockedConnection, alert: AlertRow, change: AttentionChange, now: datetime) -> None:
    """Store a change of the attention axis of a claimed alert, with its transition."""
    connection.execute(
        "UPDATE alert SET attention = %s, assignee = %s WHERE id = %s", (change.attention, change.assignee, alert.id)
    )
    transition = TransitionRow(
        alert_id=alert.id,
        rule=alert.rule,
        rule_version=alert.rule_version,
        device_id=alert.device_id,
        sequence=alert.sequence,
        axis="attention",
        from_state=alert.attention,
        to_state=change.attention,
        at=now,
        decided_at=now,
        reason=change.reason,
        actor=change.actor,
        comment=change.comment,
        inputs=change.inputs,
    )
    insert_transitions(connection, [transition])


def renew_attention(connection: LockedConnection, alert_id: UUID, now: datetime) -> None:
    """Make a latched alert whose condition has come back unacknowledged again, unless it has just been raised."""
    connection.execute(
        """
        WITH renewed AS (
            UPDATE alert SET attention = 'unacknowledged', returned_at = %(now)s
            FROM (SELECT id, attention FROM alert WHERE id = %(id)s) AS before
            WHERE alert.id = before.id AND coalesce(alert.returned_at, alert.raised_at) <= %(now)s - %(least)s
            RETURNING alert.id, alert.rule, alert.rule_version, alert.device_id, alert.sequence, before.attention
        )
        INSERT INTO alert_transition (alert_id, rule, rule_version, device_id, sequence, axis, from_state, to_state, at,
                                      decided_at, reason)
        SELECT id, rule, rule_version, device_id, sequence, 'attention', attention, 'unacknowledged', %(now)s, %(now)s,
               'returned'
        FROM renewed
        """,
        {"id": alert_id, "now": now, "least": RENEWED_AFTER},
    )


def order_close(connection: LockedConnection, alert: AlertRow, *, actor: str, now: datetime) -> None:
    """Command the owner of the rule's state to end a claimed alert."""
    connection.execute(
        """
        INSERT INTO rule_command (rule, device_id, command, actor, given_at, sequence)
        SELECT rule, coalesce(device_id, -partition), 'close', %s, %s, sequence FROM alert WHERE id = %s
        """,
        (actor, now, alert.id),
    )


def pending_commands(connection: Connection) -> list[RuleCommand]:
    """Return the commands of every partition that wait, oldest first."""
    with connection.cursor(row_factory=class_row(RuleCommand)) as cursor:
        return cursor.execute(
            "SELECT id, rule, device_id, command, actor, sequence FROM rule_command ORDER BY id"
        ).fetchall()


def delete_commands(connection: Connection, ids: list[int]) -> None:
    """Delete the commands that the caller's transaction carries out."""
    connection.execute("DELETE FROM rule_command WHERE id = ANY (%s)", (ids,))
