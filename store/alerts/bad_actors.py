"""Bad actors (ISA-18.2): devices with chattering alerts, to be repaired or given another limit."""

from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class BadActor:
    """A rule on a device that chattered: the number of its alerts, and of the chattering ones among them."""

    community: str
    community_name: str
    device: str
    place: str
    kind: str
    rule: str
    title: str
    alerts: int
    chattering: int
    last_at: datetime


def list_bad_actors(connection: Connection, community: str | None, since: datetime, limit: int) -> list[BadActor]:
    """Return the worst bad actors first, of a community or of all, by the alerts that opened since then."""
    with connection.cursor(row_factory=class_row(BadActor)) as cursor:
        return cursor.execute(
            """
            SELECT device.community, community.name AS community_name, device.name AS device,
                   compose_place(device.building, device.unit, device.room, device.location) AS place,
                   device.kind, alert.rule, max(alert.title) AS title,
                   count(*) AS alerts, count(*) FILTER (WHERE alert.chattering) AS chattering,
                   max(alert.opened_at) AS last_at
            FROM alert
            JOIN device ON device.id = alert.device_id
            JOIN community ON community.id = device.community
            WHERE alert.opened_at >= %(since)s
              AND (%(community)s::text IS NULL OR device.community = %(community)s)
              AND EXISTS (
                  SELECT FROM alert AS bad
                  WHERE bad.chattering AND bad.opened_at >= %(since)s
                    AND bad.device_id = alert.device_id AND bad.rule = alert.rule
              )
            GROUP BY device.id, community.id, alert.rule
            ORDER BY chattering DESC, alerts DESC, device.community, device.name, alert.rule
            LIMIT %(limit)s
            """,
            {"community": community, "since": since, "limit": limit},
        ).fetchall()
