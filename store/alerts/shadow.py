"""Transitions of rules on trial (shadow rules), stored apart from the alerts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from store.alerts.alerts import AlertText
from store.alerts.transitions import TransitionRow
from store.database import Connection


def insert_shadow_transitions(connection: Connection, rows: Sequence[tuple[TransitionRow, AlertText]]) -> None:
    """Insert transitions of rules on trial with their texts, inside the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO shadow_transition (occurrence_id, rule, rule_version, device_id, sequence, from_state, to_state,
                                           at, decided_at, reason, severity, title, message, inputs)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (
                    row.alert_id, row.rule, row.rule_version, row.device_id, row.sequence, row.from_state,
                    row.to_state, row.at, row.decided_at, row.reason, text.severity, text.title, text.message,
                    json.dumps(row.inputs, ensure_ascii=False),
                )
                for row, text in rows
            ],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShadowAlert:
    """An alert that a rule on trial would have raised; `ended_at` is None while it would be open."""

    rule: str
    community: str | None
    device: str | None
    severity: str
    title: str
    message: str
    opened_at: datetime
    ended_at: datetime | None


def list_shadow_alerts(connection: Connection, since: datetime, limit: int) -> list[ShadowAlert]:
    """Return the alerts that rules on trial would have raised since then, newest first."""
    with connection.cursor(row_factory=class_row(ShadowAlert)) as cursor:
        return cursor.execute(
            """
            SELECT raised.rule, device.community, device.name AS device, raised.severity, raised.title, raised.message,
                   raised.at AS opened_at,
                   (SELECT min(ending.at) FROM shadow_transition AS ending
                    WHERE ending.occurrence_id = raised.occurrence_id AND ending.id > raised.id
                      AND ending.to_state IN ('normal', 'muted')) AS ended_at
            FROM shadow_transition AS raised LEFT JOIN device ON device.id = raised.device_id
            WHERE raised.to_state = 'active' AND raised.from_state IN ('normal', 'pending') AND raised.at >= %s
            ORDER BY raised.at DESC, raised.id DESC
            LIMIT %s
            """,
            (since, limit),
        ).fetchall()
