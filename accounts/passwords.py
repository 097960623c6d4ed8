"""Passwords of people: their rules (NIST SP 800-63B-4, 3.1.1.2) and their hashes (Argon2id, RFC 9106)."""

import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from accounts.common_passwords import COMMON

SHORTEST = 10
LONGEST = 128

# The second choice of RFC 9106, 4: 64 MiB. Only two at once, so that a crowd at the door takes no more than 128 MiB.
_HASHER = PasswordHasher()
_AT_ONCE = threading.BoundedSemaphore(2)
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class PasswordError(ValueError):
    """A password can't be chosen; the message is for the person who chose it."""


def check_password(password: str, name: str, display_name: str = "") -> None:
    """Check a newly chosen password of an account.

    Raises:
        PasswordError: it is too short or too long, one of the common ones, or little more than the name.
    """
    if len(password) < SHORTEST:
        raise PasswordError(f"密码太短：至少 {SHORTEST} 位，可以用几个词连在一起")
    if len(password) > LONGEST:
        raise PasswordError(f"密码太长：最多 {LONGEST} 位")
    plain = password.casefold()
    rest = plain
    for part in (name, display_name):
        rest = rest.replace(part.casefold(), "") if part else rest
    if plain in COMMON or rest in COMMON or len(set(plain)) < 4:
        raise PasswordError("这个密码太常见，很容易被猜到，请换一个")
    if len(rest) < SHORTEST - 2 and rest != plain:
        raise PasswordError("密码不能只是账号或姓名加几位数字，请换一个")


def hash_password(password: str) -> str:
    """Return the PHC string of a password, with a salt of its own."""
    with _AT_ONCE:
        return _HASHER.hash(password)


def verify_password(password: str, password_hash: str | None) -> bool:
    """Return whether a password has this hash; without a hash the work is the same, and the answer is False."""
    with _AT_ONCE:
        try:
            return _HASHER.verify(password_hash or _NOBODY, password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False


def needs_rehash(password_hash: str) -> bool:
    """Return whether a hash was made with other parameters than those of today."""
    return _HASHER.check_needs_rehash(password_hash)


def initial_password() -> str:
    """Return a random password to be handed over and replaced at the first login: 79 bits, easy to read aloud."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


_NOBODY = _HASHER.hash(secrets.token_urlsafe())
