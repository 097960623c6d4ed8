"""Partition of a community, computed in the same way by the broker and by ingest."""

from functools import lru_cache

_OFFSET = 0x811C9DC5
_PRIME = 0x01000193


@lru_cache(maxsize=65_536)
def partition_of(community: str, count: int) -> int:
    """Return the partition of a community among `count`, from 0 on, as `partition(count, 1)` of NATS Server does.

    The partition is FNV-1a with 32 bits over the name, modulo the count (<http://www.isthe.com/chongo/tech/comp/fnv/>).
    """
    value = _OFFSET
    for byte in community.encode():
        value = (value ^ byte) * _PRIME & 0xFFFFFFFF
    return value % count
