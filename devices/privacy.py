"""Keyed hashes and masks of personal values, which leave the decoder in no other form.

PIPL allows no raw plate or door user. A hash is HMAC-SHA-256 (RFC 2104) under a secret key, cut to 128 bits. A hash
without a key would hide nothing, because the space of number plates is small enough to be searched. The same holds for
a mask that shows too much: each stands for ten thousand values at least.
"""

import hashlib
import hmac
import re

from devices.kind import Identity

PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"
"""The characters that a Chinese number plate begins with, by GA 36."""
_PLATE = re.compile(rf"([{PROVINCES}][A-Z])([0-9A-Z]{{4,5}}[0-9A-Z警学挂港澳使领试超])")
_NAME = re.compile(r"[\u3400-\u9fff][\u3400-\u9fff·]{1,20}")
_NOTHING_SHOWN = "***"
_EVENT_ID = "event_id"


class Pseudonymiser:
    """Hash function for personal values; a hash is stable under one key."""

    def __init__(self, key: bytes, *earlier_keys: bytes) -> None:
        """Take the secret key, and the ones before it, under which stored values were hashed: 16 bytes each at least.

        Raises:
            ValueError: a key is too short to protect anything.
        """
        if any(len(each) < 16 for each in (key, *earlier_keys)):
            raise ValueError("a secret key must be at least 16 bytes long: set ANJU_SECRET_KEY to a longer one")
        self._key = key
        self._earlier_keys = earlier_keys

    def hash(self, identity: Identity, value: str) -> str:
        """Return 128 bits as hexadecimal text; plates and persons never share a hash."""
        return _digest(self._key, identity, canonical(identity, value))

    def hashes(self, identity: Identity, value: str) -> tuple[str, ...]:
        """Return the hashes of a value under the present key and under earlier ones."""
        text = canonical(identity, value)
        return tuple(_digest(key, identity, text) for key in (self._key, *self._earlier_keys))

    def hash_id(self, event_id: str) -> str:
        """Return the hash of an event id, which a device may have made of a plate or a name."""
        return _digest(self._key, _EVENT_ID, event_id)

    def earlier_ids(self, event_id: str) -> tuple[str, ...]:
        """Return the forms in which an event id may have been stored before: its hashes under earlier keys."""
        return tuple(_digest(key, _EVENT_ID, event_id) for key in self._earlier_keys)


def mask(identity: Identity, value: str) -> str:
    """Return the displayed form: `蒙K·****4` for a plate, `王**` for a name, `***` for anything else.

    Of a plate four characters are hidden at least. A short number, a foreign plate or a card has too few other values
    of its form to show any part of it.
    """
    text = canonical(identity, value)
    if identity is Identity.PLATE and (plate := _PLATE.fullmatch(text)):
        region, serial = plate.groups()
        return f"{region}·{'*' * (len(serial) - 1)}{serial[-1]}"
    if identity is Identity.PERSON and _NAME.fullmatch(text):
        return text[:1] + "**"
    return _NOTHING_SHOWN


def _digest(key: bytes, category: str, text: str) -> str:
    return hmac.new(key, f"{category}:{text}".encode(), hashlib.sha256).hexdigest()[:32]


def canonical(identity: Identity, value: str) -> str:
    """Return one spelling for each plate: `蒙K·A1234`, `蒙K A1234` and `蒙ka1234` are the same car."""
    if identity is Identity.PLATE:
        return "".join(character for character in value.upper() if character.isalnum())
    return value.strip()
