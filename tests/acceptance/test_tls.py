"""`anju up` encrypts MQTT, and gives devices what they need for it."""

import socket

import pytest

from cli import anju, invoke, running_up
from devices.broker_url import BrokerUrl
from ingest.broker_check import probe_broker


def test_mqtt_is_encrypted_and_the_authority_is_printed_for_devices(house):
    broker = BrokerUrl.parse(house.settings["ANJU_MQTT_URL"])
    assert broker.tls
    done = house.anju("secrets", "show-ca")
    assert done.stdout == (house.data_dir / "tls" / "ca.pem").read_text()
    (house.folder / "given-to-a-device.pem").write_text(done.stdout)
    account = f"{broker.username}:{broker.password}"
    probe_broker(f"mqtts://{account}@localhost:{broker.port}?ca={house.folder / 'given-to-a-device.pem'}")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mqtt://u:s@a", "MQTT is not encrypted here"),
        ("mqtts://u:s@a", "the authorities of the system"),
        ("mqtts://u:s@a?ca=/none.pem", "/none.pem, named in ANJU_MQTT_URL, can't be read"),
    ],
)
def test_without_a_private_authority_none_is_printed(url, message, tmp_path):
    done = invoke("secrets", "show-ca", cwd=tmp_path, ANJU_MQTT_URL=url)
    assert done.returncode != 0
    assert done.stdout == ""
    assert message in done.stderr


@pytest.mark.slow
def test_plain_mqtt_is_for_this_machine_alone(tmp_path):
    with running_up(tmp_path, ANJU_MQTT_TLS="off") as up:
        broker = BrokerUrl.parse(up.settings["ANJU_MQTT_URL"])
        assert not broker.tls
        probe_broker(up.settings["ANJU_MQTT_URL"])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", broker.port))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ANJU_MQTT_TLS": "maybe"}, "ANJU_MQTT_TLS: Input should be 'on', 'off' or 'mutual'"),
        ({"ANJU_MQTT_NAMES": "anju.example.cn, a b"}, "ANJU_MQTT_NAMES: a b is no host name and no address"),
        ({"ANJU_MQTT_KEY_FILE": "/etc/key.pem"}, "ANJU_MQTT_CERTIFICATE_FILE is not set"),
        ({"ANJU_MQTT_CERTIFICATE_FILE": "/etc/certificate.pem"}, "ANJU_MQTT_KEY_FILE is not set"),
    ],
)
def test_unusable_settings_of_tls_are_named(settings, message, tmp_path):
    done = anju("up", cwd=tmp_path, **settings)
    assert done.returncode != 0
    assert message in done.stderr
