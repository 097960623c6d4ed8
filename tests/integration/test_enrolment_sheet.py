"""The enrolment sheet: the right login of each device, where people look for it, and never one that does not work."""

import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st

from cli import invoke
from devices.broker_url import BrokerUrl
from imports.enrolment import SheetRefusedError, read_secrets, sheet
from imports.importer import import_rows
from store.database import Connection, connect
from store.registry.secrets import Enrolled, enrolled_devices, hash_secret, rotate_secret

COMMUNITIES = [
    {"community": "yg", "name": "阳光小区", "banner": "东胜区", "street": "天骄街道"},
    {"community": "ly", "name": "林荫<小区>", "banner": "东胜区", "street": "天骄街道"},
]
HOMES = [
    {"community": "yg", "building": b, "unit": "1", "room": r} for b, r in (("2", "901"), ("2", "1001"), ("10", "101"))
]
DEVICES = [
    *({**home, "device": f"w{n}", "kind": "water_meter"} for n, home in enumerate(HOMES)),
    {"community": "yg", "device": "gate-01", "kind": "vehicle_gate", "location": "南门出入口"},
    {"community": "ly", "device": "w1", "kind": "water_meter", "building": "3", "location": "一层弱电井"},
]
USERNAMES = [f"{row['community']}/{row['kind']}/{row['device']}" for row in DEVICES]
NOW = datetime(2026, 12, 1, 4, tzinfo=UTC)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PDFTOTEXT = shutil.which("pdftotext")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with connect(database_url, application_name="test") as opened:
        import_rows(opened, COMMUNITIES, HOMES, DEVICES)
        opened.commit()
        yield opened


@pytest.fixture
def secrets(connection: Connection) -> dict[str, str]:
    issued = {username: rotate_secret(connection, username) for username in USERNAMES}
    connection.commit()
    return issued


def page_of(connection: Connection, secrets: dict[str, str], host: str = "192.168.1.10") -> str:
    return sheet(enrolled_devices(connection, secrets), secrets, host, 8883, NOW)


def test_devices_stand_by_community_and_building_in_the_order_of_a_walk(
    connection: Connection, secrets: dict[str, str]
):
    page = page_of(connection, secrets)
    headings = re.findall(r"<h[123]>(.*?)</h[123]>", page)
    yg = [
        "设备入网单：阳光小区",
        "2号楼",
        "2号楼1单元901室",
        "2号楼1单元1001室",
        "10号楼",
        "10号楼1单元101室",
        "公共区域",
        "南门出入口",
    ]
    ly = ["设备入网单：林荫&lt;小区&gt;", "3号楼", "3号楼一层弱电井"]
    assert headings in (ly + yg, yg + ly)
    for username, secret in secrets.items():
        assert page.count(f"<dd>{username}</dd>") == 1
        assert page.count(secret) == 1  # in the QR code it is a drawing
    assert page.count("<svg") == len(USERNAMES)


@given(
    community=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True),
    name=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True),
    secret=st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True),
    host=st.sampled_from(["192.168.1.10", "anju.example.cn", "fd00::7"]),
)
def test_the_code_is_a_url_that_says_all_a_device_needs(community: str, name: str, secret: str, host: str):
    username = f"{community}/water_meter/{name}"
    drawn: list[str] = []
    device = Enrolled(username, "小区", "water_meter", name, "", "", "", "", hash_secret(secret))
    with pytest.MonkeyPatch.context() as patch:
        make = segno.make
        patch.setattr("segno.make", lambda text, **how: (drawn.append(text), make(text, **how))[1])
        sheet([device], {username: secret}, host, 8883, NOW)
    (url,) = drawn
    assert BrokerUrl.parse(url) == BrokerUrl(((host, 8883),), True, username, secret)  # type: ignore[arg-type]


def test_a_secret_that_does_not_work_is_refused(connection: Connection, secrets: dict[str, str]):
    rotate_secret(connection, USERNAMES[0])
    with pytest.raises(SheetRefusedError, match=f"{USERNAMES[0]} 的密钥已作废"):
        page_of(connection, secrets)
    with pytest.raises(SheetRefusedError, match="yg/camera/none 没有登记，或已撤销"):
        page_of(connection, {"yg/camera/none": "x"})


@pytest.mark.parametrize(
    "text", ["", "yg/camera/c1\n", "yg/camera,x\n", "yg/camera/c1,\n", "a/b/c,x,y\n", "小区/摄像机/一,x\n"]
)
def test_a_file_that_holds_no_secrets_is_refused(text: str, tmp_path: Path):
    (tmp_path / "secrets.csv").write_text(text)
    with pytest.raises(SheetRefusedError, match=r"secrets\.csv"):
        read_secrets(tmp_path / "secrets.csv")
    with pytest.raises(SheetRefusedError, match="无法读取"):
        read_secrets(tmp_path / "none.csv")


@pytest.mark.parametrize("head", ["", "username,secret\n", "\ufeffusername,secret\r\n", "\ufeff"])
def test_a_file_may_have_a_header_and_a_byte_order_mark(head: str, tmp_path: Path):
    (tmp_path / "secrets.csv").write_text(f"{head}yg/camera/c1,one\nyg/camera/c2,two\nyg/camera/c1,newer\n", "utf-8")
    assert read_secrets(tmp_path / "secrets.csv") == {"yg/camera/c1": "newer", "yg/camera/c2": "two"}


@pytest.mark.parametrize("text", ["username,secret\n", "yg/camera/c1,one\nusername,secret\n"])
def test_a_header_is_no_secret_and_stands_in_front(text: str, tmp_path: Path):
    (tmp_path / "secrets.csv").write_text(text)
    with pytest.raises(SheetRefusedError, match=r"第 [12] 行有误"):
        read_secrets(tmp_path / "secrets.csv")


def test_the_command_writes_a_sheet_for_its_owner_alone_and_overwrites_none(
    database_url: str, secrets: dict[str, str], tmp_path: Path
):
    (tmp_path / "secrets.csv").write_text("".join(f"{username},{secret}\n" for username, secret in secrets.items()))
    command = ("secrets", "sheet", "secrets.csv", "--host", "192.168.1.10", "--out", "sheet.html")
    done = invoke(*command, cwd=tmp_path, ANJU_DATABASE_URL=database_url)
    assert done.returncode == 0, done.stderr
    assert "5 台设备的入网单已写入 sheet.html" in done.stdout
    assert stat.S_IMODE((tmp_path / "sheet.html").stat().st_mode) == 0o600
    assert not any(secret in done.stdout + done.stderr for secret in secrets.values())
    again = invoke(*command, cwd=tmp_path, ANJU_DATABASE_URL=database_url)
    assert again.returncode == 1
    assert "sheet.html 已存在" in again.stderr


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and PDFTOTEXT), reason="there is no Chromium or no pdftotext on this machine")
def test_no_card_is_cut_by_the_end_of_a_page(tmp_path: Path):
    secrets = {f"yg/water_meter/w{n}": f"{n:043}" for n in range(60)}
    devices = [
        Enrolled(
            username, "阳光小区", "water_meter", f"w{n}", str(1 + n // 20), "1", str(101 + n), "", hash_secret(secret)
        )
        for n, (username, secret) in enumerate(secrets.items())
    ]
    (tmp_path / "sheet.html").write_text(sheet(devices, secrets, "192.168.1.10", 8883, NOW))
    subprocess.run(
        [
            CHROMIUM or "", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
            "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'sheet.pdf'}", (tmp_path / "sheet.html").as_uri(),
        ],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    printed = subprocess.run(
        [PDFTOTEXT or "", tmp_path / "sheet.pdf", "-"], capture_output=True, text=True, check=True
    ).stdout
    pages = [re.sub(r"\s", "", page) for page in printed.split("\f") if page.strip()]
    assert len(pages) > 4
    for username, secret in secrets.items():
        (page,) = [page for page in pages if secret in page]
        assert f"用户名{username}" in page
