"""A registered device: what the registry knows of it and every other part relies on."""

from dataclasses import dataclass


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
