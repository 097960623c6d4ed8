"""The forms of import files: which columns each kind of file has."""

from collections.abc import Callable
from dataclasses import dataclass

from devices.device import Service
from imports.cells import (
    CellError,
    degrees_parser,
    parse_date,
    parse_flag,
    parse_identifier,
    parse_kind,
    parse_service,
    parse_stage,
    parse_text,
    parse_year,
)
from store.registry.upsert import CellValue


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in the header and in the table, and the parser of its cells.

    A required column must be present and has no empty cells. In any other column an empty cell has the value `empty`.
    """

    name: str
    parse: Callable[[str], CellValue]
    required: bool = False
    empty: CellValue = None
    stored: str = ""

    def value(self, cell: str) -> CellValue:
        """Return the value of a cell without blanks at its ends.

        Raises:
            CellError: the cell cannot be used.
        """
        if cell:
            return self.parse(cell)
        if self.required:
            raise CellError("不能为空")
        return self.empty


@dataclass(frozen=True, slots=True)
class Form:
    """The columns of a kind of import file; the columns of `key` identify a line."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def column(self, name: str) -> Column | None:
        """Return the column with this name, or None."""
        return next((column for column in self.columns if column.name == name), None)


_COMMUNITY = Column("community", parse_identifier, required=True)

COMMUNITIES = Form(
    "communities",
    (
        Column("community", parse_identifier, required=True, stored="id"),
        Column("name", parse_text, required=True),
        Column("banner", parse_text, required=True),
        Column("street", parse_text, required=True),
        Column("property_company", parse_text),
        Column("built_year", parse_year),
        Column("subsidised", parse_flag),
        Column("stage", parse_stage),
        Column("started_on", parse_date),
        Column("planned_finish", parse_date),
        Column("latitude", degrees_parser(90)),
        Column("longitude", degrees_parser(180)),
    ),
    key=("community",),
)

HOUSEHOLDS = Form(
    "households",
    (
        _COMMUNITY,
        Column("building", parse_text, required=True),
        Column("unit", parse_text, required=True),
        Column("room", parse_text, required=True),
    ),
    key=("community", "building", "unit", "room"),
)

DEVICES = Form(
    "devices",
    (
        _COMMUNITY,
        Column("device", parse_identifier, required=True, stored="name"),
        Column("kind", parse_kind, required=True),
        Column("building", parse_text, empty=""),
        Column("unit", parse_text, empty=""),
        Column("room", parse_text, empty=""),
        Column("location", parse_text, empty=""),
        Column("gateway", parse_identifier),
        Column("plan_item", parse_text),
        Column("serial", parse_text),
        Column("installed_on", parse_date),
        Column("simulated", parse_flag, empty=False),
        Column("service", parse_service, empty=Service.IN_SERVICE.value),
    ),
    key=("community", "device"),
)
