"""The import guides agree with the import."""

import re
from pathlib import Path

import pytest

from imports.cells import STAGES, CellError
from imports.checks import Registered, check
from imports.forms import COMMUNITIES, CONTACTS, DEVICES, HOUSEHOLDS, Column
from imports.sheet_file import read_sheet
from imports.tables import read_table

FORMS = (COMMUNITIES, HOUSEHOLDS, DEVICES)
GUIDES = [Path(__file__).parents[2] / "docs" / name for name in ("import.md", "import.zh.md")]
guides = pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)


@guides
def test_a_guide_names_every_column_and_stage(guide: Path):
    text = guide.read_text()
    columns = [column.name for form in (*FORMS, CONTACTS) for column in form.columns]
    assert [name for name in columns if f"`{name}`" not in text] == []
    assert [stage for stage in STAGES if stage not in text] == []


@guides
def test_the_examples_of_a_guide_can_be_imported(guide: Path, tmp_path: Path):
    examples = re.findall(r"```csv\n(.*?)```", guide.read_text(), re.DOTALL)
    tables = []
    for form, example in zip((*FORMS, CONTACTS), examples, strict=True):
        path = tmp_path / f"{form.name}.csv"
        path.write_text(example)
        sheet, problems, _ = read_sheet(path, form)
        table, more = read_table(form, sheet)
        assert problems + more == []
        assert table.values
        tables.append(table)
    assert list(check(*tables[:3], Registered())) == []


@guides
def test_a_guide_names_every_chinese_header(guide: Path):
    headers = dict(re.findall(r"(?m)^\| `([a-z_]+)` \| ([^|`a-z]+) \|$", guide.read_text()))
    for column in (column for form in FORMS for column in form.columns):
        assert set(column.zh) <= set(headers[column.name].split("、"))


@guides
def test_a_guide_names_every_chinese_header_of_contacts(guide: Path):
    text = guide.read_text()
    assert [name for column in CONTACTS.columns for name in column.zh if name not in text] == []


def damaged_cells(guide: Path) -> list[tuple[str, list[Column], str]]:
    """Return the examples of the table of damage: cell, columns, and what becomes of it."""
    columns = {column.name: column for form in FORMS for column in form.columns}
    every = r"all columns|所有列|all columns that are not required|所有选填的列"
    examples = []
    line = re.compile(rf"^\| (`.+) \| ((?:`[a-z_]+` ?)+|{every}) \| (.+) \|$", re.MULTILINE)
    for cells, names, outcome in line.findall(guide.read_text()):
        chosen = [columns[name] for name in re.findall(r"`([a-z_]+)`", names)] or list(columns.values())
        if names.endswith(("required", "选填的列")):
            chosen = [column for column in chosen if not column.required]
        examples += [(cell, chosen, outcome) for cell in re.findall(r"`([^`]+)`", re.sub(r"[(（].*[)）]", "", cells))]
    return examples


@guides
def test_every_example_of_damage_becomes_what_the_guide_says(guide: Path):
    examples = damaged_cells(guide)
    assert len(examples) > 30
    for cell, columns, outcome in examples:
        for column in columns:
            if outcome in {"refused", "拒绝"}:
                with pytest.raises(CellError):
                    column.value(cell)
            else:
                read_as = re.search(r"`(.+)`", outcome)
                assert column.value(cell) == (read_as[1] if read_as else column.empty)


def test_both_guides_show_the_same_damage():
    english, chinese = ([(cell, columns) for cell, columns, _ in damaged_cells(guide)] for guide in GUIDES)
    assert english == chinese
