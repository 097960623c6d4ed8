"""The seal on stored bytes that the database must not give away: payloads, secrets of second factors, phone numbers.

They are encrypted under a key derived from the secret key, one for each purpose. Of a spooled payload, plates and door
users are so as safe as their keyed hashes: with the key, those could be found by trying all plates.
"""

import os
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12
_TAG_BYTES = 16
SEAL_BYTES = _NONCE_BYTES + _TAG_BYTES
"""The bytes by which sealing lengthens a content."""


class SealError(Exception):
    """Bytes were sealed under another secret key, or for another owner."""


class Seal:
    """Authenticated encryption (AES-256-GCM, NIST SP 800-38D), each text bound to its owner, such as a topic.

    Bytes are sealed under the first secret key, and opened under any of them.
    """

    def __init__(self, secret_key: bytes, *earlier_keys: bytes, purpose: str = "spool") -> None:
        self._keys = (secret_key, *earlier_keys)
        self._ciphers = [AESGCM(_derived(key, purpose)) for key in self._keys]

    def of(self, purpose: str) -> "Seal":
        """Return the seal for another purpose, under the same secret keys."""
        return Seal(*self._keys, purpose=purpose)

    def seal(self, owner: str, content: bytes) -> bytes:
        """Return bytes as they may be stored."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, content, owner.encode())

    def open(self, owner: str, sealed: bytes) -> bytes:
        """Return sealed bytes as they were.

        Raises:
            SealError: They were sealed under none of the secret keys, or for another owner.
        """
        return self._open(owner, sealed)[1]

    def renew(self, owner: str, sealed: bytes) -> bytes | None:
        """Return bytes that were sealed under an earlier key, sealed under the first one; None if they are already.

        Raises:
            SealError: They were sealed under none of the secret keys, or for another owner.
        """
        cipher, content = self._open(owner, sealed)
        return None if cipher is self._ciphers[0] else self.seal(owner, content)

    @property
    def has_earlier_keys(self) -> bool:
        """Whether stored bytes may be sealed under an earlier key."""
        return len(self._keys) > 1

    def _open(self, owner: str, sealed: bytes) -> tuple[AESGCM, bytes]:
        for cipher in self._ciphers:
            with suppress(InvalidTag):
                return cipher, cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner.encode())
        raise SealError("it was stored under another ANJU_SECRET_KEY")


def _derived(secret_key: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"anju {purpose}".encode()).derive(secret_key)
