"""The durable state of rule instances: one rule on one device, on a device group, or on Anju itself."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg.rows import class_row

from store.database import Connection


class RuleStateRow(NamedTuple):
    """The state of one rule instance; `memory` is the rest of it, without columns, as JSON."""

    rule: str
    device_id: int
    rule_version: str
    phase: str
    since: datetime | None
    deadline: datetime | None
    sequence: int
    memory: Mapping[str, Any]


def save_rule_states(connection: Connection, rows: Sequence[RuleStateRow]) -> None:
    """Insert or update states, inside the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            INSERT INTO rule_state (rule, device_id, rule_version, phase, since, deadline, sequence, memory)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (rule, device_id) DO UPDATE SET
                rule_version = excluded.rule_version, phase = excluded.phase, since = excluded.since,
                deadline = excluded.deadline, sequence = excluded.sequence, memory = excluded.memory
            """,
            [(*row[:-1], json.dumps(row.memory, ensure_ascii=False)) for row in rows],
        )


def delete_rule_states(connection: Connection, keys: Sequence[tuple[str, int]]) -> None:
    """Delete instances by (rule, device_id): normal ones without any alert so far, or ones of a removed rule."""
    with connection.cursor() as cursor:
        cursor.executemany("DELETE FROM rule_state WHERE rule = %s AND device_id = %s", keys)


def load_rule_states(connection: Connection, communities: list[str]) -> Iterator[RuleStateRow]:
    """Yield the stored instances on devices of these communities, and all on Anju itself and on device groups.

    The ids of the latter are not positive.
    """
    with connection.cursor(row_factory=class_row(RuleStateRow)) as cursor:
        yield from cursor.execute(
            """
            SELECT state.rule, state.device_id, state.rule_version, state.phase, state.since, state.deadline,
                   state.sequence, state.memory
            FROM rule_state AS state LEFT JOIN device ON device.id = state.device_id
            WHERE state.device_id <= 0 OR device.community = ANY (%s)
            """,
            (communities,),
        )


def find_rule_state(connection: Connection, rule: str, device_id: int) -> RuleStateRow | None:
    """Return the state of a rule on a device; None where the rule is normal and has never raised an alert."""
    with connection.cursor(row_factory=class_row(RuleStateRow)) as cursor:
        return cursor.execute(
            """
            SELECT rule, device_id, rule_version, phase, since, deadline, sequence, memory
            FROM rule_state WHERE rule = %s AND device_id = %s
            """,
            (rule, device_id),
        ).fetchone()
