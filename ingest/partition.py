"""One of the partitions that the communities are divided into: its session with the broker, and what belongs to it."""

from collections.abc import Callable
from dataclasses import dataclass

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


def fair_share(count: int, members: int) -> int:
    """How many of `count` partitions each of `members` (>= 1) supervisors may hold, so that together they hold all."""
    return -(-count // members)
