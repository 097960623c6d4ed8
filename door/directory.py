"""Logins of all devices in memory, so that the door answers without the database."""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from itertools import chain

from store.registry.logins import LoginRow
from store.registry.secrets import fingerprint

_NO_SECRET = b""
_CERTIFICATE = "certificate"


class Directory:
    """Devices that may log in, by username, with the hash of their secret: 400,000 take about 80 MB.

    The broker keeps the name of each connection, which tells the login that opened it: `{username}#{credential}`, with
    the fingerprint of the secret, "certificate" and that fingerprint for a certificate that was issued while the secret
    stood, or the word "certificate" alone. After a change the names of the void logins are known.
    """

    def __init__(self) -> None:
        self._secrets: dict[str, bytes] = {}
        self._barred: set[str] = set()
        self._simulated: set[str] = set()

    def __len__(self) -> int:
        return len(self._secrets)

    def __contains__(self, username: str) -> bool:
        return username in self._secrets

    def is_real(self, username: str) -> bool:
        """Return whether this is a registered device that is not marked as simulated, whether or not it may log in."""
        return username not in self._simulated and (username in self._secrets or username in self._barred)

    def has_secret(self, username: str) -> bool:
        """Return whether the device was given a secret."""
        return bool(self._secrets.get(username))

    def is_secret(self, username: str, secret: str) -> bool:
        """Return whether this is the secret of the device; the time of the answer tells nothing of the right one."""
        digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
        return hmac.compare_digest(self._secrets.get(username, _NO_SECRET), digest)

    def fingerprint(self, username: str) -> str:
        """Return the fingerprint of the secret of the device, also where it has none."""
        return fingerprint(self._secrets[username])

    def connection_name(self, username: str, *, by_certificate: bool = False, issued_for: str = "") -> str:
        """Return the name of a connection that the device opens now.

        Args:
            username: the device.
            by_certificate: whether it logs in by a certificate.
            issued_for: the fingerprint in that certificate; empty where it has none.
        """
        if by_certificate:
            return _certificate_name(username, issued_for)
        return _secret_name(username, self._secrets[username])

    def is_current(self, connection_name: str) -> bool:
        """Return whether the login that opened a connection is still valid."""
        username = connection_name.partition("#")[0]
        return username in self._secrets and connection_name in {
            _certificate_name(username),
            _certificate_name(username, self.fingerprint(username)),
            _secret_name(username, self._secrets[username]),
        }

    def real_devices(self) -> Iterator[str]:
        """Yield the communities that hold real devices only, and of all others the usernames of the real devices.

        Devices that may not log in are included.
        """
        simulated = {username.partition("/")[0] for username in self._simulated}
        whole = set()
        for username in chain(self._secrets, self._barred):
            community = username.partition("/")[0]
            if community not in simulated:
                whole.add(community)
            elif username not in self._simulated:
                yield username
        yield from whole

    def apply(self, changes: Iterable[LoginRow]) -> set[str]:
        """Take over changes of logins; return the names of connections that are void by them."""
        void = set()
        for _, username, secret_hash, simulated, may_log_in in changes:
            before = self._secrets.get(username)
            (self._simulated.add if simulated else self._simulated.discard)(username)
            if may_log_in:
                self._secrets[username] = secret_hash or _NO_SECRET
                self._barred.discard(username)
            else:
                self._secrets.pop(username, None)
                self._barred.add(username)
            if before is None:
                continue
            if not may_log_in:
                void.add(_certificate_name(username))
            if before != self._secrets.get(username):
                void |= {_certificate_name(username, fingerprint(before)), _secret_name(username, before)}
        return void

    def clear(self) -> None:
        """Forget all logins, before all of them are read again."""
        for known in (self._secrets, self._barred, self._simulated):
            known.clear()


def _certificate_name(username: str, issued_for: str = "") -> str:
    return f"{username}#{_CERTIFICATE}{issued_for and f'-{issued_for}'}"


def _secret_name(username: str, secret_hash: bytes) -> str:
    return f"{username}#{fingerprint(secret_hash)}"
