"""Bounds of the HTTP server, and the token buckets that hold rates."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

BODY_BYTES = 64 * 1024
BODY_S = 30.0
FILE_BYTES = 8 * 1024 * 1024 + BODY_BYTES
FILE_S = 120.0
"""Bytes of a body and seconds until the whole of it has arrived; more of both where an operation takes a file.

A file of 8 MiB fits in with the fields around it.
"""

_MAX_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of the HTTP server that an operator may set.

    `hosts` are the public names of the API, `proxies` the addresses and networks of reverse proxies. `rate` is in
    requests a second, for a key at an address, and for an address without a key.
    """

    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    rate: int = 100
    connections: int = 512
    streams: int = 128


class TokenBuckets:
    """Token buckets by owner, each `burst` seconds of the rate deep: the generic cell rate algorithm (ITU-T I.371).

    They forget the owner that was longest without a request before they take too much memory.
    """

    def __init__(self, rate: float, burst_s: float) -> None:
        """Hold `rate` tokens a second, and the tokens of `burst_s` seconds at once."""
        self._rate = rate
        self._burst_s = burst_s
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def wait_s(self, owner: Hashable, now: float, tokens: float = 1) -> float:
        """Return the seconds until the bucket holds the tokens, 0 if it holds them now."""
        full_at = max(self._full_at.get(owner, now), now)
        return max(0.0, full_at + tokens / self._rate - now - self._burst_s)

    def take(self, owner: Hashable, now: float, tokens: float = 1) -> float:
        """Take the tokens and return 0, or leave them and return the seconds until the bucket holds them."""
        if wait_s := self.wait_s(owner, now, tokens):
            return wait_s
        self._full_at[owner] = max(self._full_at.get(owner, now), now) + tokens / self._rate
        self._full_at.move_to_end(owner)
        if len(self._full_at) > _MAX_BUCKETS:
            self._full_at.popitem(last=False)
        return 0


def body_limits(*, with_files: bool) -> tuple[int, float]:
    """Return bytes and seconds of a body."""
    return (FILE_BYTES, FILE_S) if with_files else (BODY_BYTES, BODY_S)


def takes_files(operation: Mapping[str, Any]) -> bool:
    """Return whether an operation of the OpenAPI document takes files."""
    return "multipart/form-data" in operation.get("requestBody", {}).get("content", {})
