"""`anju witness`: record, list and withdraw tests."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from cli import invoke
from devices.local_time import CITY
from running import query


@pytest.fixture
def witness(database_url, tmp_path):
    """Return a function that runs `anju witness` over a community with a gas meter and an e-bike charger."""
    query(
        database_url,
        "INSERT INTO community (id, name, banner, street) VALUES ('c', '某小区', '东胜区', '某街道') RETURNING id",
    )
    query(
        database_url,
        "INSERT INTO device (community, name, kind, building, unit, room) VALUES "
        "('c', 'gas', 'gas_meter', '1', '1', '301'), ('c', 'charger', 'ebike_charger', '', '', '') RETURNING id",
    )
    return lambda *arguments: invoke("witness", *arguments, cwd=tmp_path, ANJU_DATABASE_URL=database_url)


WHO = ("--by", "街道 王某", "--how", "用检漏气体触发")


def local(at):
    return f"{at.astimezone(CITY):%Y-%m-%d %H:%M:%S}"


def test_a_test_is_recorded_listed_and_withdrawn(witness, database_url):
    at = (datetime.now(UTC) - timedelta(minutes=2)).replace(microsecond=0)
    done = witness("add", "c", "gas", "--at", local(at), *WHO)
    assert done.returncode == 0, done.stderr
    test_id, result = done.stdout.split()
    assert result == "时限内未送达"
    query(
        database_url,
        "INSERT INTO event (device_id, ts, received_at, event, id, data) "
        "SELECT id, %s, %s, 'gas_leak', '', '{}' FROM device WHERE name = 'gas' RETURNING id",
        at,
        at + timedelta(seconds=3),
    )
    (listed,) = json.loads(witness("list", "c", "--json").stdout)
    assert (listed["id"], listed["event"], listed["result"]) == (test_id, "gas_leak", "delivered")
    table = witness("list").stdout
    for words in (test_id, "1号楼1单元301室", "燃气泄漏", local(at), "街道 王某", "用检漏气体触发", "已送达"):
        assert words in table
    assert witness("withdraw", test_id, "--by", "李某", "--reason", "记错了设备").stdout == "已撤回\n"
    assert "已撤回：记错了设备" in witness("list", "c").stdout
    actions = query(database_url, "SELECT action, subject, subject_id FROM audit_log ORDER BY id")
    assert actions == [("create", "witnessed_test", test_id), ("withdraw", "witnessed_test", test_id)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "c", "none", *WHO), "没有设备“none”"),
        (("add", "elsewhere", "gas", *WHO), "没有小区“elsewhere”"),
        (("add", "c", "charger", *WHO), "smoke_detected（烟雾报警）"),
        (("add", "c", "gas", "--at", "2100-01-01 00:00:00", *WHO), "触发时间还没有到"),
        (("withdraw", "00000000-0000-0000-0000-000000000000", "--by", "王", "--reason", "误记"), "没有这个编号"),
    ],
)
def test_a_command_that_cannot_be_carried_out_says_why(witness, database_url, arguments, words):
    done = witness(*arguments)
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr
    assert query(database_url, "SELECT count(*) FROM audit_log") == [(0,)]


def test_the_default_time_is_now(witness):
    done = witness("add", "c", "charger", "--event", "smoke_detected", *WHO)
    assert done.stdout.endswith("等待中\n")
