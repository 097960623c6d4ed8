"""A limit on stored rejections: all are counted, but broken devices must not fill the disk."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

KEPT_PER_TOPIC_AND_HOUR = 20
KEPT_PER_HOUR = 1000


@dataclass(slots=True)
class RejectionLimit:
    """Numbers of rejections stored in the current hour, by topic and in all.

    Registered and unregistered senders have `per_hour` each: invented topics must not hide the faults of a device.
    """

    per_hour: int = KEPT_PER_HOUR
    hour: datetime | None = None
    by_topic: Counter[str] = field(default_factory=Counter)
    in_all: Counter[bool] = field(default_factory=Counter)

    def allows(self, topic: str, received_at: datetime, *, registered: bool) -> bool:
        """Return whether one more rejection of this topic is stored; if so, it counts."""
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
