"""The author of import files reads what was done with them, and what is left to do."""

import pytest

from imports.importer import ImportResult
from imports.wording import summary
from store.registry.upsert import RowChange, RowCounts

METER = {"community": "linyin", "name": "w501", "kind": "water_meter", "serial": "SN1", "simulated": False}


def result(**more):
    return ImportResult(RowCounts(1, 2, 3), RowCounts(), RowCounts(created=4), **more)


def changes(*rows):
    return summary(result(changes=tuple(RowChange(*row) for row in rows)), dry_run=True).splitlines()


def test_each_table_has_its_counts_in_chinese():
    assert summary(result()).splitlines() == [
        "小区：新增 1，更新 2，未变 3",
        "住户：新增 0，更新 0，未变 0",
        "设备：新增 4，更新 0，未变 0",
    ]


def test_a_dry_run_says_first_that_nothing_was_written():
    assert summary(result(), dry_run=True).startswith("试运行：没有写入任何数据")
    assert "试运行" not in summary(result())


def test_secrets_are_announced_by_a_dry_run_and_reported_with_a_warning_afterwards():
    assert "7 台设备会得到密钥" in summary(result(secrets_issued=7), dry_run=True)
    assert "已为 7 台设备生成密钥并写入文件：密钥只出现这一次" in summary(result(secrets_issued=7))


def test_devices_that_cannot_log_in_yet_are_counted_with_the_remedy():
    text = summary(result(without_secret=2))
    assert "2 台设备还没有密钥，无法登录" in text
    assert "--secrets-out" in text


@pytest.mark.parametrize(("count", "shown", "rest"), [(1, 1, None), (20, 20, None), (21, 20, 1), (500, 20, 480)])
def test_many_notes_are_shown_in_part_with_the_number_of_the_rest(count, shown, rest):
    lines = summary(result(notes=tuple(f"第 {number} 行" for number in range(count)))).splitlines()
    notes = [line for line in lines if line.startswith("提示：第")]
    assert len(notes) == shown
    assert [line for line in lines if "另外" in line] == ([f"提示：……以及另外 {rest} 条"] if rest else [])


def test_a_new_row_is_named_by_its_key():
    assert "新增设备 linyin / w501" in changes(("device", {}, METER))
    assert "新增小区 linyin" in changes(("community", {}, {"id": "linyin", "name": "林荫小区"}))
    household = {"community": "linyin", "building": "1", "unit": "2", "room": "0301", "exempt": ""}
    assert "新增住户 linyin / 1 / 2 / 0301" in changes(("household", {}, household))


def test_a_changed_row_shows_only_its_changed_cells_by_the_headers_of_the_guide():
    (line,) = [each for each in changes(("device", METER, {**METER, "serial": "SN2"})) if "w501" in each]
    assert line == "更新设备 linyin / w501：出厂编号 “SN1” → “SN2”"


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [(None, "SN2", "（空） → “SN2”"), ("SN1", None, "“SN1” → （空）"), ("SN1", "", "“SN1” → （空）")],
)
def test_an_empty_cell_is_called_empty(before, after, text):
    lines = changes(("device", {**METER, "serial": before}, {**METER, "serial": after}))
    assert any(text in line for line in lines)


def test_a_flag_is_yes_or_no_in_chinese():
    lines = changes(("device", METER, {**METER, "simulated": True}))
    assert any("否 → 是" in line for line in lines)


def test_a_withdrawn_row_that_comes_back_is_restored_and_not_changed():
    before = {**METER, "withdrawn_at": "2026-07-01T00:00:00+00:00"}
    assert "恢复设备 linyin / w501" in changes(("device", before, {**METER, "withdrawn_at": None}))
