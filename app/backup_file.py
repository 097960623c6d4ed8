"""A backup as a file in the format age (age-encryption.org/v1), which `age`, `rage` and pyrage open.

Inside are one line of JSON, the description, and behind it the archive of pg_dump. The format is authenticated in
pieces of 64 KiB with a mark on the last one, so that a changed or a truncated file is noticed.
"""

import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

import pyrage
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from store.admin.backup import BackupError, Contents

SUFFIX = ".backup.age"
_FORMAT = 1
_HEADER_BYTES = 2**20
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

Identity = pyrage.x25519.Identity
Recipient = pyrage.x25519.Recipient


class Receiver(Protocol):
    """Where the dump of a backup is written."""

    def write(self, data: bytes, /) -> object:
        """Take all of the bytes."""


class WrongKeyError(BackupError):
    """The backup was encrypted for another key."""


def identity_of(secret_key: str) -> Identity:
    """Return the key pair that belongs to ANJU_SECRET_KEY, by HKDF (RFC 5869)."""
    key = HKDF(SHA256(), length=32, salt=None, info=b"anju backup").derive(secret_key.encode())
    return Identity.from_str(_bech32("age-secret-key-", key).upper())


def key_id_of(secret_key: str) -> str:
    """Return a name for ANJU_SECRET_KEY that tells nothing about it."""
    return HKDF(SHA256(), length=8, salt=None, info=b"anju backup key id").derive(secret_key.encode()).hex()


def parse_recipient(text: str) -> Recipient:
    """Parse a public key `age1...`.

    Raises:
        BackupError: it is none.
    """
    try:
        return Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise BackupError(
            f"{text!r} is no public key of age: it begins with age1, and age-keygen prints it ({error})"
        ) from None


def read_identities(text: str) -> list[Identity]:
    """Parse a file of age-keygen: a secret key a line, and comments.

    Raises:
        BackupError: it holds no secret key, or a damaged one.
    """
    keys = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        identities = [Identity.from_str(key) for key in keys]
    except pyrage.IdentityError as error:
        raise BackupError(f"the identity file holds a line that is no secret key of age ({error})") from None
    if not identities:
        raise BackupError("the identity file holds no secret key: it has a line that begins with AGE-SECRET-KEY-1")
    return identities


def write_backup(file: Path, contents: Contents, dump: IO[bytes], recipients: Sequence[Recipient]) -> int:
    """Write a new file, readable by this user only and synced to the disk; return its size in bytes.

    Raises:
        FileExistsError: the file exists.
        OSError: no room, or no right to write.
    """
    header = json.dumps({"anju_backup": _FORMAT, **_as_json(contents)}, ensure_ascii=False) + "\n"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as output:
        pyrage.encrypt_io(_Chained(io.BytesIO(header.encode()), dump), output, list(recipients))
        output.flush()
        os.fsync(output.fileno())
        return output.tell()


def read_backup(file: Path, identities: Sequence[Identity], begin: Callable[[Contents], Receiver]) -> int:
    """Decrypt a backup to its end; return the bytes of the dump.

    Args:
        file: the backup.
        identities: secret keys, of which one has to fit.
        begin: receives the description once, and returns where the dump behind it is written.

    Raises:
        WrongKeyError: none of the keys fits.
        BackupError: the file is truncated, damaged, or none of `anju backup`.
    """
    sink = _AfterHeader(begin)
    try:
        with file.open("rb") as source:
            pyrage.decrypt_io(source, sink, list(identities))
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            raise WrongKeyError(
                f"{file} was encrypted for another key: set ANJU_SECRET_KEY to the one that was in force when it was "
                "made, or name the identity file of its recipient with --identity"
            ) from None
        raise BackupError(f"{file} is no backup, or its beginning is damaged ({error})") from None
    except OSError as error:
        if error.errno is not None:  # of the disk or of the receiver; age's own errors have no number
            raise
        raise BackupError(f"{file} is truncated or damaged: take another copy of it ({error})") from None
    if sink.target is None:
        raise BackupError(f"{file} holds no description: it is truncated, or none of `anju backup`")
    return sink.written


def waiting_words(contents: Contents) -> str:
    """Return the state of the broker at the moment of the backup, which does not contain it."""
    if contents.caught_up:
        return "Ingest was caught up: no message waited in the broker."
    since = f"since {contents.caught_up_at:%F %T %Z}" if contents.caught_up_at else "since before the first ingest"
    return f"Ingest was behind: messages that came {since} may have waited in the broker, and are not in the backup."


def discard(_: Contents) -> Receiver:
    """Drop the dump, for `read_backup` as a check of the whole file."""
    return _Nowhere()


class _Chained(io.BufferedIOBase):
    """Reader of one stream after the other."""

    def __init__(self, *streams: IO[bytes]) -> None:
        self._streams = list(streams)

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        while self._streams:
            if data := self._streams[0].read(-1 if size is None else size):
                return data
            self._streams.pop(0)
        return b""


class _Nowhere(io.BufferedIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer
        return len(data)


class _AfterHeader(io.BufferedIOBase):
    """Writer that parses the line at the beginning and passes on what follows."""

    def __init__(self, begin: Callable[[Contents], Receiver]) -> None:
        self._begin = begin
        self._head = b""
        self.target: Receiver | None = None
        self.written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer
        rest = bytes(data)
        if self.target is None:
            self._head += rest
            line, end, rest = self._head.partition(b"\n")
            if not end:
                if len(self._head) > _HEADER_BYTES:
                    raise BackupError("the file begins with no description: it is none of `anju backup`")
                return len(data)
            self.target = self._begin(_parse(line))
        self.target.write(rest)
        self.written += len(rest)
        return len(data)


def _as_json(contents: Contents) -> dict[str, Any]:
    caught_up_at = contents.caught_up_at and contents.caught_up_at.isoformat()
    return {**asdict(contents), "made_at": contents.made_at.isoformat(), "caught_up_at": caught_up_at}


def _parse(line: bytes) -> Contents:
    try:
        fields = json.loads(line)
        found = fields.pop("anju_backup")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BackupError("the file begins with no description: it is none of `anju backup`") from None
    if found != _FORMAT:
        raise BackupError(f"the backup has format {found}, and this Anju reads {_FORMAT}: use a newer one")
    times = {name: fields[name] and datetime.fromisoformat(fields[name]) for name in ("made_at", "caught_up_at")}
    return Contents(**{**fields, **times, "migrations": tuple(fields["migrations"]), "roles": tuple(fields["roles"])})


def _bech32(prefix: str, key: bytes) -> str:
    """Return 32 bytes in Bech32 (BIP 173), the notation of age's keys."""
    number = int.from_bytes(key, "big") << 4  # 52 digits of 5 bits hold 260 bits
    digits = [number >> 5 * place & 31 for place in reversed(range(52))]
    checked = [*(ord(each) >> 5 for each in prefix), 0, *(ord(each) & 31 for each in prefix), *digits, *[0] * 6]
    checksum = 1
    for digit in checked:
        top, checksum = checksum >> 25, (checksum & 0x1FFFFFF) << 5 ^ digit
        for place, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= generator if top >> place & 1 else 0
    digits += [(checksum ^ 1) >> 5 * place & 31 for place in reversed(range(6))]
    return prefix + "1" + "".join(_BECH32[digit] for digit in digits)
