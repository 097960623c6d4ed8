"""Random tokens of sessions and API keys: 256 bits, stored only as SHA-256.

A prefix tells them apart, for people and for programs that look for secrets in the wrong places. No salt or stretching:
one of 2^256 random values can't be guessed, however fast the hash is.
"""

import hashlib
import secrets

PAGE, TOKEN, KEY = "anju_s_", "anju_t_", "anju_k_"
"""Prefixes: session of a page, short-lived token, API key."""


def new_token(prefix: str) -> str:
    """Return a new token."""
    return prefix + secrets.token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """Return the stored form of a token, 32 bytes."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
