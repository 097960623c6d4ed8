"""Statistics of alerts over whole months: numbers, and times until people acknowledged and resolved them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from devices.local_time import CITY
from store.alerts.statistics import AlertCounts, PersonCounts, StatisticsFilter, count_alerts, count_people
from store.database import Connection

MOST_MONTHS = 36
USUAL_MONTHS = 12


class MonthsError(ValueError):
    """The months are in the wrong order or too many; the message is for the person."""


@dataclass(frozen=True, slots=True)
class Months:
    """Whole months in local time, both inclusive, by their first days."""

    first: date
    last: date

    @classmethod
    def of(cls, first: date | None, last: date | None, now: datetime) -> "Months":
        """Return the months asked for; by default up to the present one, and twelve in all.

        Raises:
            MonthsError: they are in the wrong order, or more than 36.
        """
        last = last or now.astimezone(CITY).date().replace(day=1)
        months = cls(first or add_months(last, 1 - USUAL_MONTHS), last)
        if months.last < months.first:
            raise MonthsError("结束月份不能早于开始月份")
        if len(months.keys()) > MOST_MONTHS:
            raise MonthsError(f"一次最多统计 {MOST_MONTHS} 个月")
        return months

    @property
    def start(self) -> datetime:
        """Begin of the first month."""
        return datetime(self.first.year, self.first.month, 1, tzinfo=CITY)

    @property
    def end(self) -> datetime:
        """Begin of the month after the last one."""
        after = add_months(self.last, 1)
        return datetime(after.year, after.month, 1, tzinfo=CITY)

    def keys(self) -> list[str]:
        """Return the months in order, as `2026-07`."""
        number = (self.last.year - self.first.year) * 12 + self.last.month - self.first.month + 1
        return [f"{add_months(self.first, n):%Y-%m}" for n in range(number)]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Numbers of the alerts of some months: all together, by month, by community, and by kind.

    Months without alerts are there as well; communities and kinds without are not, and the most alerts come first.
    """

    months_asked: Months
    total: AlertCounts
    months: Sequence[AlertCounts]
    communities: Sequence[AlertCounts]
    kinds: Sequence[AlertCounts]


def read_statistics(
    connection: Connection, months: Months, community: str | None = None, kind: str | None = None
) -> Statistics:
    """Return the statistics of some months, of a community or of all, of a kind or of all."""
    rows = count_alerts(connection, _filter(months, community, kind))
    by_month = {row.key: row for row in rows if row.dimension == "month"}
    return Statistics(
        months_asked=months,
        total=next(row for row in rows if row.dimension == "total"),
        months=[by_month.get(key) or _nothing(key) for key in months.keys()],  # noqa: SIM118 - no mapping
        communities=_most_first(row for row in rows if row.dimension == "community"),
        kinds=_most_first(row for row in rows if row.dimension == "kind"),
    )


def read_people(
    connection: Connection, months: Months, community: str | None = None, kind: str | None = None
) -> list[PersonCounts]:
    """Return the persons who acknowledged or resolved alerts of these months, by name."""
    return count_people(connection, _filter(months, community, kind))


def add_months(month: date, number: int) -> date:
    """Return the first day of the month that many months later."""
    months = month.year * 12 + month.month - 1 + number
    return date(months // 12, months % 12 + 1, 1)


def _filter(months: Months, community: str | None, kind: str | None) -> StatisticsFilter:
    return StatisticsFilter(start=months.start, end=months.end, community=community, kind=kind)


def _most_first(rows: Iterable[AlertCounts]) -> list[AlertCounts]:
    return sorted(rows, key=lambda row: (-row.alerts, row.key))


def _nothing(month: str) -> AlertCounts:
    return AlertCounts(
        dimension="month", key=month, community_name=None, alerts=0, critical=0, major=0, warning=0, info=0, open=0,
        acknowledged=0, resolved=0, unattended=0, simulated=0, acknowledge_median_s=None, acknowledge_p90_s=None,
        resolve_median_s=None, resolve_p90_s=None,
    )  # fmt: skip
