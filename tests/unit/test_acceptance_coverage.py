"""Coverage matrix of households and meters."""

from datetime import timedelta

from acceptance.coverage import CellState, coverage_matrix
from acceptance.criterion import Coverage, Medium
from store.telemetry.evidence import Household, RegisteredDevice

WATER = Coverage(Medium.WATER, "water_meter", "volume_m3", timedelta(days=1))
FIRST, SECOND = Household("1", "1", "101"), Household("1", "1", "102")


def meter(number, household=FIRST, serial=None):
    place = (household.building, household.unit, household.room)
    return RegisteredDevice(number, f"m{number}", "water_meter", *place, serial=serial)


def matrix_of(*meters, working=(), records=None, households=(FIRST, SECOND)):
    return coverage_matrix(households, meters, {WATER: frozenset(working)}, records or {})


def states(matrix):
    return [cells[Medium.WATER].state for cells in matrix.cells.values()]


def test_a_household_is_covered_by_its_own_working_meter_only():
    assert states(matrix_of(meter(1), working=[1])) == [CellState.SMART, CellState.MISSING]


def test_a_meter_without_data_leaves_its_household_missing_and_is_named():
    matrix = matrix_of(meter(1))
    assert states(matrix) == [CellState.MISSING, CellState.MISSING]
    assert matrix.cells[FIRST][Medium.WATER].meters == ("m1",)
    assert matrix.cells[SECOND][Medium.WATER].meters == ()


def test_one_serial_number_in_two_flats_is_a_shared_meter_and_covers_neither():
    matrix = matrix_of(meter(1, FIRST, "A7 "), meter(2, SECOND, "a7"), working=[1, 2])
    assert states(matrix) == [CellState.SHARED, CellState.SHARED]
    assert [(each.serial, each.meters) for each in matrix.shared] == [("A7", ("m1", "m2"))]


def test_meters_without_a_serial_number_are_not_the_same_meter():
    assert matrix_of(meter(1, FIRST, ""), meter(2, SECOND, " "), working=[1, 2]).shared == ()


def test_a_household_with_two_meters_is_covered_by_either_and_found():
    matrix = matrix_of(meter(1), meter(2), working=[2])
    assert states(matrix)[0] is CellState.SMART
    assert matrix.several_meters == [(FIRST, Medium.WATER, ("m1", "m2"))]


def test_a_record_by_a_person_counts_where_no_own_meter_works():
    records = {(FIRST, Medium.WATER): CellState.MOVED_OUT, (SECOND, Medium.WATER): CellState.EXEMPT}
    assert states(matrix_of(meter(1), records=records)) == [CellState.MOVED_OUT, CellState.EXEMPT]
    assert states(matrix_of(meter(1), working=[1], records=records))[0] is CellState.SMART


def test_a_meter_without_a_registered_household_is_listed_and_covers_none():
    matrix = matrix_of(meter(1, Household("9", "", "")), working=[1])
    assert matrix.unplaced == ("m1",)
    assert set(states(matrix)) == {CellState.MISSING}


def test_a_device_of_another_kind_is_no_meter():
    camera = RegisteredDevice(1, "c1", "camera", "1", "1", "101")
    assert states(matrix_of(camera, working=[1]))[0] is CellState.MISSING


def test_buildings_stand_in_the_order_of_their_numbers():
    households = [Household(building, "1", "101") for building in ("10", "2", "A栋")]
    assert [each.building for each in matrix_of(households=households).cells] == ["2", "10", "A栋"]
