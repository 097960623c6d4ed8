"""The one way into `alert_transition`, whose numbers order the stream that clients resume from.

A number is given when a row is inserted, but the row becomes visible when its transaction commits. Writers therefore
take turns: a reader that has seen number n has seen every number below it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from store.database import ALERT_CHANNEL, Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionRow:
    """One step of a rule's instance or of an alert.

    `axis` is `process` or `attention`. `alert_id` is None while no occurrence has been raised, `device_id` for an
    alert about Anju itself, `actor` unless a person or an API key did it. `at` is the time of what happened,
    `decided_at` the time it was decided, and `suppressions` the causes for which nobody was told then.
    """

    alert_id: UUID | None
    rule: str
    rule_version: str
    device_id: int | None
    sequence: int
    axis: str
    from_state: str
    to_state: str
    at: datetime
    decided_at: datetime
    reason: str
    actor: str | None = None
    comment: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    suppressions: Sequence[str] = ()


def lock_transitions(connection: Connection) -> None:
    """Make every other writer of transitions wait until the caller's transaction ends.

    A transaction that also changes rows of `alert` takes this lock before it touches them: two that took the same
    two locks in different order would wait for each other.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('alert_transition'))")


def insert_transitions(connection: Connection, rows: Sequence[TransitionRow]) -> None:
    """Write transitions in the order given, inside the caller's transaction, and wake the readers at its commit."""
    if not rows:
        return
    lock_transitions(connection)
    with (
        connection.cursor() as cursor,
        cursor.copy(
            """
            COPY alert_transition (alert_id, rule, rule_version, device_id, sequence, axis, from_state, to_state, at,
                                   decided_at, reason, actor, comment, inputs, suppressions)
            FROM STDIN
            """
        ) as copy,
    ):
        for row in rows:
            copy.write_row(
                (
                    row.alert_id, row.rule, row.rule_version, row.device_id, row.sequence, row.axis, row.from_state,
                    row.to_state, row.at, row.decided_at, row.reason, row.actor, row.comment,
                    json.dumps(row.inputs, ensure_ascii=False), list(row.suppressions),
                )
            )  # fmt: skip
    connection.execute("SELECT pg_notify(%s, '')", (ALERT_CHANNEL,))
