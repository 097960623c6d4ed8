"""Routes of devices: registry, last state, events and rejections."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api import messages_zh
from api.household_reads import AuditedRead, record_read
from api.models import Connection, Device, DeviceDetail, DeviceState, Event, Rejection
from api.paging import Cursor, Page, PageQuery
from api.parameters import CommunityId, DeviceName, Instant, Store
from api.problems import UnknownProblem, problem_responses
from devices.catalogue import KIND_BY_NAME
from devices.schema import Reason
from handling.text import Word
from store.database import Connection as DatabaseConnection
from store.registry import devices
from store.registry.devices import DeviceFilter, DeviceRow
from store.telemetry import events, rejections
from store.telemetry.newest import newest_values
from store.telemetry.rejections import RejectionFilter

router = APIRouter(prefix="/devices", tags=["devices 设备"])
_devices_cursor = Cursor("devices", tuple[str, str])
_rejections_cursor = Cursor("rejections", tuple[datetime, str, str, str])
_events_cursor = Cursor("events", tuple[datetime, str, str])


class UnknownDeviceProblem(UnknownProblem):
    """The path names no device."""

    def __init__(self) -> None:
        """Say where the devices are listed."""
        super().__init__(
            "There is no such device in that community; GET /api/v1/devices lists them.", messages_zh.DEVICE_NOT_FOUND
        )


class DevicesQuery(PageQuery):
    """Filters of the list of devices."""

    community: Word | None = Field(None, description="The id of a community.")
    kind: Word | None = Field(None, description="A device kind, such as `water_meter`.")
    building: Word | None = Field(None, description="A building as it is registered.")
    connection: Connection | None = Field(None, description="Connection as reported by the device.")
    state: DeviceState | None = Field(None, description="What is heard of the device.")
    simulated: bool | None = Field(None, description="Only simulated devices, or only real ones.")
    withdrawn: bool = Field(False, description="The devices withdrawn from the registry, instead of the others.")


class EventsQuery(PageQuery):
    """Filters of the list of events."""

    start: Instant | None = Field(None, description="From this instant on.")
    end: Instant | None = Field(None, description="Before this instant.")
    event: Word | None = Field(None, description="Only events of this name.")


class RejectionsQuery(PageQuery):
    """Filters of the list of rejections."""

    reason: Reason | None = Field(None, description="Only rejections for this reason.")
    since: Instant | None = Field(None, description="Only those that came again from this instant on.")


def require_device(connection: DatabaseConnection, community: str, device: str) -> DeviceRow:
    """Return the device named by the path.

    Raises:
        UnknownDeviceProblem: The registry has no such device.
    """
    row = devices.find_device(connection, community, device)
    if row is None:
        raise UnknownDeviceProblem
    return row


@router.get("", summary="List devices")
def list_devices(store: Store, query: Annotated[DevicesQuery, Query()]) -> Page[Device]:
    """Devices in the order of community and device; filters are joined by and."""
    filters = DeviceFilter(**query.model_dump(exclude={"limit", "cursor"}))
    after = _devices_cursor.decode(query.cursor)
    with store.connection() as connection:
        rows = devices.list_devices(connection, filters, after, query.limit + 1)
    return Page[Device].of(rows, query.limit, Device.of, lambda row: _devices_cursor.encode((row.community, row.name)))


@router.get("/{community}/{device}", summary="Read a device", responses=problem_responses(UnknownDeviceProblem()))
def read_device(store: Store, read: AuditedRead, community: CommunityId, device: DeviceName) -> DeviceDetail:
    """A device with the newest value of each field, with unit and Chinese label, and its newest rejections."""
    with store.connection() as connection:
        row = require_device(connection, community, device)
        kind = KIND_BY_NAME.get(row.kind)
        newest = newest_values(connection, kind, row.id, row.last_values) if kind else []
        newest_rejections = rejections.newest_by_reason(connection, row.id)
        record_read(connection, read, row, "state")
    return DeviceDetail.of(row, newest, newest_rejections)


@router.get(
    "/{community}/{device}/events",
    summary="List a device's events",
    responses=problem_responses(UnknownDeviceProblem()),
)
def list_events(
    store: Store,
    read: AuditedRead,
    community: CommunityId,
    device: DeviceName,
    query: Annotated[EventsQuery, Query()],
) -> Page[Event]:
    """Events of the device, newest first, including `online` and `offline`."""
    before = _events_cursor.decode(query.cursor)
    with store.connection() as connection:
        owner = require_device(connection, community, device)
        rows = events.list_events(
            connection,
            owner.id,
            start=query.start,
            end=query.end,
            event=query.event,
            before=before,
            limit=query.limit + 1,
        )
        record_read(connection, read, owner, "events", query)
    return Page[Event].of(
        rows,
        query.limit,
        lambda row: Event.of(owner, row),
        lambda row: _events_cursor.encode((row.ts, row.event, row.id)),
    )


@router.get(
    "/{community}/{device}/rejections",
    summary="List a device's rejections",
    responses=problem_responses(UnknownDeviceProblem()),
)
def list_rejections(
    store: Store,
    read: AuditedRead,
    community: CommunityId,
    device: DeviceName,
    query: Annotated[RejectionsQuery, Query()],
) -> Page[Rejection]:
    """Messages and fields of the device that could not be used, newest first: the newest twenty of each reason."""
    before = _rejections_cursor.decode(query.cursor)
    with store.connection() as connection:
        owner = require_device(connection, community, device)
        conditions = RejectionFilter(device_id=owner.id, reason=query.reason, since=query.since)
        rows = rejections.list_rejections(connection, conditions, before, query.limit + 1)
        record_read(connection, read, owner, "rejections", query)
    return Page[Rejection].of(rows, query.limit, Rejection.of, lambda row: _rejections_cursor.encode(row.key))
