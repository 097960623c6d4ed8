"""Private certificate authority of a data directory, and the certificate of its broker (RFC 5280)."""

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devices.certificate import LONGEST_COMMON_NAME, certificate_uri
from local.errors import LocalError
from local.secret import read_secret
from local.users import write_private

# An installation outlives its meters; a new authority means a visit to each device.
_AUTHORITY_DAYS = 30 * 365
_CERTIFICATE_DAYS = 397
_RENEW_BEFORE = timedelta(days=60)
# A device whose clock is a little behind accepts a new certificate.
_BACKDATED = timedelta(days=1)
_SIOCGIFADDR = 0x8915


class CertificateError(LocalError):
    """A certificate or key can't be used; the message names the file and the remedy."""


class Certified(NamedTuple):
    """Certificate and key, as PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Private certificate authority in a folder, made the first time: `ca.pem` for devices, and `ca.key`, a secret.

    Raises:
        CertificateError: one of the two is lost, or they can't be used.
    """

    def __init__(self, folder: Path, now: datetime) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file, key_file = folder / "ca.pem", folder / "ca.key"
        if self.file.exists() != key_file.exists():
            lost = key_file if self.file.exists() else self.file
            raise CertificateError(
                f"{lost} is lost, and devices trust no other authority than the one of {folder}. Put the file back "
                "from a copy; or remove both files for a new authority, and give the new ca.pem to every device."
            )
        if not key_file.exists():
            made = _new_authority(now)
            write_private(key_file, made.key)
            write_private(self.file, made.certificate)
            self.file.chmod(0o644)  # for every part and every device
        try:
            self.certificate = x509.load_pem_x509_certificate(self.file.read_bytes())
            key = load_pem_private_key(read_secret(key_file).encode(), password=None)
        except ValueError as error:
            raise CertificateError(f"{folder} has no authority that can be used: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != self.certificate.public_key():
            raise CertificateError(f"{key_file} is not the key of {self.file}: put both back from the same copy.")
        self._key = key

    def has_issued(self, certificate: x509.Certificate) -> bool:
        """Return whether the certificate is signed by this authority."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def issue_server(self, names: Iterable[str], now: datetime) -> Certified:
        """Issue a certificate of a server with these host names and IP addresses."""
        alternatives = x509.SubjectAlternativeName([_alternative(name) for name in sorted(set(names))])
        return self._issue("Anju MQTT", ExtendedKeyUsageOID.SERVER_AUTH, now, alternatives)

    def issue_client(self, common_name: str, now: datetime, uri: str = "") -> Certified:
        """Issue a certificate of a client; the one of a device has a URI as its alternative name."""
        alternatives = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]) if uri else None
        return self._issue(common_name, ExtendedKeyUsageOID.CLIENT_AUTH, now, alternatives)

    def issue_device(self, username: str, fingerprint: str, now: datetime) -> Certified:
        """Issue a certificate of a device, for the secret with this fingerprint.

        A username that is too long for a common name stands in the URI alone, and the device's own name in its place.
        """
        fits = len(username) <= LONGEST_COMMON_NAME
        common_name = username if fits else username.rpartition("/")[2]
        return self.issue_client(common_name, now, certificate_uri(username, fingerprint))

    def _issue(
        self, common_name: str, usage: x509.ObjectIdentifier, now: datetime, names: x509.SubjectAlternativeName | None
    ) -> Certified:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            _certificate(common_name, self.certificate.subject, key, now, _CERTIFICATE_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
            .add_extension(_usage(authority=False), critical=True)
        )
        if names:
            builder = builder.add_extension(names, critical=False)
        return _pem(builder.sign(self._key, SHA256()), key)


def kept_server_certificate(authority: Authority, names: Iterable[str], now: datetime) -> Certified:
    """Return the certificate beside the authority; a new one if it ends within 60 days, or lacks a name.

    Raises:
        CertificateError: its files can't be used.
    """
    folder = authority.file.parent
    file, key_file = folder / "server.pem", folder / "server.key"
    if not (file.exists() and key_file.exists() and _is_good(file.read_bytes(), authority, names, now)):
        issued = authority.issue_server(names, now)
        write_private(key_file, issued.key)
        write_private(file, issued.certificate)
    return read_certificate(file, key_file)


def kept_client_certificate(authority: Authority, common_name: str, now: datetime) -> None:
    """Keep a certificate of Anju's own parts beside the authority; a new one if it ends within 60 days."""
    file, key_file = authority.file.with_name("anju.pem"), authority.file.with_name("anju.key")
    if not (file.exists() and key_file.exists() and _lasts(file.read_bytes(), authority, now)):
        issued = authority.issue_client(common_name, now)
        write_private(key_file, issued.key)
        write_private(file, issued.certificate)


def read_certificate(file: Path, key_file: Path) -> Certified:
    """Read a certificate, with its chain, and its key.

    Raises:
        CertificateError: a file can't be read, or they are not of each other.
    """
    try:
        certificate, key = file.read_bytes(), read_secret(key_file).encode() + b"\n"
        public = load_pem_private_key(key, password=None).public_key()
        belongs = x509.load_pem_x509_certificate(certificate).public_key() == public
    except (OSError, ValueError, TypeError) as error:
        raise CertificateError(f"the certificate {file} with the key {key_file} can't be used: {error}") from error
    if not belongs:
        raise CertificateError(f"{key_file} is not the key of the certificate {file}.")
    return Certified(certificate, key)


def own_names() -> set[str]:
    """Return the host name of this machine and its addresses, those of the loopback included."""
    names = {"localhost", "127.0.0.1", "::1", *_addresses()}
    host = socket.gethostname()
    return names | {host} if _is_host_name(host) else names


def _is_host_name(host: str) -> bool:
    return host.isascii() and 0 < len(host) <= 64 and all(part.replace("-", "a").isalnum() for part in host.split("."))


def _addresses() -> set[str]:
    """Return the first IPv4 address of each interface (netdevice(7))."""
    addresses = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, request)
            except OSError:
                continue  # an interface without an address
            addresses.add(socket.inet_ntoa(answer[20:24]))
    return addresses


def _is_good(pem: bytes, authority: Authority, names: Iterable[str], now: datetime) -> bool:
    if not _lasts(pem, authority, now):
        return False
    extensions = x509.load_pem_x509_certificate(pem).extensions
    held = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return all(_alternative(name) in held for name in names)


def _lasts(pem: bytes, authority: Authority, now: datetime) -> bool:
    """Return whether a certificate is of this authority and valid for a while yet."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return False
    lasts = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _RENEW_BEFORE
    return lasts and authority.has_issued(certificate)


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _new_authority(now: datetime) -> Certified:
    key = ec.generate_private_key(ec.SECP256R1())
    # The key's own number keeps authorities of several installations apart in a list.
    number = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:8]
    subject = _name(f"Anju private CA {number}")
    builder = (
        _certificate(f"Anju private CA {number}", subject, key, now, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
    )
    return _pem(builder.sign(key, SHA256()), key)


def _certificate(
    common_name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name, _validate=False)])


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Certified:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Certified(certificate.public_bytes(Encoding.PEM), private)
