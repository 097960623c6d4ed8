"""Registered device, as every other part of Anju uses it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Service(StrEnum):
    """Planned state of a device, set by people and independent of its behaviour.

    The rules ignore a device in commissioning and a retired one. A device out of service is evaluated, without notices.
    A withdrawn device has left the registry, and its messages are rejected; only its history stays.
    """

    IN_SERVICE = "in_service"
    COMMISSIONING = "commissioning"
    OUT_OF_SERVICE = "out_of_service"
    RETIRED = "retired"
    WITHDRAWN = "withdrawn"

    @property
    def is_withdrawn(self) -> bool:
        """Whether the rules ignore the device."""
        return self in {Service.COMMISSIONING, Service.RETIRED, Service.WITHDRAWN}


OUT_OF_SERVICE_ZH = "设备已停用"
"""The reason for the suppressed notices of a device out of service."""


class Replacement(NamedTuple):
    """Recorded exchange of a meter (换表): the last reading of the old register and the first of the new one.

    `field` is the counter of the two registers.
    """

    field: str
    at: datetime
    old_register: float
    new_register: float


@dataclass(frozen=True, slots=True)
class Device:
    """Installed device.

    `id` is the number in the registry, `name` the id in topics and paths, unique within its community. `gateway` is the
    name of the gateway that it reports through, if any. `place` is its place within the community in words, made by
    `compose_place`, and `community_name` the name of the community for people. `building`, `unit` and `room` are the
    registered ones, empty where the device serves all of them. `replacements` are those in force, in order of time.
    """

    id: int
    community: str
    name: str
    kind: str
    gateway: str | None = None
    place: str = ""
    simulated: bool = False
    building: str = ""
    room: str = ""
    service: Service = Service.IN_SERVICE
    unit: str = ""
    community_name: str = ""
    replacements: tuple[Replacement, ...] = ()


FindDevice = Callable[[str, str], Device | None]
"""The look-up in the registry, from (community, device) to a device or None."""
