"""The durable state of the rules, the occurrences they raise, and what people decide about them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from store.database import Connection

LATE = timedelta(minutes=5)
"""What is raised so long after its time is late: its data waited on a device, or for ingest."""


class RuleStateRow(NamedTuple):
    """The state of one instance of a rule; `memory` is what the engine keeps besides the columns."""

    rule: str
    device_id: int
    rule_version: str
    phase: str
    since: datetime | None
    deadline: datetime | None
    sequence: int
    memory: Mapping[str, Any]


class NewAlert(NamedTuple):
    """An alert as it is raised.

    `device_id` and `community` are None for an alert about Anju itself, whose `partition` it then is; that of a device
    has 0 there. `building` is that of an alert about several devices.
    """

    id: UUID
    rule: str
    rule_version: str
    device_id: int | None
    sequence: int
    community: str | None
    kind: str
    severity: str
    title: str
    message: str
    advice: str
    opened_at: datetime
    raised_at: datetime
    simulated: bool
    partition: int = 0
    chattering: bool = False
    building: str | None = None


class RuleCommand(NamedTuple):
    """What a person decided, for the owner of the rule's state to carry out.

    `device_id` is that of a device, or the partition of Anju itself with the sign turned: 0, -1, -2, ... `sequence` is
    that of the occurrence it is about; None where whoever gave it did not say.
    """

    id: int
    rule: str
    device_id: int
    command: str
    actor: str
    sequence: int | None


def save_rule_states(connection: Connection, rows: Sequence[RuleStateRow]) -> None:
    """Write the states that changed, inside the caller's transaction."""
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
    """Forget instances that are normal and never raised anything, or whose rule is gone."""
    with connection.cursor() as cursor:
        cursor.executemany("DELETE FROM rule_state WHERE rule = %s AND device_id = %s", keys)


def load_rule_states(connection: Connection, communities: list[str]) -> Iterator[RuleStateRow]:
    """Every stored instance on a device of these communities, and all on Anju itself (no `device_id` above 0)."""
    rows = connection.execute(
        """
        SELECT state.rule, state.device_id, state.rule_version, state.phase, state.since, state.deadline,
               state.sequence, state.memory
        FROM rule_state AS state LEFT JOIN device ON device.id = state.device_id
        WHERE state.device_id <= 0 OR device.community = ANY (%s)
        """,
        (communities,),
    )
    for row in rows:
        yield RuleStateRow(*row)


def raise_alert(connection: Connection, row: NewAlert) -> None:
    """Open an occurrence, inside the caller's transaction. The database holds the law of one open an instance."""
    connection.execute(
        """
        INSERT INTO alert (id, rule, rule_version, device_id, sequence, community, kind, severity, title, message,
                           advice, opened_at, raised_at, simulated, partition, chattering, building,
                           process)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'active')
        """,
        row,
    )


class AlertText(NamedTuple):
    """How an alert is told."""

    severity: str
    title: str
    message: str
    advice: str


def reword_alert(connection: Connection, alert_id: UUID, words: AlertText) -> None:
    """Tell a raised alert in the words, and with the severity, that its rule has now."""
    connection.execute(
        "UPDATE alert SET severity = %s, title = %s, message = %s, advice = %s WHERE id = %s",
        (*words, alert_id),
    )


def progress_alert(connection: Connection, alert_id: UUID, process: str, ended_at: datetime | None) -> None:
    """Move a raised alert along the process axis; `ended_at` is given when it ends.

    One that was over before it could be raised, because its data came late, is historical.
    """
    connection.execute(
        """
        UPDATE alert SET process = %(process)s, ended_at = %(ended_at)s,
            historical = coalesce(%(ended_at)s::timestamptz <= raised_at AND raised_at - opened_at > %(late)s, false)
        WHERE id = %(id)s
        """,
        {"process": process, "ended_at": ended_at, "late": LATE, "id": alert_id},
    )


def pending_commands(connection: Connection) -> list[RuleCommand]:
    """The commands that wait, for whichever owner, oldest first."""
    rows = connection.execute("SELECT id, rule, device_id, command, actor, sequence FROM rule_command ORDER BY id")
    return [RuleCommand(*row) for row in rows]


def delete_commands(connection: Connection, ids: list[int]) -> None:
    """Drop the commands that are carried out in the caller's transaction."""
    connection.execute("DELETE FROM rule_command WHERE id = ANY (%s)", (ids,))
