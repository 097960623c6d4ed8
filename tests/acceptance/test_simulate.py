"""`anju simulate`: devices without hardware, marked as such all the way."""

import pytest

from patience import eventually

QUIET = {"late_batch"}  # messages sent at once leave no time without data


def test_a_fault_of_a_registered_device_raises_an_alert_that_is_marked_as_simulated(house):
    done = house.anju(
        "simulate", "--community", "tianjiao-huayuan", "--register", 4, "--duration", "8s",
        "--fault", "gas_leak:tianjiao-huayuan/b01-u1-0101-gas@+1s",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sent ")
    assert "0 of them wait in the spool of ingest, 0 were refused" in done.stdout
    [alert] = eventually(lambda: house.get("/alerts", community="tianjiao-huayuan", kind="gas_meter")["items"])
    assert alert["device"] == "b01-u1-0101-gas"
    assert alert["severity"] == "critical"
    assert alert["simulated"]


@pytest.mark.parametrize(
    "name",
    [
        "burst_pipe",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("duplicates", "late_batch", "meter_replaced")),
    ],
)
def test_a_scenario_raises_by_the_whole_of_anju_what_it_expects_and_again_changes_nothing(house, name):
    for _ in range(2):
        done = house.anju("simulate", "--scenario", name)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "1.000   1.000" in done.stdout
    assert house.get("/alerts", community=f"scenario-{name.replace('_', '-')}")["items"] or name in QUIET


def test_the_scenarios_are_listed_in_chinese(house):
    done = house.anju("simulate", "--list")
    assert done.returncode == 0
    assert "burst_pipe" in done.stdout
    assert "水管爆裂" in done.stdout


def test_a_scenario_that_nobody_knows_is_wrong_usage(house):
    done = house.anju("simulate", "--scenario", "earthquake")
    assert done.returncode == 2
    assert "burst_pipe" in done.stderr


def test_an_unknown_fault_is_wrong_usage(house):
    done = house.anju("simulate", "--fault", "earthquake:b01@+1s")
    assert done.returncode == 2
    assert "earthquake" in done.stderr


def test_a_registry_without_such_devices_is_not_simulated(house):
    done = house.anju("simulate", "--community", "nowhere", "--duration", "1s")
    assert done.returncode == 1
    assert "--register" in done.stderr
