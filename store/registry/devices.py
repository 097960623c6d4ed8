"""Registered devices with their latest state."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime

from psycopg import sql
from psycopg.rows import class_row

from devices.catalogue import KINDS
from devices.kind import Value
from devices.place import compose_place
from store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """A device and its state.

    `last_ts` is the device's time of its newest sample, `last_seen` the arrival of its newest message of any type.
    `connection` is its connection state since `connection_at`. Before the first message all of them are None, and
    `last_values` is empty. `state` is `reporting`, `silent`, `never_heard` or `out_of_service`.
    """

    id: int
    community: str
    name: str
    kind: str
    building: str
    unit: str
    room: str
    gateway: str | None
    plan_item: str | None
    serial: str | None
    installed_on: date | None
    simulated: bool
    withdrawn_at: datetime | None
    state: str
    last_ts: datetime | None
    last_values: Mapping[str, Value]
    last_seen: datetime | None
    connection: str | None
    connection_at: datetime | None
    location: str = ""

    @property
    def place(self) -> str:
        """The place within the community, in words."""
        return compose_place(self.building, self.unit, self.room, self.location)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFilter:
    """Conditions on the devices to list; None is no condition. `connection` is `online`, `offline` or `unknown`.

    `withdrawn` selects the withdrawn devices instead of the others.
    """

    community: str | None = None
    kind: str | None = None
    building: str | None = None
    connection: str | None = None
    state: str | None = None
    simulated: bool | None = None
    withdrawn: bool = False


DEVICE_STATE = sql.SQL(
    """
    CASE
        WHEN device.service <> 'in_service' THEN 'out_of_service'
        WHEN state.last_seen IS NULL THEN 'never_heard'
        WHEN coalesce(state.last_fresh, state.last_ts)
             >= (SELECT least(now(), max(present_at)) FROM partition_report) - {no_data_after} THEN 'reporting'
        ELSE 'silent'
    END
    """
).format(
    no_data_after=sql.SQL("CASE device.kind {} END").format(
        sql.SQL(" ").join(
            sql.SQL("WHEN {} THEN {}").format(sql.Literal(kind.name), sql.Literal(kind.no_data_after)) for kind in KINDS
        )
    )
)
"""SQL for what is heard of a `device` with its `state`.

A device that reports has sent fresh telemetry within three reporting periods; a silent one has sent something once.
Commissioning and retired devices are out of service too. While ingest is behind or away, nobody falls silent: the state
is that of the last time at which it was caught up.
"""

_DEVICE = sql.SQL(
    """
    SELECT device.id, device.community, device.name, device.kind, device.building, device.unit, device.room,
           device.location, device.gateway, device.plan_item, device.serial, device.installed_on, device.simulated,
           device.withdrawn_at, {state} AS state, state.last_ts, coalesce(state.last_values, '{{}}') AS last_values,
           state.last_seen, state.connection, state.connection_at
    FROM device LEFT JOIN device_state AS state ON state.device_id = device.id
    """
).format(state=DEVICE_STATE)


def list_devices(
    connection: Connection, conditions: DeviceFilter, after: tuple[str, str] | None, limit: int
) -> list[DeviceRow]:
    """Return at most `limit` devices beyond `after`, in the order of (community, name)."""
    after_community, after_name = after or (None, None)
    with connection.cursor(row_factory=class_row(DeviceRow)) as cursor:
        return cursor.execute(
            sql.SQL(
                """
                {device}
                WHERE (device.withdrawn_at IS NOT NULL) = %(withdrawn)s
                  AND (%(community)s::text IS NULL OR device.community = %(community)s)
                  AND (%(kind)s::text IS NULL OR device.kind = %(kind)s)
                  AND (%(building)s::text IS NULL OR device.building = %(building)s)
                  AND (%(connection)s::text IS NULL OR coalesce(state.connection, 'unknown') = %(connection)s)
                  AND (%(state)s::text IS NULL OR {state} = %(state)s)
                  AND (%(simulated)s::boolean IS NULL OR device.simulated = %(simulated)s)
                  AND (%(after_name)s::text IS NULL
                       OR (device.community, device.name) > (%(after_community)s::text, %(after_name)s::text))
                ORDER BY device.community, device.name
                LIMIT %(limit)s
                """
            ).format(device=_DEVICE, state=DEVICE_STATE),
            {**asdict(conditions), "after_community": after_community, "after_name": after_name, "limit": limit},
        ).fetchall()


def find_device(connection: Connection, community: str, name: str) -> DeviceRow | None:
    """Return the device with this name in a community, or None."""
    with connection.cursor(row_factory=class_row(DeviceRow)) as cursor:
        return cursor.execute(
            sql.SQL("{} WHERE device.community = %s AND device.name = %s").format(_DEVICE), (community, name)
        ).fetchone()
