"""What rules on trial would have raised, apart from the alerts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRow:
    """One step of an instance of a rule on trial; `occurrence_id` is None while it would not have raised anything."""

    occurrence_id: UUID | None
    rule: str
    rule_version: str
    device_id: int
    sequence: int
    from_state: str
    to_state: str
    at: datetime
    decided_at: datetime
    reason: str
    severity: str
    title: str
    message: str
    inputs: Any


def insert_shadow_transitions(connection: Connection, rows: Sequence[ShadowRow]) -> None:
    """Write down steps of rules on trial, inside the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO shadow_transition (occurrence_id, rule, rule_version, device_id, sequence, from_state, to_state,
                                           at, decided_at, reason, severity, title, message, inputs)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            """,
            [
                (
                    row.occurrence_id, row.rule, row.rule_version, row.device_id, row.sequence, row.from_state,
                    row.to_state, row.at, row.decided_at, row.reason, row.severity, row.title, row.message,
                    json.dumps(row.inputs, ensure_ascii=False),
                )
                for row in rows
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
    """What rules on trial would have raised since then, the newest first."""
    with connection.cursor(row_factory=class_row(ShadowAlert)) as cursor:
        return cursor.execute(
            """
            SELECT raised.rule, device.community, device.name AS device, raised.severity, raised.title, raised.message,
                   raised.at AS opened_at,
                   (SELECT min(over.at) FROM shadow_transition AS over
                    WHERE over.occurrence_id = raised.occurrence_id AND over.id > raised.id
                      AND over.to_state IN ('normal', 'muted')) AS ended_at
            FROM shadow_transition AS raised LEFT JOIN device ON device.id = raised.device_id
            WHERE raised.to_state = 'active' AND raised.from_state IN ('normal', 'pending') AND raised.at >= %s
            ORDER BY raised.at DESC, raised.id DESC
            LIMIT %s
            """,
            (since, limit),
        ).fetchall()
