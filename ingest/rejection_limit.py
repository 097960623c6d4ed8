"""How many rejections of a topic are kept: all are counted, but one broken device may not fill the disk."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

KEPT_PER_TOPIC_AND_HOUR = 20


@dataclass(slots=True)
class RejectionLimit:
    """Counts what was kept in the present hour, by topic."""

    hour: datetime | None = None
    kept: Counter[str] = field(default_factory=Counter)

    def allows(self, topic: str, received_at: datetime) -> bool:
        """Whether one more rejection of this topic is kept; if so, it counts."""
        hour = received_at.replace(minute=0, second=0, microsecond=0)
        if hour != self.hour:
            self.hour = hour
            self.kept.clear()
        if self.kept[topic] >= KEPT_PER_TOPIC_AND_HOUR:
            return False
        self.kept[topic] += 1
        return True
