"""Files that spreadsheets damaged, workbooks and dry runs, with a real database."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from import_folder import COMMUNITIES, DEVICES, HOUSEHOLDS, Folder, content
from imports.importer import import_files
from imports.tables import ImportRefusedError
from imports.wording import summary
from store.registry.upsert import RowCounts
from store.registry.withdraw import withdraw_device


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_dry_run_lists_each_change_and_writes_nothing(connection, folder):
    result = folder.whole(connection, secrets_out=folder.secrets, dry_run=True)
    assert content(connection) == [[], [], [], [(0,)]]
    assert not folder.secrets.exists()
    assert (result.communities, result.households, result.devices) == (RowCounts(1), RowCounts(2), RowCounts(3))
    assert summary(result, dry_run=True).splitlines() == [
        "试运行：没有写入任何数据。实际导入时会这样改：",
        "新增小区 yg", "新增住户 yg / 3 / 2 / 501", "新增住户 yg / 3 / 2 / 502",
        "新增设备 yg / w501", "新增设备 yg / gw3", "新增设备 yg / cam1",
        "小区：新增 1，更新 0，未变 0", "住户：新增 2，更新 0，未变 0", "设备：新增 3，更新 0，未变 0",
        "3 台设备会得到密钥",
    ]  # fmt: skip


def test_a_dry_run_tells_what_a_line_changes_and_agrees_with_the_import(connection, folder):
    folder.whole(connection)
    withdraw_device(connection, "yg", "cam1", datetime(2026, 11, 30, tzinfo=UTC))
    changed = DEVICES.replace("SN1,2024-05-01,否", ",2024-05-02,是").replace("yg,cam1,camera,", "yg,cam1,camera,5")
    changed += "yg,cam2,camera,,,,,,,,\n"
    before = content(connection)
    dry = folder.hand_in(connection, devices=changed, dry_run=True)
    assert content(connection) == before
    assert summary(dry, dry_run=True).splitlines()[1:4] == [
        "更新设备 yg / w501：出厂编号 “SN1” → （空），安装日期 “2024-05-01” → “2024-05-02”，是否模拟 否 → 是",
        "恢复设备 yg / cam1：楼号 （空） → “5”", "新增设备 yg / cam2",
    ]  # fmt: skip
    done = folder.hand_in(connection, devices=changed)
    assert (done.devices, done.changes) == (dry.devices, ())
    assert folder.hand_in(connection, devices=changed, dry_run=True).changes == ()


def test_a_dry_run_refuses_what_the_import_would_refuse(connection, folder):
    with pytest.raises(ImportRefusedError, match="错误值"):
        folder.hand_in(connection, communities=COMMUNITIES, households=HOUSEHOLDS + "yg,3,2,#N/A\n", dry_run=True)
    folder.secrets.write_text("precious")
    with pytest.raises(ImportRefusedError, match="密钥文件已存在"):
        folder.whole(connection, secrets_out=folder.secrets, dry_run=True)


def test_what_was_folded_is_said_and_is_no_second_household(connection, folder):
    result = folder.hand_in(
        connection, communities=COMMUNITIES, households="community,building,unit,room\nyg,a 栋,１,５０１\n"
    )
    assert connection.execute("SELECT building, unit, room FROM household").fetchall() == [("A栋", "1", "501")]
    assert result.notes == (
        "households.csv 第 2 行（line 2） building 列：“a 栋” 按 “A栋” 读取",
        "households.csv 第 2 行（line 2） unit 列：“１” 按 “1” 读取",
        "households.csv 第 2 行（line 2） room 列：“５０１” 按 “501” 读取",
    )
    with pytest.raises(ImportRefusedError, match=r"第 3 行.*与第 2 行重复"):
        folder.hand_in(connection, households="community,building,unit,room\nyg,A栋,1,501\nyg,Ａ栋,1,５０１\n")


def test_a_household_registered_before_folding_is_found_by_the_same_file(connection, folder):
    folder.hand_in(connection, communities=COMMUNITIES)
    connection.execute("INSERT INTO household (community, building, unit, room) VALUES ('yg', 'a 栋', '１', '５０１')")
    files = {
        "households": "community,building,unit,room\nyg,a 栋,１,５０１\n",
        "devices": "community,device,kind,building,unit,room\nyg,w1,water_meter,a 栋,１,５０１\n",
    }
    result = folder.hand_in(connection, **files)
    assert (result.households, result.devices) == (RowCounts(0, 0, 1), RowCounts(1))
    assert folder.hand_in(connection, **files).devices == RowCounts(0, 0, 1)


def test_one_workbook_holds_all_three_tables(connection, folder):
    book = Workbook()
    book.active.title = "说明"
    for name, text in (("小区", COMMUNITIES), ("住户", HOUSEHOLDS), ("设备", DEVICES)):
        sheet = book.create_sheet(name)
        for line in text.splitlines():
            sheet.append([int(cell) if cell.isdigit() else cell or None for cell in line.split(",")])
    path = folder.path / "台账.xlsx"
    book.save(path)
    result = import_files(connection, path, path, path)
    assert (result.communities, result.households, result.devices) == (RowCounts(1), RowCounts(2), RowCounts(3))
    assert folder.whole(connection).changed_anything is False


def test_a_community_may_be_named_if_no_other_has_its_name(connection, folder):
    folder.hand_in(connection, communities=COMMUNITIES)
    both = (
        "小区编号,小区名称,旗区,街道\nhs,怀朔苑,东胜区,天骄街道\nyg2,阳光小区,东胜区,公园街道\nab,yg,东胜区,公园街道\n"
    )
    households = "小区,楼栋,单元,房号\n怀朔苑,3,2,501\nyg,3,2,501\n"
    assert folder.hand_in(connection, communities=both, households=households).households == RowCounts(2)
    rows = connection.execute("SELECT community FROM household ORDER BY 1").fetchall()
    assert rows == [("hs",), ("yg",)]
    with pytest.raises(ImportRefusedError, match="“阳光小区” 不是有效编号"):
        folder.hand_in(connection, households="小区,楼栋,单元,房号\n阳光小区,3,2,502\n")
