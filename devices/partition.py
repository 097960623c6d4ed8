"""Which partition a community belongs to: the broker and ingest have to agree on it without asking each other."""

from functools import lru_cache

_OFFSET = 0x811C9DC5
_PRIME = 0x01000193


@lru_cache(maxsize=65_536)
def partition_of(community: str, count: int) -> int:
    """The number, from 0 on, of a community's partition among `count`, as NATS Server's `partition(count, 1)` has it.

    That is FNV-1a with 32 bits over the name, modulo the count (<http://www.isthe.com/chongo/tech/comp/fnv/>).
    """
    value = _OFFSET
    for byte in community.encode():
        value = (value ^ byte) * _PRIME & 0xFFFFFFFF
    return value % count
