import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from local.certificates import Authority, CertificateError, kept_server_certificate, own_names, read_certificate
from local.errors import LocalError

NOW = datetime(2026, 12, 1, tzinfo=UTC)
NAMES = {"localhost", "127.0.0.1", "anju.example.cn"}


def names_of(pem: bytes) -> set[str]:
    held = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*held.get_values_for_type(x509.DNSName), *map(str, held.get_values_for_type(x509.IPAddress))}


def test_an_authority_is_made_once_and_only_its_certificate_is_open(tmp_path: Path):
    first, second = Authority(tmp_path, NOW), Authority(tmp_path, NOW + timedelta(days=900))
    assert first.certificate == second.certificate
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert modes == {"ca.pem": 0o644, "ca.key": 0o600}


def test_a_certificate_is_kept_while_it_lasts_and_renewed_two_months_before_its_end(tmp_path: Path):
    authority = Authority(tmp_path, NOW)
    first = kept_server_certificate(authority, NAMES, NOW)
    ends = x509.load_pem_x509_certificate(first.certificate).not_valid_after_utc
    assert kept_server_certificate(authority, NAMES, ends - timedelta(days=60, seconds=1)) == first
    renewed = kept_server_certificate(authority, NAMES, ends - timedelta(days=60))
    assert renewed != first
    assert x509.load_pem_x509_certificate(renewed.certificate).not_valid_after_utc > ends
    assert authority.has_issued(x509.load_pem_x509_certificate(renewed.certificate))


def test_a_new_name_needs_a_new_certificate_and_a_lost_one_does_not(tmp_path: Path):
    authority = Authority(tmp_path, NOW)
    first = kept_server_certificate(authority, NAMES, NOW)
    assert kept_server_certificate(authority, {"localhost"}, NOW) == first
    second = kept_server_certificate(authority, NAMES | {"10.0.0.7"}, NOW)
    assert names_of(second.certificate) == NAMES | {"10.0.0.7"}


@given(
    names=st.sets(
        st.from_regex(r"[a-z][a-z0-9-]{0,20}(\.[a-z]{2,5})?", fullmatch=True) | st.ip_addresses().map(str), min_size=1
    )
)
def test_every_host_name_and_address_is_in_the_certificate(tmp_path_factory: pytest.TempPathFactory, names: set[str]):
    authority = Authority(tmp_path_factory.getbasetemp() / "authority", NOW)
    assert names_of(authority.issue_server(names, NOW).certificate) == names


def test_a_certificate_of_an_earlier_authority_is_replaced(tmp_path: Path):
    first = kept_server_certificate(Authority(tmp_path, NOW), NAMES, NOW)
    for name in ("ca.pem", "ca.key"):
        (tmp_path / name).unlink()
    authority = Authority(tmp_path, NOW)
    assert not authority.has_issued(x509.load_pem_x509_certificate(first.certificate))
    assert kept_server_certificate(authority, NAMES, NOW) != first


@pytest.mark.parametrize("lost", ["ca.pem", "ca.key"])
def test_a_lost_authority_is_said_and_not_made_anew(tmp_path: Path, lost: str):
    Authority(tmp_path, NOW)
    (tmp_path / lost).unlink()
    with pytest.raises(CertificateError, match=rf"{lost} is lost, .* give the new ca\.pem to every device"):
        Authority(tmp_path, NOW)
    assert not (tmp_path / lost).exists()


def test_files_that_do_not_fit_are_refused_by_name(tmp_path: Path):
    one, other = Authority(tmp_path / "one", NOW), Authority(tmp_path / "other", NOW)
    kept_server_certificate(one, NAMES, NOW)
    kept_server_certificate(other, NAMES, NOW)
    with pytest.raises(
        CertificateError, match=r"other/server\.key is not the key of the certificate .*one/server\.pem"
    ):
        read_certificate(tmp_path / "one" / "server.pem", tmp_path / "other" / "server.key")
    with pytest.raises(CertificateError, match=r"can't be used: .*No such file"):
        read_certificate(tmp_path / "one" / "server.pem", tmp_path / "none.key")
    (tmp_path / "one" / "server.pem").write_text("nothing")
    with pytest.raises(CertificateError, match=r"one/server\.pem .* can't be used"):
        read_certificate(tmp_path / "one" / "server.pem", tmp_path / "one" / "server.key")
    (tmp_path / "one" / "ca.pem").write_bytes(other.file.read_bytes())
    with pytest.raises(CertificateError, match=r"one/ca\.key is not the key of .*one/ca\.pem"):
        Authority(tmp_path / "one", NOW)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path):
    Authority(tmp_path, NOW)
    (tmp_path / "ca.key").chmod(0o644)
    with pytest.raises(LocalError, match="other users can read"):
        Authority(tmp_path, NOW)


def test_this_machine_is_reached_by_its_loopback_and_its_addresses():
    names = own_names()
    assert {"localhost", "127.0.0.1", "::1"} <= names
    assert all(ip_address(name) for name in names if name[0].isdigit() and name.count(".") == 3)
