"""Coverage matrix: registered households by medium, with the state of their meters."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from acceptance.criterion import Coverage, Medium
from acceptance.order import place_order
from store.telemetry.evidence import Household, RegisteredDevice


class CellState(StrEnum):
    """State of a household for one medium.

    Annex 4 accepts a smart meter, or a meter moved out of the flat. A person records moved meters and exemptions.
    """

    SMART = "smart"
    MOVED_OUT = "moved_out"
    MISSING = "missing"
    EXEMPT = "exempt"
    SHARED = "shared"

    @property
    def covered(self) -> bool:
        """Whether the household has a working meter of its own."""
        return self in {CellState.SMART, CellState.MOVED_OUT}


@dataclass(frozen=True, slots=True)
class Cell:
    """Household and medium. `meters` are the devices at its place; in a missing cell none of them works."""

    state: CellState
    meters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SharedMeter:
    """Meter, identified by its serial number, that is registered for several households."""

    medium: Medium
    serial: str
    meters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Cells of all households and media, with the shared and unplaced meters."""

    cells: Mapping[Household, Mapping[Medium, Cell]]
    shared: tuple[SharedMeter, ...]
    unplaced: tuple[str, ...]

    def states(self, medium: Medium) -> list[CellState]:
        """Return the states of one medium, one for each household."""
        return [cells[medium].state for cells in self.cells.values()]

    @property
    def several_meters(self) -> list[tuple[Household, Medium, tuple[str, ...]]]:
        """Households with two or more meters for one medium."""
        return [
            (household, medium, cell.meters)
            for household, cells in self.cells.items()
            for medium, cell in cells.items()
            if len(cell.meters) > 1
        ]


Records = Mapping[tuple[Household, Medium], CellState]
"""Records by a person: `MOVED_OUT` with its evidence, or `EXEMPT`."""


def coverage_matrix(
    households: Collection[Household],
    devices: Collection[RegisteredDevice],
    working: Mapping[Coverage, frozenset[int]],
    records: Records,
) -> Matrix:
    """Return the state of every household.

    Args:
        households: All registered households: leaving one out would not cover it.
        devices: Admitted devices of all kinds.
        working: Ids of the working meters, by measure of coverage.
        records: Records of households by a person.
    """
    ordered = sorted(households, key=lambda each: place_order(each.building, each.unit, each.room))
    cells: dict[Household, dict[Medium, Cell]] = {household: {} for household in ordered}
    shared: list[SharedMeter] = []
    unplaced: list[str] = []
    for measure in sorted(working, key=lambda each: each.medium):
        meters = [device for device in devices if device.kind == measure.kind]
        of_medium = _shared_meters(measure.medium, meters)
        shared += of_medium
        several = frozenset(name for each in of_medium for name in each.meters)
        placed = _by_household(meters)
        unplaced += (meter.name for place, group in placed.items() if place not in cells for meter in group)
        for household, of_household in cells.items():
            own = placed.get(household, [])
            state = _state(own, working[measure], several, records.get((household, measure.medium)))
            of_household[measure.medium] = Cell(state, tuple(sorted(meter.name for meter in own)))
    return Matrix(cells, tuple(shared), tuple(sorted(unplaced)))


def _state(
    own: Collection[RegisteredDevice], working: frozenset[int], shared: frozenset[str], recorded: CellState | None
) -> CellState:
    """Return the state of a cell. An own working meter outweighs a record; a shared meter counts for no household."""
    if any(meter.id in working and meter.name not in shared for meter in own):
        return CellState.SMART
    if recorded is not None:
        return recorded
    return CellState.SHARED if any(meter.name in shared for meter in own) else CellState.MISSING


def _by_household(meters: Iterable[RegisteredDevice]) -> dict[Household, list[RegisteredDevice]]:
    placed: dict[Household, list[RegisteredDevice]] = defaultdict(list)
    for meter in meters:
        placed[Household(meter.building, meter.unit, meter.room)].append(meter)
    return placed


def _shared_meters(medium: Medium, meters: Iterable[RegisteredDevice]) -> list[SharedMeter]:
    """Return the serial numbers at several places; each is one meter, under several registered names."""
    by_serial: dict[str, list[RegisteredDevice]] = defaultdict(list)
    for meter in meters:
        if meter.serial and meter.serial.strip():
            by_serial[meter.serial.strip().upper()].append(meter)
    return [
        SharedMeter(medium, serial, tuple(sorted(meter.name for meter in group)))
        for serial, group in sorted(by_serial.items())
        if len({(meter.building, meter.unit, meter.room) for meter in group}) > 1
    ]
