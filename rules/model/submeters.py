"""Master meters: one without a room is that of its building, or of the community where it has no building either."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from devices.device import Device, Service


class SubMeters(NamedTuple):
    """What is below a master meter: `scope` is `building` or `community`, `meters` the numbers of household meters."""

    scope: str
    meters: tuple[int, ...]


def submeters_by_master(devices: Iterable[Device]) -> dict[int, SubMeters]:
    """The household meters below each master meter: those with a room, of its kind, in its building or community.

    A retired one is below nobody. One that is being commissioned is: water flows through it that nobody counts yet.
    """
    households: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    masters: list[Device] = []
    for device in devices:
        if device.service is Service.RETIRED:
            continue
        if not device.room:
            masters.append(device)
            continue
        households[device.kind, device.community, ""].append(device.id)
        if device.building:
            households[device.kind, device.community, device.building].append(device.id)
    submeters = {master.id: households.get((master.kind, master.community, master.building)) for master in masters}
    scopes = {master.id: "building" if master.building else "community" for master in masters}
    return {number: SubMeters(scopes[number], tuple(meters)) for number, meters in submeters.items() if meters}
