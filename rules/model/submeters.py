"""Master meters and their sub-meters.

A meter without a room is the master meter of its building, or of its community where it has no building either.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from devices.device import Device, Service


class SubMeters(NamedTuple):
    """The household meters below a master meter; `scope` is `building` or `community`, `meters` are their ids."""

    scope: str
    meters: tuple[int, ...]


def submeters_by_master(devices: Iterable[Device]) -> dict[int, SubMeters]:
    """Return the sub-meters of each master meter by its id: the meters with a room, of its kind, in its place.

    A retired or withdrawn meter has no master meter. A meter that is being commissioned has one: water flows through it
    that is not counted yet.
    """
    households: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    masters: list[Device] = []
    for device in devices:
        if device.service in {Service.RETIRED, Service.WITHDRAWN}:
            continue
        if not device.room:
            masters.append(device)
            continue
        households[device.kind, device.community, ""].append(device.id)
        if device.building:
            households[device.kind, device.community, device.building].append(device.id)
    submeters = {master.id: households.get((master.kind, master.community, master.building)) for master in masters}
    scopes = {master.id: "building" if master.building else "community" for master in masters}
    return {master_id: SubMeters(scopes[master_id], tuple(meters)) for master_id, meters in submeters.items() if meters}
