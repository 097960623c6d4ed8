"""`anju doctor --device`: an installer sees what a device just sent, and why it was refused."""

import signal
import subprocess
import uuid
from datetime import datetime, timedelta

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from app.commissioning import LOGIN_ZH, refused_lines
from cli import environment
from devices.broker_tls import BrokerContext
from devices.broker_url import BrokerUrl
from door.decision import Refusal
from patience import eventually, patient
from running import ANJU, epoch_ms, event, reading
from store.database import connect
from store.registry.devices import find_device


class Installed:
    """Door of a house with its secret, registered by an import."""

    def __init__(self, house):
        self.house = house
        self.community = f"site-{uuid.uuid4().hex[:8]}"
        self.username = f"{self.community}/access_control/door-1"
        (house.folder / "communities.csv").write_text(
            f"community,name,banner,street\n{self.community},阳光小区,东胜区,公园街道\n"
        )
        (house.folder / "devices.csv").write_text(
            f"community,device,kind,location\n{self.community},door-1,access_control,1号楼大门\n"
        )
        secrets = house.folder / f"{self.community}.csv"
        done = house.anju(
            "import", "--communities", "communities.csv", "--devices", "devices.csv", "--secrets-out", secrets
        )
        assert done.returncode == 0, done.stderr
        self.secret = secrets.read_text().strip().partition(",")[2]

    def send(self, payload=None, *, level="event", topic=None, secret=None, client_id=None):
        """Log in and publish as the device does; return whether the login was accepted."""
        broker = BrokerUrl.parse(self.house.settings["ANJU_MQTT_URL"])
        client = Client(CallbackAPIVersion.VERSION2, client_id=client_id or self.username.replace("/", ":"))
        client.username_pw_set(self.username, secret or self.secret)
        client.tls_set_context(BrokerContext(broker))
        codes, acknowledged = [], []
        client.on_connect = lambda *arguments: codes.append(arguments[3])
        client.on_publish = lambda *_: acknowledged.append(True)
        client.connect(broker.host, broker.port)
        eventually(lambda: client.loop(0.1) or codes, timeout_s=20)
        if not codes[0].is_failure:
            client.publish(topic or f"anju/v1/{self.username}/{level}", payload, qos=1)
            eventually(lambda: client.loop(0.1) or acknowledged, timeout_s=20)
        client.disconnect()
        return not codes[0].is_failure

    def doctor(self):
        done = self.house.anju("doctor", "--device", f"{self.community}/door-1")
        assert done.returncode == 0, done.stderr
        assert self.secret not in done.stdout
        return done.stdout


@pytest.fixture
def installed(house):
    return Installed(house)


def test_what_was_stored_and_each_reason_of_a_refusal_are_shown(installed):
    assert "1号楼大门　门禁 door-1：还没有收到过消息" in installed.doctor()
    assert installed.send(event(epoch_ms(), "door_opened"))
    assert installed.send(b"{}", level="telemetry")
    assert installed.send(b"{}", topic=f"anju/v1/{installed.community}/access_control/other/event")
    assert not installed.send(secret="wrong")
    assert not installed.send(client_id="meter-1")
    expected = (
        "已入库：", "被拒收：没有写明时间", "发到了不属于本设备的主题，已被丢弃",
        "登录被拒：密钥不对，或已换成新的", "登录被拒：客户端 ID 不对",
    )  # fmt: skip
    eventually(lambda: all(text in installed.doctor() for text in expected), timeout_s=20)


def test_a_watch_goes_on_until_it_is_stopped(installed):
    command = [ANJU, "doctor", "--device", f"{installed.community}/door-1", "--watch"]
    with subprocess.Popen(
        command, cwd=installed.house.folder, env=environment({}), stdout=subprocess.PIPE, text=True
    ) as watch:
        assert watch.stdout
        assert "1号楼大门" in watch.stdout.readline()
        assert installed.send(reading(epoch_ms(), door_open=True), level="telemetry")
        assert any("已入库" in line and "设备时间" in line for line in iter(watch.stdout.readline, ""))
        watch.send_signal(signal.SIGINT)
        watch.communicate(timeout=patient(20))
    assert watch.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--device", "yangguang/none"), "没有登记设备 yangguang/none"), (("--watch",), "--watch goes with --device")],
)
def test_a_device_that_is_not_registered_is_told(house, arguments, message):
    done = house.anju("doctor", *arguments)
    assert done.returncode != 0
    assert message in done.stderr


def test_refusals_of_other_devices_are_not_shown(installed):
    with connect(installed.house.database_url, application_name="test") as connection:
        device = find_device(connection, installed.community, "door-1")
    at, now = "2026/12/01 04:19:34", datetime(2026, 12, 1, 4, 19, 34).astimezone()
    log = [
        line
        for user, client in ((installed.username, "other-id"), ("a/b/c", installed.username.replace("/", ":")))
        for line in (
            f"[1] {at}.824854 [WRN] Auth callout service returned an error: {Refusal.WRONG_CLIENT_ID}",
            f'[1] {at}.824874 [ERR] 127.0.0.1:46500 - mid:32 - "{client}" - authentication error - User "{user}"',
            f'[1] {at}.824880 [ERR] 127.0.0.1:46500 - mid:32 - "{client}" - unable to connect: authentication error',
        )
    ]
    assert [(each.at, each.text) for each in refused_lines(log, device, now)] == [
        (now, f"登录被拒：{LOGIN_ZH[Refusal.WRONG_CLIENT_ID]}")
    ]
    assert list(refused_lines(log, device, now + timedelta(seconds=1))) == []
