"""Alerts: their rows, the queries of people, and the writers that the rules use."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import LiteralString, NamedTuple
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from devices.place import compose_place
from store.alerts.transitions import LockedConnection
from store.database import Connection

LATE = timedelta(minutes=5)
"""An alert raised more than this after it opened is late: its data waited on a device, or for ingest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRow:
    """An alert with its device and community, both None for an alert about Anju itself.

    At `opened_at` the condition had held for the on-delay; at `raised_at` the rules decided it, later if the data were
    late. At `returned_at` it last came back after it had been latched, if ever. An alert about several devices has the
    `building` they share, if any, but no `device`.
    """

    id: UUID
    rule: str
    rule_version: str
    sequence: int
    device_id: int | None
    community: str | None
    community_name: str | None
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
    location: str | None = None
    returned_at: datetime | None = None

    @property
    def place(self) -> str:
        """The place within the community, in words."""
        return compose_place(self.building or "", self.unit or "", self.room or "", self.location or "")


ALERT_COLUMNS: LiteralString = """
    alert.id, alert.rule, alert.rule_version, alert.sequence, alert.device_id, alert.community,
    community.name AS community_name, device.name AS device, coalesce(device.building, alert.building) AS building,
    device.unit, device.room, device.location, alert.kind, alert.severity, alert.title, alert.message, alert.advice,
    alert.process, alert.attention, alert.assignee, alert.opened_at, alert.raised_at, alert.ended_at, alert.historical,
    alert.chattering, alert.simulated, alert.returned_at
"""
"""The columns of `AlertRow`, selected from `ALERT_TABLES`."""

ALERT_TABLES: LiteralString = """
    alert LEFT JOIN device ON device.id = alert.device_id LEFT JOIN community ON community.id = alert.community
"""

_SELECT = sql.SQL("SELECT {columns} FROM {tables}").format(columns=sql.SQL(ALERT_COLUMNS), tables=sql.SQL(ALERT_TABLES))


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Conditions on the alerts to list; None is no condition.

    `since` is the earliest time of opening. `suppressed` selects alerts that are, or are not, kept from being notified.
    `assignee` is one of these names. `words` have all to stand in community, place, device, title or id, in any case.
    """

    process: Sequence[str] | None = None
    attention: Sequence[str] | None = None
    severity: Sequence[str] | None = None
    community: str | None = None
    kind: str | None = None
    building: str | None = None
    assignee: Sequence[str] | None = None
    since: datetime | None = None
    suppressed: bool | None = None
    words: Sequence[str] = ()


class AlertOrder(StrEnum):
    """Order of a list of alerts. By severity the gravest come first, and the newest of each."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SEVERITY = "severity"


class AlertKey(NamedTuple):
    """The place of an alert in a list of any order."""

    severity: str
    opened_at: datetime
    id: UUID


_NEWER: LiteralString = "(alert.opened_at <= %(opened_at)s AND (alert.opened_at < %(opened_at)s OR alert.id > %(id)s))"
_RANK: LiteralString = "array_position('{critical,major,warning,info}'::text[], alert.severity)"
_RANK_BEFORE: LiteralString = "array_position('{critical,major,warning,info}'::text[], %(severity_before)s::text)"
# Each with the condition on what follows a key. Ids run backwards by age, so that one index serves both directions.
_ORDERS: dict[AlertOrder, tuple[LiteralString, LiteralString]] = {
    AlertOrder.NEWEST: ("alert.opened_at DESC, alert.id", _NEWER),
    AlertOrder.OLDEST: (
        "alert.opened_at, alert.id DESC",
        "(alert.opened_at >= %(opened_at)s AND (alert.opened_at > %(opened_at)s OR alert.id < %(id)s))",
    ),
    AlertOrder.SEVERITY: (
        _RANK + ", alert.opened_at DESC, alert.id",
        _RANK + " >= " + _RANK_BEFORE + " AND (" + _RANK + " > " + _RANK_BEFORE + " OR " + _NEWER + ")",
    ),
}
# What people search in: an alert about several devices has no device, and one about Anju itself no community.
_SEARCHED: LiteralString = """
    lower(concat_ws(
        ' ', community.name, community.id, device.name, alert.title, alert.id,
        compose_place(
            coalesce(device.building, alert.building, ''), coalesce(device.unit, ''), coalesce(device.room, ''),
            coalesce(device.location, '')
        )
    ))
"""


class NewAlert(NamedTuple):
    """An alert to raise.

    An alert about Anju itself has no `device_id` and no `community`, and the `partition` of the ingest it is about. An
    alert about a device group has no `device_id`; its `partition` is the negated id of the group, `building` the one
    of all its devices. The alert of a device has partition 0.
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


class AlertText(NamedTuple):
    """The severity and texts of an alert, as its rule words them."""

    severity: str
    title: str
    message: str
    advice: str


def list_alerts(
    connection: Connection,
    conditions: AlertFilter,
    after: AlertKey | None,
    limit: int,
    now: datetime,
    *,
    order: AlertOrder = AlertOrder.NEWEST,
) -> list[AlertRow]:
    """Return at most `limit` alerts that follow the key `after` in an order."""
    columns, follows = _ORDERS[order]
    facts = asdict(conditions) | {"words": list(conditions.words), "limit": limit, "now": now}
    if after:
        facts |= {"severity_before": after.severity, "opened_at": after.opened_at, "id": after.id}
    with connection.cursor(row_factory=class_row(AlertRow)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                {select}
                WHERE (%(process)s::text[] IS NULL OR alert.process = ANY (%(process)s))
                  AND (%(attention)s::text[] IS NULL OR alert.attention = ANY (%(attention)s))
                  AND (%(severity)s::text[] IS NULL OR alert.severity = ANY (%(severity)s))
                  AND (%(community)s::text IS NULL OR alert.community = %(community)s)
                  AND (%(kind)s::text IS NULL OR alert.kind = %(kind)s)
                  AND (%(building)s::text IS NULL OR coalesce(device.building, alert.building) = %(building)s)
                  AND (%(assignee)s::text[] IS NULL OR alert.assignee = ANY (%(assignee)s))
                  AND (%(since)s::timestamptz IS NULL OR alert.opened_at >= %(since)s)
                  AND (%(suppressed)s::boolean IS NULL
                       OR %(suppressed)s = EXISTS (SELECT FROM suppression_at(%(now)s) WHERE alert_id = alert.id))
                  AND {words}
                  AND {follows}
                ORDER BY {order}
                LIMIT %(limit)s
                """
            ).format(
                select=_SELECT,
                words=sql.SQL(" AND ").join([sql.SQL("true"), *map(_has_word, range(1, len(conditions.words) + 1))]),
                follows=sql.SQL(follows if after else "true"),
                order=sql.SQL(columns),
            ),
            facts,
        ).fetchall()


def _has_word(number: int) -> sql.Composed:
    """Return the condition that the word of that number, counted from 1, stands where people search."""
    return sql.SQL("strpos({}, lower((%(words)s::text[])[{}])) > 0").format(sql.SQL(_SEARCHED), sql.Literal(number))


def find_alert(connection: Connection, alert_id: UUID) -> AlertRow | None:
    """Return the alert with this id, or None."""
    with connection.cursor(row_factory=class_row(AlertRow)) as cursor:
        return cursor.execute(sql.SQL("{} WHERE alert.id = %s").format(_SELECT), (alert_id,)).fetchone()


def find_alerts(connection: Connection, alert_ids: Sequence[UUID]) -> list[AlertRow]:
    """Return the alerts with these ids, in the order of their raising."""
    with connection.cursor(row_factory=class_row(AlertRow)) as cursor:
        return cursor.execute(
            sql.SQL("{} WHERE alert.id = ANY (%s) ORDER BY alert.raised_at, alert.id").format(_SELECT),
            (list(alert_ids),),
        ).fetchall()


def count_open(connection: Connection, community: str | None = None) -> dict[str, int]:
    """Count the alerts that have not ended, by severity; of one community, or of all."""
    rows = connection.execute(
        """
        SELECT severity, count(*) FROM alert
        WHERE process <> 'ended' AND (%(community)s::text IS NULL OR community = %(community)s)
        GROUP BY severity
        """,
        {"community": community},
    ).fetchall()
    return {"info": 0, "warning": 0, "major": 0, "critical": 0} | dict(rows)


def claim_alert(connection: LockedConnection, alert_id: UUID) -> AlertRow | None:
    """Return the alert with this id, or None, and lock its row until the transaction ends."""
    connection.execute("SELECT 1 FROM alert WHERE id = %s FOR NO KEY UPDATE", (alert_id,))
    return find_alert(connection, alert_id)


def raise_alert(connection: LockedConnection, alert: NewAlert) -> None:
    """Insert an alert. A unique index allows one open alert for each rule and device."""
    connection.execute(
        """
        INSERT INTO alert (id, rule, rule_version, device_id, sequence, community, kind, severity, title, message,
                           advice, opened_at, raised_at, simulated, partition, chattering, building,
                           process)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'active')
        """,
        alert,
    )


def reword_alert(connection: LockedConnection, alert_id: UUID, text: AlertText) -> None:
    """Give a raised alert the severity and texts that its rule has now."""
    connection.execute(
        "UPDATE alert SET severity = %s, title = %s, message = %s, advice = %s WHERE id = %s",
        (*text, alert_id),
    )


def move_alert(connection: LockedConnection, alert_id: UUID, opened_at: datetime, text: AlertText) -> None:
    """Give a raised alert the beginning that late data have found for it, and the texts from then; it is active."""
    connection.execute(
        """
        UPDATE alert SET process = 'active', opened_at = %s, ended_at = NULL, historical = false,
            severity = %s, title = %s, message = %s, advice = %s
        WHERE id = %s
        """,
        (opened_at, *text, alert_id),
    )


def set_other_alerts_aside(connection: LockedConnection, alert_id: UUID) -> None:
    """End any other open alert of the same rule and device, which is about to be moved or revoked itself."""
    connection.execute(
        """
        UPDATE alert SET process = 'ended', ended_at = alert.opened_at FROM alert AS one
        WHERE one.id = %s AND alert.rule = one.rule AND alert.device_id = one.device_id
          AND alert.id <> one.id AND alert.process <> 'ended'
        """,
        (alert_id,),
    )


def remove_alerts(connection: LockedConnection, alert_ids: Sequence[UUID]) -> None:
    """Remove ended alerts that late data have found to have no cause, except those that a person has met."""
    # A worker may be about to queue notices for them.
    connection.execute("SELECT FROM alert WHERE id = ANY (%s) FOR UPDATE", (list(alert_ids),))
    connection.execute(
        """
        WITH unmet AS (
            SELECT id FROM alert
            WHERE id = ANY (%s) AND process = 'ended'
              AND NOT EXISTS (SELECT FROM notice WHERE notice.alert_id = alert.id)
              AND NOT EXISTS (SELECT FROM alert_transition WHERE alert_id = alert.id AND axis = 'attention')
        ), unlinked AS (
            UPDATE alert_transition SET alert_id = NULL FROM unmet WHERE alert_transition.alert_id = unmet.id
        ), unsuppressed AS (
            DELETE FROM alert_suppression USING unmet WHERE alert_suppression.alert_id = unmet.id
        )
        DELETE FROM alert USING unmet WHERE alert.id = unmet.id
        """,
        (list(alert_ids),),
    )


def progress_alert(connection: LockedConnection, alert_id: UUID, process: str, ended_at: datetime | None) -> None:
    """Set the process state of a raised alert; `ended_at` is its end, or None.

    An alert is historical if late data raised it after its end. A critical one never is: somebody has to look.
    """
    connection.execute(
        """
        UPDATE alert SET process = %(process)s, ended_at = %(ended_at)s,
            historical = severity <> 'critical' AND coalesce(
                %(ended_at)s::timestamptz <= raised_at AND raised_at - opened_at > %(late)s, false
            )
        WHERE id = %(id)s
        """,
        {"process": process, "ended_at": ended_at, "late": LATE, "id": alert_id},
    )
