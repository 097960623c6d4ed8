"""Devices of a community by building, those without data first."""

from itertools import groupby

from fastapi import APIRouter, Request
from fastapi.responses import Response

from console.rendering import render
from console.viewer import Viewing
from devices.catalogue import KINDS
from handling.text import Word
from rules.model.labels_zh import DEVICE_STATE
from store.registry.communities import list_communities
from store.registry.devices import DeviceFilter, DeviceRow, list_devices

router = APIRouter()

_MOST_COMMUNITIES = 1000
_MOST_DEVICES = 5000
_ORDER = {"silent": 0, "never_heard": 1, "reporting": 2, "out_of_service": 3}


@router.get("/devices")
def devices_page(
    request: Request, viewer: Viewing, community: Word = "", kind: Word = "", state: Word = ""
) -> Response:
    """Show the devices of a community; of the first one where none is chosen."""
    with viewer.store.connection() as connection:
        communities = list_communities(connection, None, _MOST_COMMUNITIES)
        chosen = next((each for each in communities if each.id == community), communities[0] if communities else None)
        conditions = DeviceFilter(community=chosen.id if chosen else None, kind=kind or None)
        rows = list_devices(connection, conditions, None, _MOST_DEVICES) if chosen else []
    counts = {name: sum(row.state == name for row in rows) for name in DEVICE_STATE}
    shown = [row for row in rows if not state or row.state == state]
    buildings = [
        (building, list(devices)) for building, devices in groupby(sorted(shown, key=_place), lambda row: row.building)
    ]
    return render(
        request, "devices.html", viewer=viewer, communities=communities, chosen=chosen, kind=kind, state=state,
        kinds=KINDS, counts=counts, buildings=buildings,
    )  # fmt: skip


def _place(row: DeviceRow) -> tuple[bool, str, str, int, str, str]:
    """Return the order of a device: by building, without data first, then by flat."""
    return not row.building, row.building.zfill(6), row.building, _ORDER[row.state], row.room.zfill(6), row.name
