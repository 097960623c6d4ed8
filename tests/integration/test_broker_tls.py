"""The broker behind TLS, from outside: who is let in, and how its certificates change while it runs."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from devices.broker_url import BrokerUrl
from ingest.broker_check import probe_broker
from ingest.broker_client import BrokerUnavailableError
from local.brokers.broker import Broker
from local.brokers.tls import BrokerTls
from local.certificates import Authority, kept_server_certificate, own_names
from local.home import Home
from local.process import Process
from local.services import prepare_broker
from local.supervisor import Supervisor
from local.users import write_private
from mqtt_packets import connect
from patience import eventually, patient
from simulators.publisher import Publisher, PublisherError

NOW = datetime.now(UTC)
CONNACK_HEADER = b"\x20\x02"
TOPIC = "anju/v1/yangguang/water_meter/w1/telemetry"


@dataclass
class Running:
    """A broker with TLS, its process and its data."""

    broker: Broker
    process: Process
    home: Home

    @property
    def url(self) -> BrokerUrl:
        return BrokerUrl.parse(self.broker.publish_url)

    def shown(self, name: str = "localhost") -> x509.Certificate:
        """Return the certificate that a client which asks for this name is shown."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        address = ("127.0.0.1", self.url.port)
        with (
            socket.create_connection(address, patient(20)) as stream,
            context.wrap_socket(stream, server_hostname=name) as connection,
        ):
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")


@contextmanager
def running(folder: Path, own: tuple[Path, Path] | None = None) -> Iterator[Running]:
    with ExitStack() as stack:
        home = stack.enter_context(Home(folder))
        broker = prepare_broker(home, print, tls=BrokerTls(home.path / "tls", own=own))
        process = Process(broker.parts[0], home)
        stack.callback(process.stop)
        process.start(patient(60))
        yield Running(broker, process, home)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("broker")) as servers:
        yield servers


def refusal(url: str) -> str:
    with pytest.raises(BrokerUnavailableError) as refused:
        probe_broker(url)
    return str(refused.value)


def test_anjus_own_parts_reach_it_by_its_private_authority(servers: Running):
    assert servers.url.tls
    assert servers.url.files == {"ca": servers.home.path / "tls" / "ca.pem"}
    probe_broker(servers.broker.ingest_url)
    with Publisher(servers.broker.publish_url) as out:
        out.publish(TOPIC, b"{}")
    assert out.acknowledged == 1


def test_devices_reach_it_from_the_network_by_each_name_of_this_machine(servers: Running):
    for name in own_names() - {"::1", socket.gethostname()}:
        probe_broker(servers.broker.ingest_url.replace("@127.0.0.1:", f"@{name}:"))


def test_a_client_with_another_authority_does_not_send_its_secret(servers: Running, tmp_path: Path):
    other = Authority(tmp_path, NOW).file
    for url in (
        servers.broker.ingest_url.replace(str(servers.url.files["ca"]), str(other)),
        servers.broker.ingest_url.partition("?")[0],
    ):
        assert "certificate verify failed" in refusal(url)
    with pytest.raises(PublisherError, match="certificate verify failed"), Publisher(url):
        pass


def test_a_host_name_that_the_certificate_lacks_is_refused(servers: Running):
    url = servers.broker.ingest_url.replace("@127.0.0.1:", "@127.0.0.2:")
    assert "certificate is not valid for '127.0.0.2'" in refusal(url)


def test_plain_mqtt_gets_no_answer(servers: Running):
    with socket.create_connection(("127.0.0.1", servers.url.port), patient(20)) as stream:
        stream.sendall(connect("any", servers.url.username, servers.url.password))
        received = b""
        with suppress(ConnectionError):
            while data := stream.recv(4096):
                received += data
    assert CONNACK_HEADER not in received


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(servers: Running):
    context = ssl.create_default_context(cafile=servers.url.files["ca"])
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", servers.url.port), patient(20)) as stream,
        pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"),
    ):
        context.wrap_socket(stream, server_hostname="127.0.0.1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", servers.url.port), patient(20)) as stream,
        context.wrap_socket(stream, server_hostname="127.0.0.1") as connection,
    ):
        assert connection.version() == "TLSv1.2"


def test_an_unusable_file_of_the_url_is_named(servers: Running, tmp_path: Path):
    url = servers.broker.ingest_url.replace(str(servers.url.files["ca"]), str(tmp_path / "none.pem"))
    assert str(tmp_path / "none.pem") in refusal(url)


def test_a_certificate_of_the_operator_is_shown_for_its_name_and_an_expired_one_is_refused(tmp_path: Path):
    public = Authority(tmp_path / "public", NOW - timedelta(days=500))
    certified = public.issue_server(["mqtt.example.cn", "127.0.0.1"], NOW - timedelta(days=400))
    own = tmp_path / "own.pem", tmp_path / "own.key"
    for file, content in zip(own, certified, strict=True):
        write_private(file, content)
    with running(tmp_path / "data", own) as servers:
        probe_broker(servers.broker.ingest_url)  # Anju's own parts are shown the private one
        assert public.has_issued(servers.shown("mqtt.example.cn"))
        assert not public.has_issued(servers.shown("localhost"))
        ingest = BrokerUrl.parse(servers.broker.ingest_url)
        url = f"mqtts://{ingest.username}:{ingest.password}@127.0.0.1:{ingest.port}?ca={public.file}"
        assert "certificate has expired" in refusal(url)
        renewed = public.issue_server(["mqtt.example.cn", "127.0.0.1"], NOW)
        for file, content in zip(own, renewed, strict=True):
            write_private(file, content)
        assert servers.process.part.refresh is not None
        assert servers.process.part.refresh()
        servers.process.reload()
        eventually(lambda: servers.shown("mqtt.example.cn").not_valid_after_utc > NOW)
        probe_broker(url)
        assert not servers.process.part.refresh()


@pytest.mark.slow
def test_clients_go_on_over_new_certificates_and_take_a_new_authority_when_they_reconnect(tmp_path: Path):
    with running(tmp_path / "data") as servers, Publisher(servers.broker.publish_url) as out:
        out.publish(TOPIC, b"{}")
        ca = servers.url.files["ca"]
        first = servers.shown()
        for file in (ca, ca.with_name("ca.key")):
            file.rename(file.with_suffix(".old"))
        kept_server_certificate(Authority(ca.parent, NOW), own_names(), NOW)
        assert servers.process.part.refresh is not None
        assert servers.process.part.refresh()
        servers.process.reload()
        eventually(lambda: servers.shown() != first)
        out.publish(TOPIC, b"{}")
        out.flush(patient(20))  # the open connection stays
        probe_broker(servers.broker.ingest_url)
        servers.process.kill()
        servers.process.start(patient(60))
        out.publish(TOPIC, b"{}")
        out.flush(patient(60))
        assert out.acknowledged == 3


def test_a_supervised_broker_gets_its_new_certificate_by_itself(tmp_path: Path):
    told: list[str] = []
    with Home(tmp_path / "data") as home, Supervisor(home, told.append) as supervisor:
        tls = BrokerTls(home.path / "tls")
        broker = prepare_broker(home, print, tls=tls)
        process = supervisor.start(broker.parts[0], patient(60))
        servers, stop = Running(broker, process, home), threading.Event()
        first = servers.shown()
        for name in ("server.pem", "server.key"):
            (tls.folder / name).unlink()

        def wait() -> None:
            try:
                eventually(lambda: servers.shown() != first)
            finally:
                stop.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        supervisor.watch(stop)
        waiting.join()
        assert servers.shown() != first
        assert told == ["broker has new certificates"]
