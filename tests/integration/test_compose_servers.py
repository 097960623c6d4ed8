"""Servers of docker-compose.yml without Docker: configuration of the broker, roles of the database."""

import queue
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from bare_database import bare_server
from cli import anju
from doors import new_secret, register_devices, running_door
from local.binaries import find_nats_server
from patience import patient
from store.telemetry.schema import table_name, visible_name

DEPLOY = Path(__file__).parents[2] / "deploy"
TOPIC = "anju/v1/jia-yuan/camera/gate/telemetry"
PAYLOAD = b'{"ts": 1795381246721, "values": {"temperature_c": 21.25}}'
WAIT_S = 10


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Broker:
    """Running broker with the shipped configuration."""

    port: int
    door_port: int
    secrets: Path
    store: Path

    @property
    def door_url(self) -> str:
        return f"nats://door:{self.password('door')}@127.0.0.1:{self.door_port}"

    @property
    def door_seed(self) -> str:
        return (self.secrets / "anju_door_seed").read_text(encoding="utf-8").strip()

    def password(self, account: str) -> str:
        text = (self.secrets / "nats_accounts").read_text(encoding="utf-8")
        match = re.search(rf'{account.upper()}_PASSWORD: "(\w+)"', text)
        assert match
        return match[1]


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    subprocess.run(["/bin/sh", str(DEPLOY / "make-secrets.sh"), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture
def broker(tmp_path: Path, secrets: Path) -> Iterator[Broker]:
    """Return a broker that differs from the container only in ports and folders."""
    port, monitoring, door = free_port(), free_port(), free_port()
    text = (DEPLOY / "nats" / "nats.conf").read_text(encoding="utf-8")
    for old, new in (
        ("0.0.0.0:8883", f"127.0.0.1:{port}"), ("0.0.0.0:4222", f"127.0.0.1:{door}"), (":8222", f":{monitoring}"),
        ("store_dir: /data", f'store_dir: "{tmp_path / "data"}"'), ("accounts.conf", "secrets/nats_accounts"),
        ("/run/secrets/mqtt_certificate", str(secrets / "mqtt_certificate")),
        ("/run/secrets/mqtt_key", str(secrets / "mqtt_key")),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    configuration = tmp_path / "nats.conf"
    configuration.write_text(text, encoding="utf-8")
    command = [str(find_nats_server(print)), "-c", str(configuration)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until_healthy(f"http://127.0.0.1:{monitoring}/healthz")
            yield Broker(port, door, secrets, tmp_path / "data")
        finally:
            process.terminate()


def wait_until_healthy(url: str) -> None:
    deadline = time.monotonic() + patient(WAIT_S)
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - http, on this machine
        except OSError:
            assert time.monotonic() < deadline, f"{url} is not healthy"
            time.sleep(0.05)
        else:
            return


class Client:
    """MQTT client with a persistent session."""

    def __init__(self, broker: Broker, user: str | None, password: str | None, client_id: str) -> None:
        self.answer: queue.Queue[ReasonCode] = queue.Queue()
        self.granted: queue.Queue[list[ReasonCode]] = queue.Queue()
        self.messages: queue.Queue[bytes] = queue.Queue()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False)
        self.client.username_pw_set(user, password)
        self.client.tls_set(str(broker.secrets / "mqtt_ca"))
        self.client.on_connect = lambda _client, _data, _flags, code, _properties: self.answer.put(code)
        self.client.on_subscribe = lambda _client, _data, _id, codes, _properties: self.granted.put(codes)
        self.client.on_message = lambda _client, _data, message: self.messages.put(message.payload)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_a_message_of_a_device_waits_encrypted_while_ingest_is_away(broker: Broker, database_url: str) -> None:
    with Client(broker, "ingest", broker.password("ingest"), "ingest") as ingest:
        assert not ingest.answer.get(timeout=patient(WAIT_S)).is_failure
        ingest.client.subscribe("anju/v1/#", qos=1)
        assert not ingest.granted.get(timeout=patient(WAIT_S))[0].is_failure
    register_devices(database_url, "jia-yuan", {"device": "gate", "kind": "camera"})
    secret = new_secret(database_url, "jia-yuan/camera/gate")
    with (
        running_door(database_url, broker),
        Client(broker, "jia-yuan/camera/gate", secret, "jia-yuan:camera:gate") as camera,
    ):
        assert not camera.answer.get(timeout=patient(WAIT_S)).is_failure
        camera.client.publish(TOPIC, PAYLOAD, qos=1).wait_for_publish(patient(WAIT_S))
    stored = [path.read_bytes() for path in broker.store.rglob("*.blk")]
    assert sum(map(len, stored)) > len(PAYLOAD)
    assert not any(b"temperature_c" in content for content in stored)
    with Client(broker, "ingest", broker.password("ingest"), "ingest") as ingest:
        assert ingest.messages.get(timeout=patient(WAIT_S)) == PAYLOAD


@pytest.mark.parametrize(("user", "password"), [(None, None), ("ingest", "guessed"), ("admin", "")])
def test_no_client_connects_without_a_secret(broker: Broker, user: str | None, password: str | None) -> None:
    with Client(broker, user, password, "stranger") as client:
        assert client.answer.get(timeout=patient(WAIT_S)).is_failure


@pytest.mark.slow
def test_the_services_of_the_database_make_roles_and_tables_and_each_part_gets_its_own(
    tmp_path: Path, secrets: Path
) -> None:
    """Run the commands of `roles` and `migrate` with the made secrets on a server that is new but for its superuser."""
    with bare_server(tmp_path) as superuser_url:
        address = superuser_url.rpartition("@")[2]
        for file in secrets.glob("*_database_url"):
            url = file.read_text(encoding="utf-8").replace("database:5432/anju", address)
            file.chmod(0o600)
            file.write_text(url, encoding="utf-8")
        for _ in range(2):
            done = anju("roles", "--urls", secrets, cwd=tmp_path, ANJU_DATABASE_URL=superuser_url)
            assert done.returncode == 0, done.stderr
            done = anju("migrate", cwd=tmp_path, ANJU_DATABASE_URL=url_of(secrets, "owner"))
            assert (done.returncode, "note:" in done.stdout) == (0, False), done.stderr
        raw = table_name("camera")
        # The API reads readings of the communities of its caller only.
        for part, seen in {"ingest": raw, "api": visible_name("camera"), "worker": raw, "operator": raw}.items():
            with psycopg.connect(url_of(secrets, part)) as connection:
                assert connection.execute("SELECT current_user").fetchone() == (f"anju_{part}",)
                assert connection.execute(f"SELECT count(*) FROM {seen}").fetchone() == (0,)
        with psycopg.connect(url_of(secrets, "grafana"), autocommit=True) as connection:
            assert connection.execute("SELECT count(*) FROM telemetry_camera").fetchone() == (0,)
            assert connection.execute("SHOW statement_timeout").fetchone() == ("30s",)
            assert connection.execute("SHOW temp_file_limit").fetchone() == ("1GB",)
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("CREATE TABLE mine ()")
            connection.execute("SET default_transaction_read_only = off")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM telemetry_camera")


def url_of(secrets: Path, part: str) -> str:
    return (secrets / f"{part}_database_url").read_text(encoding="utf-8").strip()
