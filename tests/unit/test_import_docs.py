"""The import guides agree with the import."""

import re
from pathlib import Path

import pytest

from devices.catalogue import KINDS
from imports.cells import STAGES
from imports.checks import Registered, check
from imports.csv_file import read_sheet
from imports.forms import COMMUNITIES, DEVICES, HOUSEHOLDS
from imports.tables import read_table

FORMS = (COMMUNITIES, HOUSEHOLDS, DEVICES)
GUIDES = [Path(__file__).parents[2] / "docs" / name for name in ("import.md", "import.zh.md")]
guides = pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)


@guides
def test_a_guide_names_every_column_kind_and_stage(guide: Path):
    text = guide.read_text()
    columns = [column.name for form in FORMS for column in form.columns]
    assert [name for name in (*columns, *(kind.name for kind in KINDS)) if f"`{name}`" not in text] == []
    assert [stage for stage in STAGES if stage not in text] == []


@guides
def test_the_examples_of_a_guide_can_be_imported(guide: Path, tmp_path: Path):
    examples = re.findall(r"```csv\n(.*?)```", guide.read_text(), re.DOTALL)
    tables = []
    for form, example in zip(FORMS, examples, strict=True):
        path = tmp_path / f"{form.name}.csv"
        path.write_text(example)
        sheet, problems = read_sheet(path)
        table, more = read_table(form, sheet)
        assert problems + more == []
        assert table.values
        tables.append(table)
    assert list(check(*tables, Registered())) == []
