"""The seal on spooled payloads: plates and door users stand in no table as they came.

A payload is encrypted under a key derived from the secret key. So it is as safe as the keyed hashes of the values in
it: with the key, those could be found by trying all plates, and without it neither gives anything away.
"""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12
_TAG_BYTES = 16
SEAL_BYTES = _NONCE_BYTES + _TAG_BYTES
"""The bytes by which sealing lengthens a payload."""


class SealError(Exception):
    """A payload was sealed under another secret key, or for another topic."""


class Seal:
    """Authenticated encryption of payloads (AES-256-GCM, NIST SP 800-38D), each bound to its topic."""

    def __init__(self, secret_key: bytes) -> None:
        key = HKDF(SHA256(), 32, salt=None, info=b"anju spool").derive(secret_key)
        self._cipher = AESGCM(key)

    def seal(self, topic: str, payload: bytes) -> bytes:
        """Return a payload as it may be stored."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, payload, topic.encode())

    def open(self, topic: str, sealed: bytes) -> bytes:
        """Return a sealed payload as it came.

        Raises:
            SealError: It was sealed under another secret key, or for another topic.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], topic.encode())
        except InvalidTag:
            raise SealError("it was stored under another ANJU_SECRET_KEY") from None
