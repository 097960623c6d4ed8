"""A partition of the communities: its session with the broker, its communities, and its share among workers."""

import hashlib
import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from devices.partition import partition_of
from devices.topic import PREFIX

MAPPED_PREFIX = "anju/p"
"""The prefix that the broker maps `anju/v1` to where there are several partitions; the number follows it."""

_KEY_DIGITS = 32  # 128 bits


@dataclass(frozen=True, slots=True)
class Partition:
    """Partition `number`, from 0 on, of `count`. The only one of one takes every topic, from any broker."""

    number: int = 0
    count: int = 1

    def client_id(self, secret: str) -> str:
        """Return the client id of the session, whichever process holds it.

        It follows from the secret of ingest's account at the broker: who could guess it could end the session with its
        queue, from any other account.
        """
        name = f"anju-ingest-{self.number}"
        return f"{name}-{hmac.new(secret.encode(), name.encode(), hashlib.sha256).hexdigest()[:_KEY_DIGITS]}"

    @property
    def topic_filter(self) -> str:
        """The topic filter of the session's subscription."""
        return f"{PREFIX}/#" if self.count == 1 else f"{MAPPED_PREFIX}/{self.number}/#"

    def has(self, community: str) -> bool:
        """Return whether a community belongs to this partition."""
        return partition_of(community, self.count) == self.number


EVERYTHING = Partition()


def outside_topic(partition: Partition) -> Callable[[str], str]:
    """Return the function from a topic as the broker mapped it to the topic as it was published.

    A topic of another partition, or of a community outside this one, stays as it is and is then rejected: a rejection
    is better than a second evaluation or one in the wrong order. The function runs for every message.
    """
    if partition.count == 1:
        return str
    mapped = f"{MAPPED_PREFIX}/{partition.number}/"
    begin, has = len(mapped), partition.has

    def as_published(topic: str) -> str:
        if topic.startswith(mapped) and has(topic[begin:].partition("/")[0]):
            return f"{PREFIX}/{topic[begin:]}"
        return topic

    return as_published


def is_received(topic: str, count: int) -> bool:
    """Return whether one of `count` workers accepts a topic as the broker delivers it."""
    if count == 1:
        return topic.startswith(f"{PREFIX}/")
    return any(outside_topic(Partition(number, count))(topic) != topic for number in range(count))


class Choice(NamedTuple):
    """The partitions that a member takes, and the partitions that it releases."""

    take: list[int]
    release: list[int]


def choose(count: int, held: Collection[int], owned: Collection[int], rank: int, members: int) -> Choice:
    """Return the free partitions that the member of a rank, from 0 on, takes, and the ones it releases.

    A fair share is the least number with which all members together hold every partition. Each member starts at
    another partition, so that members do not compete for the same ones.
    """
    share = -(-count // members)
    preferred = [(rank * share + step) % count for step in range(count)]
    held_in_order = [number for number in preferred if number in held]
    free = [number for number in preferred if number not in held and number not in owned]
    return Choice(free[: max(0, share - len(held_in_order))], held_in_order[share:])
