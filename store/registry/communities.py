"""Communities, with the numbers of their households and devices."""

from dataclasses import dataclass
from datetime import date
from typing import LiteralString

from psycopg import sql
from psycopg.rows import class_row

from store.database import Connection
from store.registry.devices import DEVICE_STATE


@dataclass(frozen=True, slots=True, kw_only=True)
class CommunityRow:
    """A community of the registry."""

    id: str
    name: str
    banner: str
    street: str
    property_company: str | None
    built_year: int | None
    subsidised: bool | None
    stage: str | None
    started_on: date | None
    planned_finish: date | None
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCount:
    """The number of devices of a kind, by their state (`store.registry.devices`); `simulated` is a part of `total`."""

    kind: str
    total: int
    simulated: int
    reporting: int
    silent: int
    never_heard: int
    out_of_service: int


_COMMUNITY: LiteralString = """
    SELECT id, name, banner, street, property_company, built_year, subsidised, stage, started_on, planned_finish,
           latitude, longitude
    FROM community
"""


def visible_communities(connection: Connection) -> frozenset[str]:
    """Return the ids of the communities that the connection sees."""
    return frozenset(row[0] for row in connection.execute("SELECT id FROM community"))


def list_communities(connection: Connection, after: str | None, limit: int) -> list[CommunityRow]:
    """Return at most `limit` communities with ids beyond `after`, by id."""
    with connection.cursor(row_factory=class_row(CommunityRow)) as cursor:
        return cursor.execute(
            sql.SQL("{} WHERE %(after)s::text IS NULL OR id > %(after)s ORDER BY id LIMIT %(limit)s").format(
                sql.SQL(_COMMUNITY)
            ),
            {"after": after, "limit": limit},
        ).fetchall()


def find_community(connection: Connection, community: str) -> CommunityRow | None:
    """Return the community with this id, or None."""
    with connection.cursor(row_factory=class_row(CommunityRow)) as cursor:
        return cursor.execute(sql.SQL("{} WHERE id = %s").format(sql.SQL(_COMMUNITY)), (community,)).fetchone()


def count_households(connection: Connection, community: str) -> int:
    """Count the registered households of a community, without withdrawn ones."""
    row = connection.execute(
        "SELECT count(*) FROM household WHERE community = %s AND withdrawn_at IS NULL", (community,)
    ).fetchone()
    return row[0] if row else 0


def count_devices(connection: Connection, community: str | None = None) -> list[DeviceCount]:
    """Count the devices of a community, or of all, by kind in the order of their names, without withdrawn ones."""
    with connection.cursor(row_factory=class_row(DeviceCount)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                SELECT kind,
                       count(*) AS total,
                       count(*) FILTER (WHERE simulated) AS simulated,
                       count(*) FILTER (WHERE state = 'reporting') AS reporting,
                       count(*) FILTER (WHERE state = 'silent') AS silent,
                       count(*) FILTER (WHERE state = 'never_heard') AS never_heard,
                       count(*) FILTER (WHERE state = 'out_of_service') AS out_of_service
                FROM (
                    SELECT device.kind, device.simulated, {state} AS state
                    FROM device LEFT JOIN device_state AS state ON state.device_id = device.id
                    WHERE device.withdrawn_at IS NULL
                      AND (%(community)s::text IS NULL OR device.community = %(community)s)
                ) AS listed
                GROUP BY kind ORDER BY kind
                """
            ).format(state=DEVICE_STATE),
            {"community": community},
        ).fetchall()


def has_building(connection: Connection, community: str, building: str) -> bool:
    """Return whether a device or household of the community is in that building."""
    row = connection.execute(
        """
        SELECT EXISTS (
            SELECT FROM device
            WHERE community = %(community)s AND building = %(building)s AND withdrawn_at IS NULL
        ) OR EXISTS (
            SELECT FROM household
            WHERE community = %(community)s AND building = %(building)s AND withdrawn_at IS NULL
        )
        """,
        {"community": community, "building": building},
    ).fetchone()
    return bool(row and row[0])
