"""Access control by API keys and tokens, with growing delays for wrong ones."""

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

from fastapi.security import HTTPBearer

from accounts.login import Authenticated, authenticate
from accounts.principal import SHARED_KEY
from accounts.tokens import KEY, TOKEN, hash_token
from api.limits import TokenBuckets
from store.database import Database

BEARER = HTTPBearer(
    auto_error=False,
    description="An API key of `POST /keys`, a token of `POST /auth/token`, or the shared key (`ANJU_API_KEY`).",
)
"""Description of the key for the OpenAPI document; `KeyGuard` checks it before a request reaches its route."""

Entry = TypeVar("Entry", str, bytes)

_GUESSES = 30
_REPETITIONS_PER_GUESS = 10
_GUESS_EVERY_S = 10.0
_REMEMBERED = 10_000
_TRUSTED_S = 2.0


class KeyGuard:
    """Check of the `Authorization` header, and of the cookie of a page.

    An answer of the database counts for two seconds: so late does the end of an account or a session take effect.
    """

    def __init__(self, key: str, database: Database) -> None:
        """Guard with this shared key, and with the accounts of the database.

        Raises:
            ValueError: The key is empty, so that any request would have it.
        """
        if not key:
            raise ValueError("the API key is empty: set ANJU_API_KEY")
        self._key = key.encode()
        self._database = database
        self._trusted: OrderedDict[bytes, tuple[float, Authenticated]] = OrderedDict()

    async def admit(self, authorization: bytes) -> Authenticated | None:
        """Return the account behind the header; None if it holds no key or token in force.

        Raises:
            DatabaseUnavailableError: the database does not answer, and it is not the shared key.
        """
        scheme, _, key = authorization.partition(b" ")
        key = key.strip()
        if scheme.lower() != b"bearer":
            return None
        # In constant time, so that its time reveals nothing.
        if secrets.compare_digest(key, self._key):
            return _SHARED
        token = key.decode("latin-1")
        return await self.find(token) if token.startswith((KEY, TOKEN)) else None

    async def find(self, token: str) -> Authenticated | None:
        """Return the account behind a token of any kind; None if it is not in force.

        Raises:
            DatabaseUnavailableError: the database does not answer.
        """
        digest = hash_token(token)
        until, known = self._trusted.get(digest, (0.0, None))
        if known is not None and time.monotonic() < until:
            return known
        found = await asyncio.to_thread(self._look_up, token)
        if found is None:
            self._trusted.pop(digest, None)
            return None
        self._trusted[digest] = (time.monotonic() + _TRUSTED_S, found)
        self._trusted.move_to_end(digest)
        if len(self._trusted) > _REMEMBERED:
            self._trusted.popitem(last=False)
        return found

    def forget(self, token: str) -> None:
        """Ask the database again at the next request of a token, whose rights have changed."""
        self._trusted.pop(hash_token(token), None)

    def _look_up(self, token: str) -> Authenticated | None:
        with self._database.connection() as connection:
            return authenticate(connection, token, datetime.now(UTC))


_SHARED = Authenticated(principal=SHARED_KEY, session=None)


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
