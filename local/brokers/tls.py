"""TLS of a private broker: certificates, their renewal while it runs, and the authority for its clients."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from devices.broker_url import tls_files
from local.certificates import (
    Authority,
    Certified,
    kept_client_certificate,
    kept_server_certificate,
    own_names,
    read_certificate,
)
from local.users import User, write_private

HANDSHAKE_S = 15
"""Time for a handshake: many devices that reconnect at once wait for one another."""
OWN_NAME = "publisher"
"""Common name in the certificate of Anju's own parts: that of the account of simulators, which no device can have."""


@dataclass(frozen=True)
class BrokerTls:
    """Certificates of a broker.

    Attributes:
        folder: the private authority with its certificate for the broker.
        names: host names and addresses that devices use besides those of this machine.
        own: files of a certificate of the operator and its key, shown to devices that ask for its name.
        mutual: whether each client has to show a certificate of the private authority.
    """

    folder: Path
    names: Sequence[str] = ()
    own: tuple[Path, Path] | None = None
    mutual: bool = False

    @property
    def host(self) -> str:
        """Host under which Anju's own parts reach the broker.

        A client that names it in its greeting (SNI, RFC 6066) is shown the private certificate, others the operator's.
        """
        return "localhost" if self.own else "127.0.0.1"

    @property
    def url_end(self) -> str:
        """End of the URL for Anju's own parts."""
        files = {"ca": self.folder / "ca.pem"}
        if self.mutual:
            files |= {"certificate": self.folder / "anju.pem", "key": self.folder / "anju.key"}
        return tls_files(**files)

    def certificates(self, now: datetime) -> list[Certified]:
        """Return the certificates to show, those of the operator first; the private one is renewed when it is time.

        Raises:
            CertificateError: a file is lost or can't be used.
        """
        private = kept_server_certificate(Authority(self.folder, now), own_names() | set(self.names), now)
        return [*([read_certificate(*self.own)] if self.own else []), private]

    def write(self, folder: Path, user: User | None) -> bool:
        """Write the certificates for a broker with this working directory; return whether any has changed.

        Raises:
            CertificateError: a file is lost or can't be used.
        """
        now = datetime.now(UTC)
        contents = {"ca.pem": Authority(self.folder, now).file.read_bytes()}
        for number, certified in enumerate(self.certificates(now)):
            contents |= {f"mqtt-{number}.key": certified.key, f"mqtt-{number}.pem": certified.certificate}
        if self.mutual:
            kept_client_certificate(Authority(self.folder, now), OWN_NAME, now)
        changed = False
        for name, content in contents.items():
            file = folder / name
            if not file.exists() or file.read_bytes() != content:
                write_private(file, content, user)
                changed = True
        return changed

    def configuration(self) -> str:
        """Return the setting `tls` of NATS Server: TLS 1.2 or newer."""
        files = [
            {"cert_file": f"mqtt-{number}.pem", "key_file": f"mqtt-{number}.key"}
            for number in range(1 + bool(self.own))
        ]
        verify = 'verify: true, ca_file: "ca.pem", ' if self.mutual else ""
        return f"tls {{ certs: {json.dumps(files)}, {verify}timeout: {HANDSHAKE_S} }}"
