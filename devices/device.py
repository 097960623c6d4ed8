"""A registered device: what the registry knows of it and every other part relies on."""

from dataclasses import dataclass
from enum import StrEnum


class Service(StrEnum):
    """What a device is meant to do, as people decided it; what it does is another matter.

    One that is being commissioned, or that is retired, is withdrawn: whatever it sends, no rule looks at it. One that
    is out of service for a while is judged, and nobody is notified.
    """

    IN_SERVICE = "in_service"
    COMMISSIONING = "commissioning"
    OUT_OF_SERVICE = "out_of_service"
    RETIRED = "retired"

    @property
    def is_withdrawn(self) -> bool:
        """Whether no rule looks at the device."""
        return self in {Service.COMMISSIONING, Service.RETIRED}


@dataclass(frozen=True, slots=True)
class Device:
    """One installed device.

    `id` is the registry's number, `name` the id in topics and paths, unique within its community. `gateway` is
    the name of the gateway it reports through, if any; `place` is its building, unit and room as people read it;
    `building` and `room` are these as they are registered, empty where it serves all of them.
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
