"""Parameters and dependencies shared by several routes."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Path, Request
from pydantic import AfterValidator, AwareDatetime

from accounts.login import Authenticated
from api import messages_zh
from api.validation_zh import ParameterError
from handling.text import Word
from store.database import Database

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _check_instant(instant: datetime) -> datetime:
    if not _EARLIEST <= instant < _LATEST:
        raise ParameterError("an instant lies in the years 2000 to 2199", messages_zh.INSTANT_OUT_OF_RANGE)
    return instant


Instant = Annotated[AwareDatetime, AfterValidator(_check_instant)]
"""RFC 3339 with an offset, such as `2026-11-22T08:00:00+08:00` (write `%2B` for the plus in a URL) or `...Z`."""

CommunityId = Annotated[Word, Path(description="The id of a community (小区).", examples=["jinhe-yuan"])]
DeviceName = Annotated[Word, Path(description="The id of a device in its community.", examples=["b03-u2-0501-water"])]


def _database(request: Request) -> Database:
    database = request.app.state.database
    assert isinstance(database, Database)  # noqa: S101
    return database


def read_clock() -> datetime:
    """Return the current time. Only routes call this; functions below them take the time as an argument."""
    return datetime.now(UTC)


def _caller(request: Request) -> Authenticated:
    caller = request.state.caller
    assert isinstance(caller, Authenticated)  # noqa: S101
    return caller


Caller = Annotated[Authenticated, Depends(_caller)]
"""The account of the request, which the gate has found."""


def _store(request: Request, caller: Caller) -> Database:
    scope = caller.principal.scope
    return _database(request).scoped(scope.entries(), scope.within.entries() if scope.within else None)


Store = Annotated[Database, Depends(_store)]
"""The database, of which every connection sees the communities of the account and no others."""

WholeStore = Annotated[Database, Depends(_database)]
"""The database for routes about the installation."""

Now = Annotated[datetime, Depends(read_clock)]

_WIDTH = re.compile(r"([1-9][0-9]{0,3})(mo|m|h|d|w)")
_UNITS = {
    "m": ("minutes", timedelta(minutes=1)),
    "h": ("hours", timedelta(hours=1)),
    "d": ("days", timedelta(days=1)),
    "w": ("weeks", timedelta(weeks=1)),
    "mo": ("months", timedelta(days=28)),
}


@dataclass(frozen=True, slots=True)
class BucketWidth:
    """Width of a bucket: an interval of PostgreSQL, and its minimum duration (28 days for a month)."""

    interval: str
    min_duration: timedelta

    @classmethod
    def parse(cls, text: str) -> "BucketWidth":
        """Read a width such as `15m`, `1h`, `1d`, `1w` or `1mo`.

        Raises:
            ParameterError: The text is no width.
        """
        match = _WIDTH.fullmatch(text)
        if match is None:
            raise ParameterError(
                "a bucket is a number with m, h, d, w or mo, such as 15m, 1h, 1d, 1w or 1mo", messages_zh.BUCKET_WIDTH
            )
        number, (unit, duration) = int(match[1]), _UNITS[match[2]]
        return cls(f"{number} {unit}", number * duration)
