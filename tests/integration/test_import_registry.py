"""The import into a real database writes everything or nothing, and nothing twice."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st

from devices.device import Device
from import_folder import COMMUNITIES, DEVICES, HOUSEHOLDS, Folder, content
from imports.checks import Registered, check
from imports.forms import COMMUNITIES as COMMUNITY_FORM
from imports.forms import DEVICES as DEVICE_FORM
from imports.forms import HOUSEHOLDS as HOUSEHOLD_FORM
from imports.importer import import_files, import_rows
from imports.tables import ImportRefusedError, Sheet, read_table, sheet_of
from imports.wording import summary
from laws import examples
from store.database import Connection, UnusableDataError, connect, translated_errors
from store.registry.devices import find_device
from store.registry.registry import load_devices
from store.registry.replacements import NewReplacement, record_replacement, withdraw_replacement
from store.registry.secrets import UnknownUsernameError, hash_secret, rotate_secret
from store.registry.upsert import RowCounts, TableRows, upsert_registry
from store.registry.version import registry_version

IN_FILE = ("community", "device", "kind", "building", "serial", "installed_on", "simulated")
READ_BACK = """
    SELECT community, name, kind, building, coalesce(serial, ''), coalesce(installed_on::text, ''), simulated
    FROM device
"""
BAD = ({"device": "坏"}, {"kind": ""}, {"installed_on": "昨天"}, {"serial": "\x00"}, {"gateway": "nowhere"})


def as_read(devices: list[dict]) -> tuple[list[dict], list]:
    """Return the rows with each code in its one spelling, and the problems that refuse them."""
    table, problems = read_table(DEVICE_FORM, sheet_of(DEVICE_FORM, devices))
    problems += check(
        *(read_table(form, Sheet(form.name))[0] for form in (COMMUNITY_FORM, HOUSEHOLD_FORM)), table, Registered({"yg"})
    )
    folded = [
        {**row, **{name: values[name] or "" for name in ("building", "serial")}}
        for row, (_, values) in zip(devices, table.records(), strict=True)
    ]
    return folded, problems


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def stored(connection: Connection, name: str, columns: str) -> tuple | None:
    return connection.execute(f"SELECT {columns} FROM device WHERE name = %s", (name,)).fetchone()


def secrets_in(path: Path) -> dict[str, str]:
    return dict(line.split(",") for line in path.read_text().splitlines())


def test_an_import_registers_what_the_files_say(connection, folder):
    count = folder.whole(connection)
    assert (count.communities, count.households, count.devices) == (RowCounts(1), RowCounts(2), RowCounts(3))
    assert [(d.community, d.name, d.kind, d.gateway, d.place, d.simulated) for d in load_devices(connection)] == [
        ("yg", "w501", "water_meter", "gw3", "3号楼2单元501室", False),
        ("yg", "gw3", "gateway", None, "3号楼", False),
        ("yg", "cam1", "camera", None, "", True),
    ]
    assert registry_version(connection) == 1


def test_the_location_of_a_device_outside_the_flats_is_stored_and_emptied(connection, folder):
    folder.whole(connection)
    assert stored(connection, "cam1", "location") == ("",)
    folder.hand_in(connection, devices="community,device,kind,location\nyg,cam1,camera,东门内车棚\n")
    assert stored(connection, "cam1", "location") == ("东门内车棚",)
    folder.hand_in(connection, devices="community,device,kind\nyg,cam1,camera\n")
    assert stored(connection, "cam1", "location") == ("东门内车棚",)
    folder.hand_in(connection, devices="community,device,kind,location\nyg,cam1,camera,\n")
    assert stored(connection, "cam1", "location") == ("",)


def test_the_meters_that_a_household_does_without_are_stored_and_emptied(connection, folder):
    def exempt():
        return connection.execute("SELECT exempt FROM household WHERE room = '502'").fetchone()

    folder.whole(connection)
    assert exempt() == ("",)
    folder.hand_in(connection, households="小区,楼号,单元,房号,豁免\nyg,3,2,502,水、气\n")
    assert exempt() == ("water,gas",)
    folder.hand_in(connection, households="community,building,unit,room\nyg,3,2,502\n")
    assert exempt() == ("water,gas",)
    folder.hand_in(connection, households="community,building,unit,room,exempt\nyg,3,2,502,\n")
    assert exempt() == ("",)


def test_an_empty_registry_has_no_devices(connection):
    assert load_devices(connection) == []
    assert registry_version(connection) == 0


def test_the_same_files_again_change_nothing(connection, folder):
    folder.whole(connection, secrets_out=folder.secrets)
    before, secrets = content(connection), folder.secrets.read_bytes()
    again = folder.whole(connection, secrets_out=folder.secrets)
    assert (again.communities, again.households, again.devices) == (
        RowCounts(0, 0, 1),
        RowCounts(0, 0, 2),
        RowCounts(0, 0, 3),
    )
    assert content(connection) == before
    assert folder.secrets.read_bytes() == secrets


def test_a_changed_line_updates_that_device_and_no_other(connection, folder):
    folder.whole(connection)
    before = load_devices(connection)
    count = folder.hand_in(connection, devices=DEVICES.replace("camera,,", "camera,5,"))
    assert count.devices == RowCounts(0, 1, 2)
    assert [device for device in load_devices(connection) if device not in before] == [
        Device(
            before[2].id,
            "yg",
            "cam1",
            "camera",
            None,
            "5号楼",
            simulated=True,
            building="5",
            community_name="阳光小区",
        )
    ]
    assert registry_version(connection) == 2


def test_a_column_that_is_absent_leaves_the_stored_value_and_an_empty_cell_empties_it(connection, folder):
    folder.whole(connection)
    folder.hand_in(connection, devices="serial,kind,device,community\n,water_meter,w501,yg\n")
    assert stored(connection, "w501", "serial, gateway, plan_item, building, room") == (
        None, "gw3", "basic.metering.water", "3", "501",
    )  # fmt: skip


def test_a_file_from_before_a_replacement_does_not_bring_the_old_serial_back(connection):
    columns = ("community", "name", "kind", "serial")
    communities = TableRows(("id", "name", "banner", "street"), [("yg", "阳光小区", "东胜区", "公园街道")])

    def register(serial):
        return upsert_registry(
            connection, communities, TableRows(), TableRows(columns, [("yg", "w1", "water_meter", serial)])
        ).devices

    register("old")
    replaced = NewReplacement(at=datetime.now(UTC), old_register=812.4, new_serial="new", actor="王师傅")
    row = record_replacement(connection, find_device(connection, "yg", "w1"), replaced, datetime.now(UTC))
    assert register("old") == RowCounts(0, 0, 1)
    assert stored(connection, "w1", "serial") == ("new",)
    assert register("corrected") == RowCounts(0, 1, 0)
    assert register("old") == RowCounts(0, 0, 1)
    withdraw_replacement(connection, row, "李经理", datetime.now(UTC))
    assert register("old") == RowCounts(0, 1, 0)


def test_a_community_keeps_what_a_shorter_file_leaves_out(connection, folder):
    folder.whole(connection)
    folder.hand_in(connection, communities="community,name,banner,street\nyg,阳光新城,东胜区,天骄街道\n")
    row = connection.execute("SELECT name, built_year, stage FROM community").fetchone()
    assert row == ("阳光新城", 1998, "竣工")


def test_every_problem_of_every_file_is_reported_at_once_and_nothing_is_written(connection, folder):
    with pytest.raises(ImportRefusedError) as refused:
        folder.hand_in(
            connection,
            communities=COMMUNITIES.replace("1998", "98年"),
            households=HOUSEHOLDS + "nowhere,1,1,101\n",
            devices=DEVICES.replace("water_meter", "watermeter").replace("2024-05-01", "2024/5/1")
            + "yg,cam1,camera,,,,gw9,basic.vido,,,也许\n",
            secrets_out=folder.secrets,
        )
    assert [(problem.file, problem.line, problem.column) for problem in refused.value.problems] == [
        ("communities.csv", 2, "built_year"),
        ("households.csv", 4, "community"),
        ("devices.csv", 2, "kind"),
        ("devices.csv", 2, "installed_on"),
        ("devices.csv", 5, "simulated"),
        ("devices.csv", 5, "device"),
        ("devices.csv", 5, "gateway"),
        ("devices.csv", 5, "plan_item"),
    ]
    assert content(connection) == [[], [], [], [(0,)]]
    assert not folder.secrets.exists()


def test_lines_that_cannot_be_read_do_not_make_others_unknown(connection, folder):
    with pytest.raises(ImportRefusedError) as refused:
        folder.hand_in(connection, communities=COMMUNITIES.replace(",", ";"), devices=DEVICES)
    assert [(problem.file, problem.line) for problem in refused.value.problems] == [("communities.csv", 1)]


def test_a_kind_never_changes(connection, folder):
    folder.whole(connection)
    with pytest.raises(ImportRefusedError, match="已登记为 camera"):
        folder.hand_in(connection, devices="community,device,kind\nyg,cam1,water_meter\n")


def test_a_later_file_may_refer_to_what_is_registered(connection, folder):
    folder.whole(connection)
    header, line = "community,device,kind,building,unit,room,gateway\n", "yg,w502,water_meter,3,2,502,gw3\n"
    assert folder.hand_in(connection, devices=header + line).devices == RowCounts(1)


def test_rows_of_a_program_are_imported_as_files_are(connection, folder):
    folder.whole(connection)
    rows = [{"community": "yg", "device": "cam1", "kind": "camera", "plan_item": "basic.video", "simulated": True}]
    assert import_rows(connection, [], [], rows).devices == RowCounts(0, 0, 1)
    with pytest.raises(ImportRefusedError, match=r"devices 第 1 行.*kind 列"):
        import_rows(connection, [], [], [{**rows[0], "kind": "cam"}])


@examples(15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    devices=st.lists(
        st.fixed_dictionaries(
            {
                "community": st.just("yg"),
                "device": st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True),
                "kind": st.sampled_from(["gateway", "camera", "gas_meter"]),
                "building": st.text(st.characters(categories=["Lo", "Nd", "Lu"]), max_size=6),
                "serial": st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=12),
                "installed_on": st.one_of(st.just(""), st.dates().map(str)),
                "simulated": st.booleans(),
            }
        ),
        max_size=12,
        unique_by=lambda row: row["device"],
    ),
    data=st.data(),
)
def test_an_import_is_idempotent_and_one_bad_line_refuses_all_of_it(connection, devices, data):
    community = {"community": "yg", "name": "阳光小区", "banner": "东胜区", "street": "天骄街道"}
    devices, problems = as_read(devices)
    assume(not problems)
    with connection.transaction(force_rollback=True):
        first = import_rows(connection, [community], [], devices)
        before = content(connection)
        again = import_rows(connection, [community], [], devices)
        assert (first.devices.created, again.devices.unchanged) == (len(devices), len(devices))
        assert content(connection) == before
        assert set(connection.execute(READ_BACK)) == {tuple(row[name] for name in IN_FILE) for row in devices}

        bad_row = {"community": "yg", "device": "x" * 20, "kind": "camera"} | data.draw(st.sampled_from(BAD))
        rows = [{**row, "serial": f"{row['serial']}-new"} for row in devices]
        rows.insert(data.draw(st.integers(0, len(rows))), bad_row)
        with pytest.raises(ImportRefusedError):
            import_rows(connection, [], [], rows)
        assert content(connection) == before


def test_two_imports_at_once_leave_one_result(database_url, connection, folder):
    connection.rollback()
    for name, text in (("communities", COMMUNITIES), ("households", HOUSEHOLDS), ("devices", DEVICES)):
        (folder.path / f"{name}.csv").write_text(text)
    paths = [folder.path / f"{name}.csv" for name in ("communities", "households", "devices")]

    def run(number: int):
        with connect(database_url, application_name=f"import {number}") as own:
            return import_files(own, *paths, secrets_out=folder.path / f"secrets-{number}.csv")

    with ThreadPoolExecutor() as threads:
        counts = list(threads.map(run, range(4)))
    assert sum(count.devices.created for count in counts) == 3
    assert sum(count.secrets_issued for count in counts) == 3
    assert registry_version(connection) == 1


def test_secrets_are_written_once_for_their_owner_only_and_stored_as_hashes(connection, folder):
    count = folder.whole(connection, secrets_out=folder.secrets)
    secrets = secrets_in(folder.secrets)
    assert stat.S_IMODE(folder.secrets.stat().st_mode) == 0o600
    assert list(secrets) == ["yg/water_meter/w501", "yg/gateway/gw3", "yg/camera/cam1"]
    assert len(set(secrets.values())) == 3
    assert all(len(secret) == 43 for secret in secrets.values())
    assert stored(connection, "w501", "secret_hash") == (hash_secret(secrets["yg/water_meter/w501"]),)
    assert not any(secret in str(content(connection)) for secret in secrets.values())
    assert (count.secrets_issued, count.without_secret) == (3, 0)


def test_an_existing_secrets_file_is_never_overwritten_and_nothing_is_imported(connection, folder):
    folder.secrets.write_text("precious")
    with pytest.raises(ImportRefusedError, match="密钥文件已存在"):
        folder.whole(connection, secrets_out=folder.secrets)
    assert folder.secrets.read_text() == "precious"
    assert content(connection) == [[], [], [], [(0,)]]


def test_a_secrets_file_that_cannot_be_written_refuses_the_import(connection, folder):
    with pytest.raises(ImportRefusedError, match="无法写入密钥文件"):
        folder.whole(connection, secrets_out=folder.path / "nowhere" / "secrets.csv")
    assert load_devices(connection) == []


def test_devices_imported_without_a_secrets_file_get_their_secrets_with_a_later_one(connection, folder):
    count = folder.whole(connection)
    assert (count.secrets_issued, count.without_secret) == (0, 3)
    assert "3 台设备还没有密钥" in summary(count)
    version = registry_version(connection)
    assert folder.whole(connection, secrets_out=folder.secrets).secrets_issued == 3
    assert len(secrets_in(folder.secrets)) == 3
    assert registry_version(connection) == version


def test_a_new_device_gets_a_secret_and_the_others_keep_theirs(connection, folder):
    folder.whole(connection, secrets_out=folder.secrets)
    before = stored(connection, "w501", "secret_hash")
    later = folder.path / "later.csv"
    folder.hand_in(connection, devices=DEVICES + "yg,cam2,camera,,,,,,,,\n", secrets_out=later)
    assert list(secrets_in(later)) == ["yg/camera/cam2"]
    assert stored(connection, "w501", "secret_hash") == before


def test_a_rotated_secret_replaces_the_old_one(connection, folder):
    folder.whole(connection, secrets_out=folder.secrets)
    secret = rotate_secret(connection, "yg/camera/cam1")
    assert secret != secrets_in(folder.secrets)["yg/camera/cam1"]
    assert stored(connection, "cam1", "secret_hash") == (hash_secret(secret),)


@pytest.mark.parametrize("username", ["yg/water_meter/cam1", "yg/camera", "cam1", "", "yg/camera/cam1/more"])
def test_an_unknown_username_has_no_secret_to_rotate(connection, folder, username):
    folder.whole(connection)
    with pytest.raises(UnknownUsernameError, match="<community>/<kind>/<device>"):
        rotate_secret(connection, username)


def test_the_registry_refuses_what_its_constraints_forbid(connection):
    nowhere = TableRows(("community", "name", "kind"), [("nowhere", "m", "camera")])
    with pytest.raises(UnusableDataError), translated_errors():
        upsert_registry(connection, TableRows(), TableRows(), nowhere)
    assert content(connection) == [[], [], [], [(0,)]]
