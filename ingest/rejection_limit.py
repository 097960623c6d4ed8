"""How many rejections are kept: all are counted, but neither one broken device nor many of them fill the disk."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

KEPT_PER_TOPIC_AND_HOUR = 20
KEPT_PER_HOUR = 1000


@dataclass(slots=True)
class RejectionLimit:
    """Counts what was kept in the present hour, by topic and in all.

    What registered devices sent and what nobody registered sent have `per_hour` each: topics that somebody makes up
    do not hide what is wrong with a device.
    """

    per_hour: int = KEPT_PER_HOUR
    hour: datetime | None = None
    by_topic: Counter[str] = field(default_factory=Counter)
    in_all: Counter[bool] = field(default_factory=Counter)

    def allows(self, topic: str, received_at: datetime, *, registered: bool) -> bool:
        """Whether one more rejection of this topic is kept; if so, it counts."""
        hour = received_at.replace(minute=0, second=0, microsecond=0)
        if hour != self.hour:
            self.hour = hour
            self.by_topic.clear()
            self.in_all.clear()
        if self.in_all[registered] >= self.per_hour or self.by_topic[topic] >= KEPT_PER_TOPIC_AND_HOUR:
            return False
        self.by_topic[topic] += 1
        self.in_all[registered] += 1
        return True
