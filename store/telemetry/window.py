"""Window of time that a verification measures."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from store.database import StoreError


class WindowError(StoreError, ValueError):
    """Two times that are not a window."""


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open interval of time: `start` is included, `end` is not."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Validate the two times.

        Raises:
            WindowError: a time without offset, or an end that is not after the start.
        """
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise WindowError("a window needs times with an offset from UTC, such as 2026-11-15T00:00:00+08:00")
        if self.end <= self.start:
            raise WindowError(f"a window must end after it starts: {self.start.isoformat()} .. {self.end.isoformat()}")

    @property
    def length(self) -> timedelta:
        """The duration of the window."""
        return self.end - self.start
