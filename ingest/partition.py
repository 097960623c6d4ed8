"""One of the partitions that the communities are divided into: its session with the broker, and what belongs to it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from devices.partition import partition_of
from devices.topic import PREFIX

MAPPED_PREFIX = "anju/p"
"""What the broker puts the number of the partition behind, in the place of `anju/v1`, where there are several."""


@dataclass(frozen=True, slots=True)
class Partition:
    """Partition `number`, from 0 on, of `count`. The only one of one is everything, as any broker delivers it."""

    number: int = 0
    count: int = 1

    @property
    def client_id(self) -> str:
        """What the broker knows the session by, whichever process holds it."""
        return f"anju-ingest-{self.number}"

    @property
    def topic_filter(self) -> str:
        """What the session subscribes to."""
        return f"{PREFIX}/#" if self.count == 1 else f"{MAPPED_PREFIX}/{self.number}/#"

    def has(self, community: str) -> bool:
        """Whether a community belongs here."""
        return partition_of(community, self.count) == self.number


EVERYTHING = Partition()


def outside_topic(partition: Partition) -> Callable[[str], str]:
    """A function that turns a topic as the broker has mapped it back into the one that was published.

    A topic of another partition, or of a community that does not belong here, stays as it is, and so is no topic of a
    device: what is judged twice or by nobody's order is worse than what is rejected. It runs for every message.
    """
    if partition.count == 1:
        return str
    mapped = f"{MAPPED_PREFIX}/{partition.number}/"
    begin, has = len(mapped), partition.has

    def turned_back(topic: str) -> str:
        if topic.startswith(mapped) and has(topic[begin:].partition("/")[0]):
            return f"{PREFIX}/{topic[begin:]}"
        return topic

    return turned_back


def is_received(topic: str, count: int) -> bool:
    """Whether one of `count` workers receives a topic, as the broker delivers it, and takes it for its own."""
    if count == 1:
        return topic.startswith(f"{PREFIX}/")
    return any(outside_topic(Partition(number, count))(topic) != topic for number in range(count))


class Choice(NamedTuple):
    """The partitions that a member of several is to take, and those it holds and is to let go of."""

    take: list[int]
    let_go: list[int]


def choose(count: int, held: Collection[int], owned: Collection[int], rank: int, members: int) -> Choice:
    """What the member with this rank, from 0 on, takes of the free partitions, and lets go of those it holds.

    A fair share is as many as let all members together hold every partition. Each member begins to take at another
    place, so that they do not run after the same ones.
    """
    share = -(-count // members)
    preferred = [(rank * share + step) % count for step in range(count)]
    held_in_order = [number for number in preferred if number in held]
    free = [number for number in preferred if number not in held and number not in owned]
    return Choice(free[: max(0, share - len(held_in_order))], held_in_order[share:])
