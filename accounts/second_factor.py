"""Second factor: time-based one-time passwords (RFC 6238: SHA-1, 6 digits, 30 s), and recovery codes."""

import base64
import hmac
import secrets
import struct
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from urllib.parse import quote

from accounts.tokens import hash_token
from devices.seal import Seal, SealError
from store.accounts.accounts import list_accounts, replace_sealed_secret
from store.database import Connection

STEP_S = 30
_DIGITS = 6
_SECRET_BYTES = 20
_RECOVERY_CODES = 8
# Clocks of phones differ, and people type slowly (RFC 6238, 5.2).
_STEPS_AROUND = 1


def new_secret() -> bytes:
    """Return a random secret of 160 bits."""
    return secrets.token_bytes(_SECRET_BYTES)


def new_recovery_codes() -> list[str]:
    """Return eight random codes of 50 bits, each of which takes the place of a code once."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return ["".join(secrets.choice(alphabet) for _ in range(10)) for _ in range(_RECOVERY_CODES)]


def recovery_hash(code: str) -> bytes:
    """Return the stored form of a recovery code; blanks, hyphens and case do not count."""
    return hash_token("recovery " + code.replace(" ", "").replace("-", "").casefold())


def enrolment_url(secret: bytes, name: str) -> str:
    """Return the `otpauth://` URL that an authenticator app reads from a QR code."""
    text = base64.b32encode(secret).decode().rstrip("=")
    return f"otpauth://totp/Anju:{quote(name)}?secret={text}&issuer=Anju&digits={_DIGITS}&period={STEP_S}"


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a step of 30 s since 1970 (RFC 4226, 5.3)."""
    digest = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    offset = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return str(number % 10**_DIGITS).zfill(_DIGITS)


def matching_step(secret: bytes, code: str, now: datetime) -> int | None:
    """Return the step whose code this is, around now; None for any other text."""
    digits = code.replace(" ", "")
    found = None
    for step in _steps(now):
        if hmac.compare_digest(code_at(secret, step).encode(), digits.encode("utf-8", "surrogatepass")):
            found = step
    return found


def reseal_second_factors(connection: Connection, seal: Seal) -> int:
    """Seal every secret under the present secret key; return the number of those that were under an earlier one.

    One that is sealed under neither stays as it is.
    """
    renewed = 0
    for account in list_accounts(connection):
        with suppress(SealError):
            sealed = account.totp_secret
            if sealed and (anew := seal.renew(account.name, sealed)) is not None:
                replace_sealed_secret(connection, account.id, sealed, anew)
                renewed += 1
    return renewed


def _steps(now: datetime) -> Iterator[int]:
    present = int(now.timestamp()) // STEP_S
    yield from range(present - _STEPS_AROUND, present + _STEPS_AROUND + 1)
