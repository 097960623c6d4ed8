"""`anju import` and `anju secrets`, the commands that register a community."""

import getpass
import hashlib
import json
import stat
import uuid
from datetime import date

import pytest
from openpyxl import Workbook

from cli import anju
from running import query


@pytest.fixture
def community():
    return f"yangguang-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def files(community, tmp_path):
    """Return the three files of a community, as options of `anju import`."""
    contents = {
        "communities": f"community,name,banner,street\n{community},阳光小区,东胜区,公园街道\n",
        "households": f"community,building,unit,room\n{community},3,2,501\n{community},3,2,502\n",
        "devices": f"community,device,kind,building,unit,room,plan_item,simulated\n"
        f"{community},w501,water_meter,3,2,501,basic.metering.water,否\n"
        f"{community},cam1,camera,,,,basic.video,是\n",
    }
    options = []
    for name, text in contents.items():
        (tmp_path / f"{name}.csv").write_text(text)
        options += [f"--{name}", tmp_path / f"{name}.csv"]
    return options


def registered(house, community):
    return query(house.database_url, "SELECT name, simulated FROM device WHERE community = %s ORDER BY 1", community)


def test_an_import_registers_a_community_and_writes_the_secrets_for_its_owner_alone(house, community, files, tmp_path):
    secrets = tmp_path / "secrets.csv"
    done = house.anju("import", *files, "--secrets-out", secrets)
    assert done.returncode == 0, done.stderr
    assert "设备：新增 2" in done.stdout
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    issued = dict(line.split(",") for line in secrets.read_text().splitlines())
    assert set(issued) == {f"{community}/water_meter/w501", f"{community}/camera/cam1"}
    assert not any(secret in done.stdout + done.stderr for secret in issued.values())
    devices = house.get("/devices", community=community)["items"]
    assert {(each["device"], each["simulated"]) for each in devices} == {("w501", False), ("cam1", True)}
    written = house.get("/audit", subject="registry")["items"][0]
    assert (written["actor"], written["person"], written["action"]) == ("cli", getpass.getuser(), "import")
    assert (written["after"]["devices"]["created"], written["after"]["secrets_issued"]) == (2, 2)


def test_a_second_import_of_the_same_files_changes_nothing(house, community, files, tmp_path):
    secrets = tmp_path / "secrets.csv"
    house.anju("import", *files, "--secrets-out", secrets)
    before, log = secrets.read_bytes(), house.get("/audit", subject="registry")
    again = json.loads(house.anju("import", *files, "--secrets-out", secrets, "--json").stdout)
    counts = [again[table] for table in ("communities", "households", "devices")]
    assert [(each["created"], each["changed"]) for each in counts] == [(0, 0)] * 3
    assert [each["unchanged"] for each in counts] == [1, 2, 2]
    assert house.get("/audit", subject="registry") == log
    assert secrets.read_bytes() == before


def test_a_file_saved_by_a_chinese_spreadsheet_is_read(house, community, files, tmp_path):
    file = tmp_path / "communities.csv"
    file.write_bytes(file.read_text().encode("gb18030"))
    assert house.anju("import", *files).returncode == 0
    assert house.get(f"/communities/{community}")["name"] == "阳光小区"


BAD_LINES = {
    "device": ("坏,water_meter,3,2,501,,否", "小写字母"),
    "kind": ("w502,water_metre,3,2,502,,否", "water_meter"),
    "plan_item": ("w502,water_meter,3,2,502,basic.metering.watr,否", "basic.metering.water"),
    "simulated": ("w502,water_meter,3,2,502,,也许", "否"),
}


@pytest.mark.parametrize("column", BAD_LINES)
def test_one_bad_line_refuses_everything_with_place_and_reason(house, community, files, tmp_path, column):
    line, expected = BAD_LINES[column]
    with (tmp_path / "devices.csv").open("a") as devices:
        devices.write(f"{community},{line}\n")
    done = house.anju("import", *files, "--secrets-out", tmp_path / "secrets.csv")
    assert done.returncode == 1
    assert done.stdout == ""
    problem = next(text for text in done.stderr.splitlines() if "devices.csv" in text)
    assert f"第 4 行（line 4） {column} 列：" in problem
    assert expected in problem
    assert registered(house, community) == []
    assert not (tmp_path / "secrets.csv").exists()


def test_an_existing_secrets_file_is_never_overwritten(house, community, files, tmp_path):
    secrets = tmp_path / "secrets.csv"
    secrets.write_text("from another import\n")
    done = house.anju("import", *files, "--secrets-out", secrets)
    assert done.returncode == 1
    assert "密钥文件已存在" in done.stderr
    assert secrets.read_text() == "from another import\n"
    assert registered(house, community) == []


def test_a_dry_run_writes_nothing_and_says_what_an_import_would_do(house, community, files, tmp_path):
    log = house.get("/audit", subject="registry")
    dry = house.anju("import", *files, "--dry-run", "--secrets-out", tmp_path / "secrets.csv")
    assert dry.returncode == 0, dry.stderr
    assert f"新增设备 {community} / w501" in dry.stdout.splitlines()
    assert registered(house, community) == []
    assert not (tmp_path / "secrets.csv").exists()
    assert house.get("/audit", subject="registry") == log
    house.anju("import", *files)
    again = json.loads(house.anju("import", *files, "--dry-run", "--json").stdout)
    assert (again["dry_run"], again["changes"], again["devices"]["unchanged"]) == (True, [], 2)


def test_a_damaged_workbook_is_refused_and_a_mended_one_imported(house, community, files, tmp_path):
    house.anju("import", *files)
    book = Workbook()
    book.active.title = "住户"
    for row in (["小区", "楼号", "单元", "房号"], [community, 3, 2, date(2026, 3, 1)], [community, 3, 2, 503]):
        book.active.append(row)
    book.save(tmp_path / "台账.xlsx")
    refused = house.anju("import", "--households", tmp_path / "台账.xlsx")
    assert refused.returncode == 1
    assert "台账.xlsx[住户] 第 2 行（line 2） 房号 列：“2026-03-01” 像是被表格软件改成了日期" in refused.stderr
    assert "共 1 个问题" in refused.stderr
    book.active["D2"] = "3-1"
    book.save(tmp_path / "台账.xlsx")
    assert "住户：新增 2" in house.anju("import", "--households", tmp_path / "台账.xlsx").stdout


def test_a_device_and_its_household_are_withdrawn_with_who_and_why_and_return_by_an_import(house, community, files):
    house.anju("import", *files)
    household = ("withdraw", "household", community, "3", "2", "501", "--reason", "拆除")
    refused = house.anju(*household)
    assert (refused.returncode, "还有设备：w501" in refused.stderr) == (1, True)
    done = house.anju("withdraw", "device", community, "w501", "--reason", "登记错误")
    assert (done.returncode, "已注销设备" in done.stdout) == (0, True), done.stderr
    assert house.anju(*household).returncode == 0
    assert house.get(f"/communities/{community}")["households"] == 1
    assert [item["device"] for item in house.get("/devices", community=community)["items"]] == ["cam1"]
    [written] = house.get("/audit", subject="device", subject_id=f"{community}/water_meter/w501")["items"]
    assert (written["person"], written["action"], written["after"]["reason"]) == (
        getpass.getuser(), "withdraw", "登记错误",
    )  # fmt: skip
    [written] = house.get("/audit", subject="household", subject_id=f"{community}/3/2/501")["items"]
    assert (written["action"], written["after"]["reason"]) == ("withdraw", "拆除")
    house.anju("import", *files)
    assert house.get(f"/communities/{community}")["households"] == 2
    assert len(house.get("/devices", community=community)["items"]) == 2


@pytest.mark.parametrize("what", [("device", "w9"), ("household", "3", "2", "599")])
def test_what_is_not_registered_cannot_be_withdrawn(house, community, files, what):
    house.anju("import", *files)
    done = house.anju("withdraw", what[0], community, *what[1:], "--reason", "登记错误")
    assert (done.returncode, done.stdout) == (1, "")
    assert "没有登记" in done.stderr


def test_a_withdrawal_needs_a_reason(tmp_path):
    assert anju("withdraw", "device", "yg", "w1", cwd=tmp_path).returncode == 2


def test_a_missing_file_is_named(house, tmp_path):
    done = house.anju("import", "--devices", tmp_path / "shebei.csv")
    assert done.returncode == 1
    assert "shebei.csv" in done.stderr


def test_an_import_of_nothing_is_wrong_usage(tmp_path):
    assert anju("import", cwd=tmp_path).returncode == 2


def test_a_rotated_secret_takes_the_place_of_the_old_one(house, community, files, tmp_path):
    house.anju("import", *files, "--secrets-out", tmp_path / "secrets.csv")
    username = f"{community}/water_meter/w501"
    done = house.anju("secrets", "rotate", username)
    assert done.returncode == 0, done.stderr
    printed, secret = done.stdout.strip().split(",")
    assert printed == username
    assert secret not in (tmp_path / "secrets.csv").read_text()
    [(stored,)] = query(
        house.database_url, "SELECT secret_hash FROM device WHERE community = %s AND name = 'w501'", community
    )
    assert stored == hashlib.sha256(secret.encode()).hexdigest()
    [written] = house.get("/audit", subject="device", subject_id=username)["items"]
    assert (written["actor"], written["action"], secret in str(written)) == ("cli", "rotate_secret", False)


def test_the_secret_of_an_unknown_username_cannot_be_rotated(house):
    done = house.anju("secrets", "rotate", "yangguang/water_meter/unknown")
    assert done.returncode == 1
    assert "no device logs in as 'yangguang/water_meter/unknown'" in done.stderr
