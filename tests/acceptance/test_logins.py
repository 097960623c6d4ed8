"""Devices and simulators log in at a running `anju up`, and their readings are stored."""

from doors import ACCEPTED, NOT_AUTHORIZED, Knock, login
from patience import eventually
from running import epoch_ms, query, reading
from simulators.publisher import Publisher

REAL, SIMULATED = "denglu/water_meter/real", "denglu/water_meter/simulated"
STORED = """
    SELECT device.name, volume_m3 FROM telemetry_water_meter JOIN device ON device.id = device_id
    WHERE community = 'denglu' ORDER BY 1, 2
    """


def test_an_imported_device_logs_in_with_its_secret_and_simulators_speak_for_simulated_ones(house, tmp_path):
    (tmp_path / "communities.csv").write_text("community,name,banner,street\ndenglu,登录小区,东胜区,公园街道\n")
    (tmp_path / "devices.csv").write_text(
        "community,device,kind,simulated\ndenglu,real,water_meter,false\ndenglu,simulated,water_meter,true\n"
    )
    files = ("--communities", tmp_path / "communities.csv", "--devices", tmp_path / "devices.csv")
    done = house.anju("import", *files, "--secrets-out", tmp_path / "secrets.csv")
    assert done.returncode == 0, done.stderr
    secrets = dict(line.split(",") for line in (tmp_path / "secrets.csv").read_text().splitlines())
    url = house.settings["ANJU_PUBLISH_MQTT_URL"]
    with Knock.at(url, REAL, secrets[REAL]) as device:
        assert device.answer() == ACCEPTED
        assert device.publish(f"anju/v1/{REAL}/telemetry", reading(epoch_ms(), volume_m3=1.0))
        with Publisher(url) as simulators:
            simulators.publish(f"anju/v1/{REAL}/telemetry", reading(epoch_ms(), volume_m3=2.0))
            simulators.publish(f"anju/v1/{SIMULATED}/telemetry", reading(epoch_ms(), volume_m3=3.0))
        eventually(lambda: query(house.database_url, STORED) == [("real", 1.0), ("simulated", 3.0)])
        rotated = house.anju("secrets", "rotate", REAL)
        assert rotated.returncode == 0, rotated.stderr
        eventually(lambda: not device.is_open(), timeout_s=5)
    assert login(url, REAL, secrets[REAL]) == NOT_AUTHORIZED
    assert login(url, REAL, rotated.stdout.strip().partition(",")[2]) == ACCEPTED
    assert house.pid("door")
