"""An export of the audit log proves itself offline, and names the row at which it was changed."""

import json
from pathlib import Path

import pytest

from cli import invoke
from tests.unit.test_audit_chain import chained

CONTENTS = [("api", f"王师傅{number}", "assign", "alert", str(number), "{}", "{}", None) for number in range(4)]
ROWS = chained(CONTENTS)


def exported(folder: Path, rows=ROWS, name="audit.jsonl"):
    file = folder / name
    file.write_text("".join(f"{json.dumps(row._asdict(), ensure_ascii=False)}\n" for row in rows), "utf-8")
    return file


def verify(folder, *arguments):
    return invoke("audit", "verify", "--offline", *arguments, cwd=folder)


def test_an_unbroken_export_is_proven_with_its_head(tmp_path):
    file = exported(tmp_path)
    answer = verify(tmp_path, "--export", file)
    assert answer.returncode == 0
    assert answer.stdout == f"{file}: 4 rows, unbroken; head 4:{ROWS[-1].hash}\n"


def test_an_empty_export_has_no_rows(tmp_path):
    assert verify(tmp_path, "--export", exported(tmp_path, [])).stdout.endswith(": no rows\n")


@pytest.mark.parametrize(
    ("rows", "broken"),
    [
        ([ROWS[0], ROWS[1]._replace(actor="someone else"), *ROWS[2:]], 2),
        ([ROWS[0], *ROWS[2:]], 3),
        ([ROWS[0], ROWS[2], ROWS[1], ROWS[3]], 3),
        ([*ROWS, ROWS[3]], 4),
    ],
    ids=["changed", "taken out", "swapped", "doubled"],
)
def test_a_broken_row_is_named_and_the_exit_code_says_so(tmp_path, rows, broken):
    answer = verify(tmp_path, "--export", exported(tmp_path, rows))
    assert answer.returncode == 1
    assert f"broken at row {broken}: it was changed or is missing" in answer.stdout


def test_of_several_exports_each_is_checked_and_one_broken_one_is_enough(tmp_path):
    good, bad = exported(tmp_path), exported(tmp_path, ROWS[::-1], "bad.jsonl")
    answer = verify(tmp_path, "--export", good, "--export", bad, "--json")
    assert answer.returncode == 1
    assert [(each["source"], each["rows"], each["broken"]) for each in json.loads(answer.stdout)] == [
        (str(good), 4, None), (str(bad), 1, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line", ["", "{}", "[]", "text", '{"id": 1}', json.dumps({**ROWS[0]._asdict(), "previous": "no hash"})]
)
def test_a_line_of_another_program_is_named_by_its_number(tmp_path, line):
    file = exported(tmp_path)
    file.write_text(f"{file.read_text('utf-8')}{line}\n", "utf-8")
    answer = verify(tmp_path, "--export", file)
    assert answer.returncode == 1
    assert f"{file}, line 5 is no line of `anju audit export`" in answer.stderr


def test_offline_without_a_file_is_told_what_to_name(tmp_path):
    answer = verify(tmp_path)
    assert answer.returncode == 2
    assert "--offline needs --export FILE" in answer.stderr


@pytest.mark.parametrize("head", ["", "4", "x:00", f"4:{'g' * 64}", f"4:{'0' * 63}", f"-4:{'0' * 64}"])
def test_a_head_in_another_form_is_refused_before_the_database_is_asked(tmp_path, head):
    answer = invoke("audit", "verify", "--head", head, cwd=tmp_path)
    assert answer.returncode == 2
    assert "must read ID:HASH" in answer.stderr
