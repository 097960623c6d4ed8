"""Access control by one bearer key, with growing delays for wrong keys."""

import hashlib
import secrets
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

from fastapi.security import HTTPBearer

from api.limits import TokenBuckets

ACTOR = "api"
"""Actor in the audit log for changes made with the key."""

BEARER = HTTPBearer(auto_error=False, description="The API key of the settings (`ANJU_API_KEY`).")
"""Description of the key for the OpenAPI document; `KeyGuard` checks it before a request reaches its route."""

Entry = TypeVar("Entry", str, bytes)

_GUESSES = 30
_REPETITIONS_PER_GUESS = 10
_GUESS_EVERY_S = 10.0
_REMEMBERED = 10_000


class KeyGuard:
    """Check of the `Authorization` header."""

    def __init__(self, key: str) -> None:
        """Guard with this key.

        Raises:
            ValueError: The key is empty, so that any request would have it.
        """
        if not key:
            raise ValueError("the API key is empty: set ANJU_API_KEY")
        self._key = key.encode()

    def admits(self, authorization: bytes | None) -> bool:
        """Return whether the header holds the key; compared in constant time, so that its time reveals nothing."""
        scheme, _, key = (authorization or b"").partition(b" ")
        return scheme.lower() == b"bearer" and secrets.compare_digest(key.strip(), self._key)


class GuessBrake:
    """Budget of wrong keys by address: thirty at once, then one in ten seconds.

    The same wrong key again is a program with an old key rather than a guess, and costs a tenth. An address that has
    sent the right key before is not braked while it sends it: others may guess behind the same router.
    """

    def __init__(self) -> None:
        self._budget = TokenBuckets(_REPETITIONS_PER_GUESS / _GUESS_EVERY_S, _GUESSES * _GUESS_EVERY_S)
        self._tried: OrderedDict[bytes, None] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """Return the seconds until the address may guess again; 0 if it may now."""
        return self._budget.wait_s(address, now, _REPETITIONS_PER_GUESS)

    def charge(self, address: str, authorization: bytes, now: float) -> None:
        """Charge the address for a wrong key."""
        digest = hashlib.sha256(address.encode() + b" " + authorization).digest()
        self._budget.take(address, now, 1 if digest in self._tried else _REPETITIONS_PER_GUESS)
        _remember(self._tried, digest)

    def is_known(self, address: str) -> bool:
        """Return whether the right key has come from the address."""
        return address in self._known

    def note(self, address: str) -> None:
        """Remember that the right key came from the address."""
        _remember(self._known, address)


def client_address(client: tuple[str, int] | None) -> str:
    """Return the address that a limit counts: of IPv6 the network of 64 bits, which one customer has to himself."""
    if client is None:
        return "local"
    try:
        address = ip_address(client[0].partition("%")[0])
    except ValueError:
        return client[0]
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))


def _remember(entries: OrderedDict[Entry, None], entry: Entry) -> None:
    entries[entry] = None
    entries.move_to_end(entry)
    if len(entries) > _REMEMBERED:
        entries.popitem(last=False)
