"""The import of contacts: sealed numbers, one message a mistake, and nothing at all where there is one."""

import json
from datetime import UTC, datetime

import pytest
from openpyxl import Workbook

from cli import invoke
from devices.seal import Seal
from import_folder import COMMUNITIES, HOUSEHOLDS, Folder
from imports.contacts import import_contacts
from imports.tables import ImportRefusedError
from store.registry.contacts import SEAL_PURPOSE
from store.registry.upsert import RowCounts

NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
SEAL = Seal(b"a secret key of the tests")
HEADER = "小区编号,楼号,单元,房号,单位,设备类型,姓名,身份,电话\n"
GOOD = HEADER + (
    "yg,3,2,501,,,张三,业主,138 1234 5678\n"
    "yg,3,2,501,,,李四,租户,0477-8581234\n"
    "阳光小区,,,,水表厂,水表,王工,,400-810-1234\n"
)  # fmt: skip


@pytest.fixture
def hand_in(connection, tmp_path):
    """A function that imports a file of contacts into a registry with one community."""
    Folder(tmp_path).hand_in(connection, communities=COMMUNITIES, households=HOUSEHOLDS)

    def hand_in(text, seal=SEAL, *, dry_run=False):
        (tmp_path / "contacts.csv").write_text(text)
        with connection.transaction():
            return import_contacts(
                connection, tmp_path / "contacts.csv", seal, actor="tester", now=NOW, dry_run=dry_run
            )

    return hand_in


def stored(connection, seal=SEAL):
    rows = connection.execute("SELECT id, room, company, kind, name, role, phone FROM contact ORDER BY name").fetchall()
    return {name: (*rest, seal.of(SEAL_PURPOSE).open(str(at), phone).decode()) for at, *rest, name, _, phone in rows}


def test_contacts_are_stored_sealed_and_a_second_import_changes_nothing(connection, hand_in):
    assert hand_in(GOOD).contacts == RowCounts(created=3)
    assert stored(connection) == {
        "张三": ("501", "", "", "13812345678"), "李四": ("501", "", "", "04778581234"),
        "王工": ("", "水表厂", "water_meter", "4008101234"),
    }  # fmt: skip
    before = connection.execute("SELECT * FROM contact ORDER BY id").fetchall()
    assert hand_in(GOOD).contacts == RowCounts(unchanged=3)
    assert connection.execute("SELECT * FROM contact ORDER BY id").fetchall() == before


def test_a_changed_number_or_role_is_updated_and_an_absent_column_keeps_it(connection, hand_in):
    hand_in(GOOD)
    assert hand_in(GOOD.replace("5678", "5679").replace("租户", "业主")).contacts == RowCounts(0, 2, 1)
    assert stored(connection)["张三"][-1] == "13812345679"
    without_role = "小区,楼,单元,房号,姓名,手机\nyg,3,2,501,李四,13912345678\n"
    assert hand_in(without_role).contacts == RowCounts(changed=1)
    assert connection.execute("SELECT role FROM contact WHERE name = '李四'").fetchall() == [("业主",)]


def test_a_dry_run_counts_and_writes_nothing(connection, hand_in):
    assert hand_in(GOOD, dry_run=True).contacts == RowCounts(created=3)
    assert stored(connection) == {}


def test_each_mistake_is_one_message_and_nothing_is_written(connection, hand_in):
    with pytest.raises(ImportRefusedError) as refused:
        hand_in(
            GOOD + "yg,3,2,501,,,张三,,13812345678\n"  # twice
            "yg,3,2,501,,,甲,,1.38E+10\n"
            "yg,3,2,501,,,乙,,12345678901\n"
            "yg,3,2,999,,,丙,,13812345678\n"
            "nowhere,3,2,501,,,丁,,13812345678\n"
            "yg,3,2,501,电梯公司,,戊,,13812345678\n"
            "yg,3,,,电梯公司,,己,,13812345678\n"
            "yg,3,2,501,,水表,庚,,13812345678\n"
            "yg,3,2,501,,,,,13812345678\n"
            "yg,,,,,,辛,,13812345678\n"
            "yg,3,2,501,,,壬,,\n"
        )
    messages = [str(each) for each in refused.value.problems]
    wanted = [
        ("第 5 行", "与第 2 行重复"), ("第 6 行", "科学计数法"), ("第 7 行", "不是电话号码"),
        ("第 8 行", "没有登记住户"), ("第 9 行", "未登记"), ("第 10 行", "只能填一个"), ("第 11 行", "须留空"),
        ("第 12 行", "只用于维修单位"), ("第 13 行", "不能为空"), ("第 14 行", "只能填一个"), ("第 15 行", "不能为空"),
    ]  # fmt: skip
    assert [(line in text, word in text) for text, (line, word) in zip(messages, wanted, strict=True)] == [
        (True, True)
    ] * len(wanted), messages
    assert stored(connection) == {}


def test_numbers_under_an_earlier_key_are_the_same_and_under_a_lost_one_are_set_anew(connection, hand_in):
    old, new = b"the key before that one", b"a secret key of the tests"
    hand_in(GOOD, Seal(old))
    assert hand_in(GOOD, Seal(new, old)).contacts == RowCounts(unchanged=3)
    assert hand_in(GOOD, Seal(new)).contacts == RowCounts(changed=3)
    assert stored(connection)["张三"][-1] == "13812345678"


def test_the_command_imports_a_workbook_and_says_so(database_url, tmp_path):
    book = Workbook()
    for title, text in (("小区", COMMUNITIES), ("住户", HOUSEHOLDS), ("联系人", GOOD)):
        sheet = book.create_sheet(title)
        for line in text.splitlines():
            sheet.append(line.split(","))
    book.remove(book.worksheets[0])
    book.save(tmp_path / "all.xlsx")
    settings = {"ANJU_DATABASE_URL": database_url, "ANJU_SECRET_KEY": "a secret key of the tests"}
    files = ("--communities", "all.xlsx", "--households", "all.xlsx", "--contacts", "all.xlsx")
    paths = [tmp_path / each if each.endswith("xlsx") else each for each in files]
    done = invoke("import", *paths, cwd=tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    assert "联系人：新增 3，更新 0，未变 0（电话已加密保存）" in done.stdout
    again = invoke("import", "--contacts", tmp_path / "all.xlsx", "--json", cwd=tmp_path, **settings)
    assert json.loads(again.stdout)["contacts"] == {"created": 0, "changed": 0, "unchanged": 3}
