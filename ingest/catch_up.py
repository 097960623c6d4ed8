"""Whether ingest is caught up with the broker: only then does the absence of data mean anything.

The broker delivers in order. So a message that was published just now proves that nothing older still waits there, and
so does a connection on which nothing comes for a moment. Neither holds while the broker or the database is away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SETTLING = timedelta(seconds=3)
_FRESH_S = 10.0
_VALID_FOR = timedelta(seconds=5)
_FRESH_SHARE = 0.1


@dataclass(slots=True)
class CatchUpMonitor:
    """Since when the session with the broker stands, and when ingest was last seen to be caught up."""

    subscribed_at: datetime | None = None
    caught_up_at: datetime | None = None

    def note_subscription(self, now: datetime, *, subscribed: bool) -> None:
        """Note whether the session with the broker stands."""
        if not subscribed:
            self.subscribed_at = None
        elif self.subscribed_at is None:
            self.subscribed_at = now

    def note_idle(self, now: datetime) -> None:
        """Note that nothing came for a moment while no batch was in hand."""
        if self._is_settled(now):
            self.caught_up_at = now

    def note_ages(self, now: datetime, ages_s: Sequence[float]) -> None:
        """Note the ages of the samples of a batch at their arrival, in seconds.

        Some devices send history and some have wrong clocks, so a tenth of the batch has to be fresh.
        """
        fresh = sum(1 for age in ages_s if abs(age) < _FRESH_S)
        if fresh > _FRESH_SHARE * len(ages_s) and self._is_settled(now):
            self.caught_up_at = now

    def lag_s(self, now: datetime) -> float:
        """Return the seconds since ingest was last caught up; 0 if it never was: nothing can have waited."""
        return max(0.0, (now - self.caught_up_at).total_seconds()) if self.caught_up_at else 0.0

    def is_caught_up(self, now: datetime) -> bool:
        """Return whether ingest was caught up within the last 5 s, on the session that stands."""
        return (
            self.subscribed_at is not None
            and self.caught_up_at is not None
            and self.subscribed_at <= self.caught_up_at
            and now - self.caught_up_at <= _VALID_FOR
        )

    def _is_settled(self, now: datetime) -> bool:
        """Return whether the session has stood for 3 s: after a connect the backlog comes first."""
        return self.subscribed_at is not None and now - self.subscribed_at >= SETTLING
