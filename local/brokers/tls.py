"""TLS of a private broker: its certificates, which are renewed while it runs, and what its clients check."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from devices.broker_url import tls_files
from local.certificates import Authority, Certified, kept_server_certificate, own_names, read_certificate
from local.users import User, write_private

HANDSHAKE_S = 15
"""Time for a handshake: many devices that reconnect at once wait for one another."""


@dataclass(frozen=True)
class BrokerTls:
    """Certificates of a broker.

    Attributes:
        folder: the private authority with its certificate for the broker.
        names: host names and addresses that devices use besides those of this machine.
        own: files of a certificate of the operator and its key, shown to devices that ask for its name.
    """

    folder: Path
    names: Sequence[str] = ()
    own: tuple[Path, Path] | None = None

    @property
    def host(self) -> str:
        """Host under which Anju's own parts reach the broker.

        A client that names it in its greeting (SNI, RFC 6066) is shown the private certificate, others the operator's.
        """
        return "localhost" if self.own else "127.0.0.1"

    @property
    def url_end(self) -> str:
        """End of the URL for Anju's own parts."""
        return tls_files(ca=self.folder / "ca.pem")

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
        changed = False
        for number, certified in enumerate(self.certificates(datetime.now(UTC))):
            for suffix, content in (("key", certified.key), ("pem", certified.certificate)):
                file = folder / f"mqtt-{number}.{suffix}"
                if not file.exists() or file.read_bytes() != content:
                    write_private(file, content, user)
                    changed = True
        return changed

    def configuration(self) -> str:
        """Return the setting `tls` of NATS Server, which refuses what is older than TLS 1.2."""
        files = [
            {"cert_file": f"mqtt-{number}.pem", "key_file": f"mqtt-{number}.key"}
            for number in range(1 + bool(self.own))
        ]
        return f"tls {{ certs: {json.dumps(files)}, timeout: {HANDSHAKE_S} }}"
