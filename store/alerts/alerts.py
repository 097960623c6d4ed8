"""Alerts as people read them and act on them, and the transitions that their clients follow."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg import errors, sql
from psycopg.rows import class_row, dict_row

from store.alerts.transitions import TransitionRow, insert_transitions, lock_transitions
from store.database import ALERT_CHANNEL, Connection, DatabaseUnavailableError

_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An occurrence of a rule, with the device it is about; that is None for an alert about Anju itself.

    `opened_at` is when the condition began, `raised_at` when it was decided to be an alert.
    """

    id: UUID
    rule: str
    rule_version: str
    sequence: int
    device_id: int | None
    community: str | None
    device: str | None
    building: str | None
    unit: str | None
    room: str | None
    kind: str
    severity: str
    title: str
    message: str
    advice: str
    process: str
    attention: str
    assignee: str | None
    opened_at: datetime
    raised_at: datetime
    ended_at: datetime | None
    historical: bool
    chattering: bool
    simulated: bool


@dataclass(frozen=True, slots=True)
class StoredTransition:
    """A step of an alert; its number orders all steps of all alerts."""

    id: int
    axis: str
    from_state: str
    to_state: str
    at: datetime
    decided_at: datetime
    reason: str
    rule_version: str
    actor: str | None
    comment: str | None
    inputs: Mapping[str, Any]
    suppressions: Sequence[str]


@dataclass(frozen=True, slots=True)
class AlertTransition:
    """A transition together with its alert as it stands now."""

    transition: StoredTransition
    alert: AlertRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """What alerts to list; None lets everything pass.

    `since` looks at the time an alert opened, `suppressed` at whether anything keeps it from being notified.
    """

    process: Sequence[str] | None = None
    attention: Sequence[str] | None = None
    severity: Sequence[str] | None = None
    community: str | None = None
    kind: str | None = None
    assignee: str | None = None
    since: datetime | None = None
    suppressed: bool | None = None


AlertKey = tuple[datetime, UUID]

_ALERT: LiteralString = """
    alert.id, alert.rule, alert.rule_version, alert.sequence, alert.device_id, alert.community,
    device.name AS device, coalesce(device.building, alert.building) AS building, device.unit, device.room, alert.kind,
    alert.severity, alert.title, alert.message, alert.advice, alert.process, alert.attention, alert.assignee,
    alert.opened_at, alert.raised_at, alert.ended_at, alert.historical, alert.chattering, alert.simulated
"""


def list_alerts(
    connection: Connection, wanted: AlertFilter, before: AlertKey | None, limit: int, now: datetime
) -> list[AlertRow]:
    """At most `limit` alerts, the one that opened last first, from the first one beyond `before`."""
    before_opened_at, before_id = before or (None, None)
    with connection.cursor(row_factory=class_row(AlertRow)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                SELECT {alert}
                FROM alert LEFT JOIN device ON device.id = alert.device_id
                WHERE (%(process)s::text[] IS NULL OR alert.process = ANY (%(process)s))
                  AND (%(attention)s::text[] IS NULL OR alert.attention = ANY (%(attention)s))
                  AND (%(severity)s::text[] IS NULL OR alert.severity = ANY (%(severity)s))
                  AND (%(community)s::text IS NULL OR alert.community = %(community)s)
                  AND (%(kind)s::text IS NULL OR alert.kind = %(kind)s)
                  AND (%(assignee)s::text IS NULL OR alert.assignee = %(assignee)s)
                  AND (%(since)s::timestamptz IS NULL OR alert.opened_at >= %(since)s)
                  AND (%(suppressed)s::boolean IS NULL
                       OR %(suppressed)s = EXISTS (SELECT FROM suppression_at(%(now)s) WHERE alert_id = alert.id))
                  AND (%(before_opened_at)s::timestamptz IS NULL
                       OR (alert.opened_at <= %(before_opened_at)s
                           AND (alert.opened_at < %(before_opened_at)s OR alert.id > %(before_id)s::uuid)))
                ORDER BY alert.opened_at DESC, alert.id
                LIMIT %(limit)s
                """
            ).format(alert=sql.SQL(_ALERT)),
            {
                **asdict(wanted), "before_opened_at": before_opened_at, "before_id": before_id, "limit": limit,
                "now": now,
            },
        ).fetchall()  # fmt: skip


def find_alert(connection: Connection, alert_id: UUID) -> AlertRow | None:
    """The alert of that id, or None."""
    with connection.cursor(row_factory=class_row(AlertRow)) as cursor:
        return cursor.execute(
            sql.SQL(
                "SELECT {alert} FROM alert LEFT JOIN device ON device.id = alert.device_id WHERE alert.id = %s"
            ).format(alert=sql.SQL(_ALERT)),
            (alert_id,),
        ).fetchone()


def list_transitions(connection: Connection, alert_id: UUID) -> list[StoredTransition]:
    """Every step of an alert, in the order they were written."""
    with connection.cursor(row_factory=class_row(StoredTransition)) as cursor:
        return cursor.execute(
            """
            SELECT id, axis, from_state, to_state, at, decided_at, reason, rule_version, actor, comment, inputs,
                   suppressions
            FROM alert_transition
            WHERE alert_id = %s
            ORDER BY id
            """,
            (alert_id,),
        ).fetchall()


def count_open(connection: Connection, community: str | None = None) -> dict[str, int]:
    """How many alerts have not ended, by severity, in a community or everywhere."""
    rows = connection.execute(
        """
        SELECT severity, count(*) FROM alert
        WHERE process <> 'ended' AND (%(community)s::text IS NULL OR community = %(community)s)
        GROUP BY severity
        """,
        {"community": community},
    ).fetchall()
    return {"info": 0, "warning": 0, "major": 0, "critical": 0} | dict(rows)


def claim_alert(connection: Connection, alert_id: UUID) -> AlertRow | None:
    """The alert of that id, or None; nobody else changes it until the caller's transaction ends."""
    lock_transitions(connection)
    connection.execute("SELECT 1 FROM alert WHERE id = %s FOR NO KEY UPDATE", (alert_id,))
    return find_alert(connection, alert_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionChange:
    """What a person does about an alert: the state and the assignee it then has, who did it, and why.

    `reason` names the action; one that leaves the state as it is, such as a comment, is a step all the same.
    """

    attention: str
    assignee: str | None
    reason: str
    actor: str
    comment: str | None
    inputs: Mapping[str, Any] = field(default_factory=dict)


def record_attention(connection: Connection, alert: AlertRow, change: AttentionChange, now: datetime) -> None:
    """Take a step of the attention axis of a claimed alert, and write down who did it and why."""
    connection.execute(
        "UPDATE alert SET attention = %s, assignee = %s WHERE id = %s", (change.attention, change.assignee, alert.id)
    )
    step = TransitionRow(
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
    insert_transitions(connection, [step])


def order_close(connection: Connection, alert: AlertRow, *, actor: str, now: datetime) -> None:
    """Ask the owner of the rule's state to end a claimed alert."""
    connection.execute(
        """
        INSERT INTO rule_command (rule, device_id, command, actor, given_at, sequence)
        SELECT rule, coalesce(device_id, -partition), 'close', %s, %s, sequence FROM alert WHERE id = %s
        """,
        (actor, now, alert.id),
    )


def read_alert_transitions(
    connection: Connection, *, after: int, up_to: int, community: str | None, severity: Sequence[str] | None, limit: int
) -> list[AlertTransition]:
    """At most `limit` steps of alerts with numbers in (after, up_to], in the order of their numbers."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            sql.SQL(
                """
                SELECT {alert}, step.id AS step_id, step.axis, step.from_state, step.to_state, step.at,
                       step.decided_at, step.reason, step.rule_version AS step_rule_version, step.actor,
                       step.comment, step.inputs, step.suppressions
                FROM alert_transition AS step
                JOIN alert ON alert.id = step.alert_id
                LEFT JOIN device ON device.id = alert.device_id
                WHERE step.id > %(after)s AND step.id <= %(up_to)s
                  AND (%(community)s::text IS NULL OR alert.community = %(community)s)
                  AND (%(severity)s::text[] IS NULL OR alert.severity = ANY (%(severity)s))
                ORDER BY step.id
                LIMIT %(limit)s
                """
            ).format(alert=sql.SQL(_ALERT)),
            {"after": after, "up_to": up_to, "community": community, "severity": severity, "limit": limit},
        ).fetchall()
    return [_step(row) for row in rows]


def _step(row: dict[str, Any]) -> AlertTransition:
    alert = AlertRow(**{name: row[name] for name in AlertRow.__slots__})
    own = {"id": row["step_id"], "rule_version": row["step_rule_version"]}
    return AlertTransition(StoredTransition(**{name: (row | own)[name] for name in StoredTransition.__slots__}), alert)


def newest_transition(connection: Connection) -> int:
    """The highest number of a transition that is visible, or 0; none below it is still to come."""
    row = connection.execute("SELECT coalesce(max(id), 0) FROM alert_transition").fetchone()
    return row[0] if row else 0


def follow_transitions(connection: Connection) -> Generator[int]:
    """Yield the newest transition's number at once, after each notification, and at the latest every second.

    The connection serves nothing else meanwhile. The pauses are between the values, so the caller may stop there.

    Raises:
        DatabaseUnavailableError: the connection broke, or the database has no schema yet.
    """
    connection.execute(sql.SQL("LISTEN {channel}").format(channel=sql.Identifier(ALERT_CHANNEL)))
    connection.commit()
    try:
        while True:
            newest = newest_transition(connection)
            connection.commit()
            yield newest
            for _ in connection.notifies(timeout=_POLL_S, stop_after=1):
                pass
    except errors.UndefinedTable as error:
        raise DatabaseUnavailableError("the database has no schema yet; run `anju migrate`") from error
    finally:
        if not connection.closed:
            connection.rollback()
            connection.execute("UNLISTEN *")
            connection.commit()
