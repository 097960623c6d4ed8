"""The seal on spooled payloads: plates and door users stand in no table as they came.

A payload is encrypted under a key derived from the secret key. So it is as safe as the keyed hashes of the values in
it: with the key, those could be found by trying all plates, and without it neither gives anything away.
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
"""The bytes by which sealing lengthens a payload."""


class SealError(Exception):
    """A payload was sealed under another secret key, or for another topic."""


class Seal:
    """Authenticated encryption of payloads (AES-256-GCM, NIST SP 800-38D), each bound to its topic.

    Payloads are sealed under the first secret key, and opened under any of them.
    """

    def __init__(self, secret_key: bytes, *earlier_keys: bytes) -> None:
        self._ciphers = [AESGCM(_derived(key)) for key in (secret_key, *earlier_keys)]

    def seal(self, topic: str, payload: bytes) -> bytes:
        """Return a payload as it may be stored."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers[0].encrypt(nonce, payload, topic.encode())

    def open(self, topic: str, sealed: bytes) -> bytes:
        """Return a sealed payload as it came.

        Raises:
            SealError: It was sealed under none of the secret keys, or for another topic.
        """
        for cipher in self._ciphers:
            with suppress(InvalidTag):
                return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], topic.encode())
        raise SealError("it was stored under another ANJU_SECRET_KEY")


def _derived(secret_key: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"anju spool").derive(secret_key)
