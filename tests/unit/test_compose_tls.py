"""TLS of the broker under Docker Compose: its files, and the script that makes them."""

import re
import subprocess
from pathlib import Path

import yaml
from cryptography import x509

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
NATS_CONFIGURATION = (ROOT / "deploy" / "nats" / "nats.conf").read_text(encoding="utf-8")


def paths(name: str) -> set[str]:
    """Return the paths of the secrets in the container of a service."""
    return {f"/run/secrets/{item}" for item in COMPOSE["services"][name]["secrets"] if isinstance(item, str)}


def test_the_broker_and_its_clients_are_given_the_files_of_tls_that_they_name() -> None:
    named = dict(re.findall(r'(cert_file|key_file): "([^"]+)"', NATS_CONFIGURATION))
    assert set(named.values()) <= paths("broker")
    for name in ("ingest", "worker", "operator"):
        assert "/run/secrets/mqtt_ca" in paths(name)
    assert "mqtt_ca_key" not in COMPOSE["secrets"]


def test_a_new_certificate_is_written_in_place_and_its_authority_stays(tmp_path: Path) -> None:
    script = ["/bin/sh", str(ROOT / "deploy" / "make-certificate.sh"), str(tmp_path)]
    subprocess.run(script, check=True)
    ca, first = (tmp_path / "mqtt_ca").read_bytes(), (tmp_path / "mqtt_certificate").read_bytes()
    inode = (tmp_path / "mqtt_certificate").stat().st_ino
    subprocess.run([*script, "anju.example.cn", "10.0.0.7", "fd00::7"], check=True)
    assert (tmp_path / "mqtt_ca").read_bytes() == ca
    assert (tmp_path / "mqtt_certificate").read_bytes() != first
    assert (tmp_path / "mqtt_certificate").stat().st_ino == inode
    certificate = x509.load_pem_x509_certificate((tmp_path / "mqtt_certificate").read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca))
    held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"broker", "localhost", "anju.example.cn"} <= set(held.get_values_for_type(x509.DNSName))
    assert {"127.0.0.1", "10.0.0.7", "fd00::7"} <= set(map(str, held.get_values_for_type(x509.IPAddress)))
    (tmp_path / "mqtt_ca_key").unlink()
    lost = subprocess.run(script, check=False, capture_output=True, text=True)
    assert lost.returncode == 1
    assert "mqtt_ca_key is lost" in lost.stderr
