"""`anju simulate`: devices without hardware, marked as such all the way."""

from running import eventually


def test_a_fault_of_a_registered_device_raises_an_alert_that_is_marked_as_simulated(house):
    done = house.anju(
        "simulate", "--community", "tianjiao-huayuan", "--register", 4, "--duration", "8s",
        "--fault", "gas_leak:tianjiao-huayuan/b01-u1-0101-gas@+1s",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sent ")
    [alert] = eventually(lambda: house.get("/alerts", community="tianjiao-huayuan", kind="gas_meter")["items"])
    assert alert["device"] == "b01-u1-0101-gas"
    assert alert["severity"] == "critical"
    assert alert["simulated"]


def test_a_fault_that_nobody_knows_is_wrong_usage(house):
    done = house.anju("simulate", "--fault", "earthquake:b01@+1s")
    assert done.returncode == 2
    assert "earthquake" in done.stderr


def test_a_registry_without_such_devices_is_not_simulated(house):
    done = house.anju("simulate", "--community", "nowhere", "--duration", "1s")
    assert done.returncode == 1
    assert "--register" in done.stderr
