"""`anju replacement`: record, list and withdraw the replacement of a meter."""

import json
import uuid

import pytest

from running import register


@pytest.fixture
def meter(house):
    community = f"yangguang-{uuid.uuid4().hex[:8]}"
    register(house.database_url, community, [("w1", "water_meter"), ("cam", "camera")])
    return f"{community}/w1"


def test_a_replacement_is_recorded_listed_and_withdrawn(house, meter):
    done = house.anju(
        "replacement", "record", meter, "--old-register", "812.4", "--at", "2026-07-01T14:30", "--new-serial", "new-2",
        "--note", "到期更换", "--by", "王师傅", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    recorded = json.loads(done.stdout)
    assert (recorded["field"], recorded["at"]) == ("volume_m3", "2026-07-01T06:30:00+00:00")
    assert house.get(f"/devices/{meter}")["serial"] == "new-2"
    (listed,) = house.get(f"/devices/{meter}/replacement")["items"]
    assert (listed["id"], listed["actor"], listed["note"]) == (recorded["id"], "王师傅", "到期更换")

    shown = house.anju("replacement", "list", meter)
    assert "2026-07-01 14:30" in shown.stdout
    assert "有效" in shown.stdout

    done = house.anju("replacement", "withdraw", str(recorded["id"]), "--by", "李经理")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"已撤回换表 {recorded['id']}：volume_m3 旧表止数 812.4，新表起数 0"
    (listed,) = house.get(f"/devices/{meter}/replacement")["items"]
    assert listed["withdrawn_by"] == "李经理"
    actions = [
        each["action"] for each in house.get("/audit", subject="replacement", subject_id=str(listed["id"]))["items"]
    ]
    assert actions == ["withdraw", "create"]
    assert house.anju("replacement", "withdraw", str(recorded["id"])).returncode == 1


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--old-register", "812.4", "--at", "gestern"), 2, "--at gestern"),
        (("--old-register", "100001"), 1, "--old-register: volume_m3 is from 0 to 100000"),
        (("--old-register", "1", "--field", "energy_kwh"), 1, "--field: water_meter has the counters volume_m3"),
    ],
)
def test_a_replacement_that_cannot_have_been_is_refused(house, meter, options, code, message):
    done = house.anju("replacement", "record", meter, *options)
    assert done.returncode == code
    assert message in done.stderr


def test_a_device_that_is_not_registered_is_refused(house, meter):
    done = house.anju("replacement", "record", meter + "0", "--old-register", "1")
    assert done.returncode == 1
    assert "COMMUNITY/DEVICE" in done.stderr
