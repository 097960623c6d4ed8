"""Whether ingest sees the present: only then does a device's silence mean anything.

The broker delivers in order, so a message that was just sent proves that nothing older still waits; and so does a
connection on which nothing comes for a moment. Neither holds while the broker or the database is away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SETTLING = timedelta(seconds=3)
_FRESH_S = 10.0
_PRESENT_FOR = timedelta(seconds=5)
_SHARE = 0.1


@dataclass(slots=True)
class Pulse:
    """Remembers when the present was last seen, and since when the session stands."""

    subscribed_at: datetime | None = None
    seen_present_at: datetime | None = None

    def subscription(self, now: datetime, *, stands: bool) -> None:
        """Note whether the session with the broker stands."""
        if not stands:
            self.subscribed_at = None
        elif self.subscribed_at is None:
            self.subscribed_at = now

    def quiet(self, now: datetime) -> None:
        """Note that nothing came for a moment while nothing was in hand."""
        if self._settled(now):
            self.seen_present_at = now

    def lags(self, now: datetime, lags_s: Sequence[float]) -> None:
        """Note how old the samples of a batch were when they arrived, in seconds.

        Some devices send history and some have wrong clocks, so it takes a tenth of the batch to be fresh.
        """
        fresh = sum(1 for lag in lags_s if abs(lag) < _FRESH_S)
        if fresh > _SHARE * len(lags_s) and self._settled(now):
            self.seen_present_at = now

    def behind_s(self, now: datetime) -> float:
        """For how many seconds the present has not been seen; 0 if it never was: nothing can have been waiting."""
        return max(0.0, (now - self.seen_present_at).total_seconds()) if self.seen_present_at else 0.0

    def live(self, now: datetime) -> bool:
        """Whether silence counts at this moment: the present has just been seen, on a session that stands."""
        return (
            self.subscribed_at is not None
            and self.seen_present_at is not None
            and self.subscribed_at <= self.seen_present_at
            and now - self.seen_present_at <= _PRESENT_FOR
        )

    def _settled(self, now: datetime) -> bool:
        """Whether a session has stood for a while: after a connect the backlog comes first."""
        return self.subscribed_at is not None and now - self.subscribed_at >= SETTLING
