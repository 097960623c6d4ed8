"""Keyed hashes and masks of personal values, which leave the decoder in no other form.

PIPL allows no raw plate or door user. The hash is HMAC-SHA-256 (RFC 2104) under a secret key, cut to 128 bits. A hash
without a key would hide nothing, because the space of number plates is small enough to be searched.
"""

import hashlib
import hmac

from devices.kind import Identity


class Pseudonymiser:
    """Hash function for personal values; a hash is stable under one key."""

    def __init__(self, key: bytes) -> None:
        """Take the secret key of at least 16 bytes.

        Raises:
            ValueError: the key is too short to protect anything.
        """
        if len(key) < 16:
            raise ValueError("the secret key must be at least 16 bytes long: set ANJU_SECRET_KEY to a longer one")
        self._key = key

    def hash(self, identity: Identity, value: str) -> str:
        """Return 128 bits as hexadecimal text; plates and persons never share a hash."""
        message = f"{identity}:{_canonical(identity, value)}".encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()[:32]


def _canonical(identity: Identity, value: str) -> str:
    """Return one spelling for each plate: `蒙K·A1234`, `蒙K A1234` and `蒙ka1234` are the same car."""
    if identity is Identity.PLATE:
        return "".join(character for character in value.upper() if character.isalnum())
    return value.strip()


def mask(identity: Identity, value: str) -> str:
    """Return the displayed form: `蒙K·A**34` for a plate, `王**` for a person."""
    text = _canonical(identity, value)
    if identity is Identity.PLATE:
        region, serial = text[:2], text[2:]
        hidden = "*" * max(len(serial) - 3, 2)
        return f"{region}·{serial[:1]}{hidden}{serial[-2:] if len(serial) > 3 else ''}"
    return text[:1] + "**"
