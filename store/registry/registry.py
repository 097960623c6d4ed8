"""The registry of communities, households and devices, as ingest and the import read it."""

from sys import intern
from typing import NamedTuple

from devices.device import Device, Service
from devices.place import compose_place
from store.database import FETCH_ROWS, Connection
from store.registry.replacements import load_replacements

HouseholdKey = tuple[str, str, str, str]
"""The community, building, unit and room of a household."""


class KindAndPlace(NamedTuple):
    """The kind and the place of a registered device, and whether it was withdrawn."""

    kind: str
    building: str
    unit: str
    room: str
    withdrawn: bool = False


def load_communities(connection: Connection) -> list[str]:
    """Return the ids of all communities."""
    return [row[0] for row in connection.execute("SELECT id FROM community ORDER BY id")]


def load_community_names(connection: Connection) -> dict[str, str]:
    """Return the names of all communities by id."""
    return dict(connection.execute("SELECT id, name FROM community ORDER BY id").fetchall())


def load_households(connection: Connection, communities: list[str]) -> set[HouseholdKey]:
    """Return the keys of the households of some communities."""
    return set(
        connection.execute(
            """
            SELECT community, building, unit, room FROM household
            WHERE community = ANY (%s) AND withdrawn_at IS NULL
            """,
            (communities,),
        )
    )


def load_kinds_and_places(connection: Connection, communities: list[str]) -> dict[tuple[str, str], KindAndPlace]:
    """Return kind and place of the devices of some communities, by (community, name); withdrawn ones included."""
    rows = connection.execute(
        """
        SELECT community, name, kind, building, unit, room, withdrawn_at IS NOT NULL
        FROM device WHERE community = ANY (%s)
        """,
        (communities,),
    )
    return {(community, name): KindAndPlace(*rest) for community, name, *rest in rows}


def load_devices(connection: Connection, communities: list[str] | None = None) -> list[Device]:
    """Return the devices of some communities, or all devices, by id.

    Withdrawn ones are included, in the service state of that name: they have a history.
    """
    replacements = load_replacements(connection)
    with connection.transaction(), connection.cursor(name="devices") as cursor:
        cursor.itersize = FETCH_ROWS
        cursor.execute(
            """
            SELECT device.id, device.community, device.name, kind, gateway, building, unit, room, location, simulated,
                   CASE WHEN withdrawn_at IS NULL THEN service ELSE 'withdrawn' END, community.name
            FROM device JOIN community ON community.id = device.community
            WHERE %(communities)s::text[] IS NULL OR community.id = ANY (%(communities)s)
            ORDER BY device.id
            """,
            {"communities": communities},
        )
        # Interned texts: many devices share a community, a kind, a gateway and a place.
        return [
            Device(
                device_id,
                intern(community),
                name,
                intern(kind),
                gateway and intern(gateway),
                intern(compose_place(building, unit, room, location)),
                simulated,
                intern(building),
                intern(room),
                Service(service),
                intern(unit),
                intern(community_name),
                replacements.get(device_id, ()),
            )
            for device_id, community, name, kind, gateway, building, unit, room, location, simulated, service,
            community_name in cursor
        ]  # fmt: skip
