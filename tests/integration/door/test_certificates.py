"""Devices that log in by a certificate, at a broker that lets in no client without one."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from cli import invoke
from devices.broker_tls import BrokerContext
from devices.broker_url import BrokerUrl, tls_files
from doors import new_secret, register_devices, running_door
from ingest.broker_check import probe_broker
from local.brokers.broker import Broker
from local.brokers.tls import BrokerTls
from local.certificates import Authority
from local.home import Home
from patience import eventually
from running import running_broker
from simulators.publisher import Publisher
from store.database import connect
from store.registry.withdraw import withdraw_device

NOW = datetime.now(UTC)
METER, OTHER, LEAVING = "east/water_meter/w1", "east/water_meter/w2", "east/water_meter/w3"
LONG = f"east/water_meter/{'w' * 64}"


class Mutual:
    """Broker that asks for certificates, with its door, and a folder for the certificates of devices."""

    def __init__(self, broker: Broker, database_url: str, folder: Path) -> None:
        self.broker, self.database_url, self.folder = broker, database_url, folder
        self.ca = BrokerUrl.parse(broker.ingest_url).files["ca"]

    def url(self, username: str, secret: str, **files: Path) -> str:
        account = f"{quote(username, safe='')}:{quote(secret, safe='')}"
        return f"mqtts://{account}@127.0.0.1:{self.broker.ports[0]}{tls_files(ca=self.ca, **files)}"

    def files(self, username: str) -> dict[str, Path]:
        """Return the files that `anju secrets certificate` gives a device."""
        done = invoke(
            "secrets", "certificate", username, "--out", "certificates", cwd=self.folder,
            ANJU_DATABASE_URL=self.database_url, ANJU_MQTT_URL=self.broker.ingest_url,
        )  # fmt: skip
        assert done.returncode == 0 or "exists" in done.stderr, done.stderr
        name = self.folder / "certificates" / username.rpartition("/")[2]
        return {"certificate": name.with_suffix(".pem"), "key": name.with_suffix(".key")}


@pytest.fixture(scope="module")
def mutual(tmp_path_factory, new_database) -> Iterator[Mutual]:
    with new_database() as url, Home(tmp_path_factory.mktemp("mutual")) as home:
        register_devices(
            url, "east", *({"device": name, "kind": "water_meter"} for name in ("w1", "w2", "w3", "w" * 64))
        )
        tls = BrokerTls(home.path / "tls", mutual=True)
        with running_broker(home, guarded=True, tls=tls) as (broker, _), running_door(url, broker):
            yield Mutual(broker, url, tmp_path_factory.mktemp("devices"))


class Device:
    """Device that logs in over TLS."""

    def __init__(self, url: str, client_id: str, username: str | None) -> None:
        broker = BrokerUrl.parse(url)
        self.codes: list[bool] = []
        self.ended: list[bool] = []
        self.acknowledged: list[int] = []
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, reconnect_on_failure=False)
        if username:
            self.client.username_pw_set(username, "unused")
        self.client.tls_set_context(BrokerContext(broker))
        self.client.on_connect = lambda *arguments: self.codes.append(not arguments[3].is_failure)
        self.client.on_disconnect = lambda *_: self.ended.append(True)
        self.client.on_publish = lambda *_: self.acknowledged.append(1)
        self.client.connect(broker.host, broker.port)
        eventually(lambda: self.client.loop(0.1) or self.codes or self.ended, timeout_s=20)

    @property
    def is_in(self) -> bool:
        return self.codes == [True]


def test_anjus_own_parts_have_a_certificate_and_still_need_their_password(mutual: Mutual):
    probe_broker(mutual.broker.ingest_url)
    with Publisher(mutual.broker.publish_url) as out:
        out.publish("anju/v1/east/water_meter/simulated/telemetry", b"{}")
    own = {name: mutual.ca.with_name(f"anju.{end}") for name, end in (("certificate", "pem"), ("key", "key"))}
    assert not Device(mutual.url("publisher", "x", **own), "any", "publisher").is_in


@pytest.mark.parametrize(("name", "username"), [(METER, METER), (METER, None), (LONG, LONG), (LONG, None)])
def test_a_device_logs_in_by_its_certificate_alone(mutual: Mutual, name: str, username: str | None):
    device = Device(mutual.url(name, "x", **mutual.files(name)), name.replace("/", ":"), username)
    assert device.is_in
    device.client.publish(f"anju/v1/{name}/telemetry", b"{}", qos=1)
    eventually(lambda: device.client.loop(0.1) or device.acknowledged, timeout_s=20)
    device.client.disconnect()


def test_a_certificate_is_for_no_other_name_and_no_other_client_id(mutual: Mutual):
    url = mutual.url(METER, "x", **mutual.files(METER))
    assert not Device(url, OTHER.replace("/", ":"), OTHER).is_in
    assert not Device(url, OTHER.replace("/", ":"), METER).is_in


def test_without_a_certificate_of_the_authority_even_the_right_secret_lets_nobody_in(mutual: Mutual, tmp_path: Path):
    secret = new_secret(mutual.database_url, OTHER)
    issued = Authority(tmp_path, NOW).issue_client(OTHER, NOW)
    files = {"certificate": tmp_path / "other.pem", "key": tmp_path / "other.key"}
    for file, content in zip(files.values(), issued, strict=True):
        file.write_bytes(content)
    for url in (mutual.url(OTHER, secret), mutual.url(OTHER, secret, **files)):
        try:
            assert not Device(url, OTHER.replace("/", ":"), OTHER).is_in
        except (ssl.SSLError, ConnectionError):
            continue


def test_a_rotated_secret_throws_the_device_out_and_its_certificate_counts_no_more(mutual: Mutual, tmp_path: Path):
    lost = mutual.files(OTHER)
    device = Device(mutual.url(OTHER, "x", **lost), OTHER.replace("/", ":"), None)
    assert device.is_in
    new_secret(mutual.database_url, OTHER)
    eventually(lambda: device.client.loop(0.1) or device.ended, timeout_s=20)
    assert not Device(mutual.url(OTHER, "x", **lost), OTHER.replace("/", ":"), None).is_in
    issued = Mutual(mutual.broker, mutual.database_url, tmp_path).files(OTHER)
    again = Device(mutual.url(OTHER, "x", **issued), OTHER.replace("/", ":"), None)
    assert again.is_in
    again.client.disconnect()


def test_a_withdrawn_device_is_thrown_out_and_its_certificate_counts_no_more(mutual: Mutual):
    files = mutual.files(LEAVING)
    device = Device(mutual.url(LEAVING, "x", **files), LEAVING.replace("/", ":"), None)
    assert device.is_in
    with connect(mutual.database_url, application_name="test") as connection:
        withdraw_device(connection, "east", "w3", datetime.now(UTC))
    eventually(lambda: device.client.loop(0.1) or device.ended, timeout_s=20)
    assert not Device(mutual.url(LEAVING, "x", **files), LEAVING.replace("/", ":"), None).is_in


def test_a_certificate_is_issued_for_registered_devices_and_where_the_authority_is(mutual: Mutual, tmp_path: Path):
    settings = {"ANJU_DATABASE_URL": mutual.database_url, "ANJU_MQTT_URL": mutual.broker.ingest_url}
    none = invoke("secrets", "certificate", "east/camera/none", "--out", "x", cwd=tmp_path, **settings)
    assert none.returncode == 1
    assert "no device is registered as 'east/camera/none'" in none.stderr
    settings["ANJU_MQTT_URL"] = "mqtts://u:s@broker"
    foreign = invoke("secrets", "certificate", METER, "--out", "x", cwd=tmp_path, **settings)
    assert "no private authority is kept here" in foreign.stderr
    assert list(tmp_path.iterdir()) == []
