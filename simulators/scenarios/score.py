"""What was expected against what was raised: hits, misses, false alarms, and how late. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from simulators.scenarios.scenario import ExpectedAlert, Scenario


class Raised(NamedTuple):
    """An alert that came: when it was raised and over, in the device's time; `ended` is None while it is open."""

    rule: str
    device: str
    at: datetime
    ended: datetime | None


class Hit(NamedTuple):
    """An expected alert that came."""

    expected: ExpectedAlert
    raised: Raised
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Marks:
    """How a rule pack did in a scenario. `precision` and `recall` are 1 where there was nothing to do wrong."""

    scenario: str
    start: datetime
    hits: tuple[Hit, ...]
    missed: tuple[ExpectedAlert, ...]
    false: tuple[Raised, ...]

    @property
    def precision(self) -> float:
        """The share of the alerts raised that were expected."""
        return _share(len(self.hits), len(self.false))

    @property
    def recall(self) -> float:
        """The share of the alerts expected that were raised."""
        return _share(len(self.hits), len(self.missed))

    @property
    def perfect(self) -> bool:
        """Whether everything expected came, and nothing else."""
        return not self.missed and not self.false

    @property
    def slowest(self) -> timedelta:
        """The longest time that an alert came after its expectation."""
        return max((hit.delay for hit in self.hits), default=timedelta())


def mark(scenario: Scenario, raised: Iterable[Raised]) -> Marks:
    """Compare what came with what was expected.

    Each expectation is met by at most one alert: the first of its rule and device that begins and ends in time.
    """
    left = sorted(raised, key=lambda alert: (alert.at, alert.rule, alert.device))
    hits: list[Hit] = []
    missed: list[ExpectedAlert] = []
    for expected in sorted(scenario.expected, key=lambda alert: alert.raised + alert.within):
        found = next((alert for alert in left if _meets(alert, expected, scenario.start)), None)
        if found is None:
            missed.append(expected)
        else:
            left.remove(found)
            hits.append(Hit(expected, found, found.at - scenario.start - expected.raised))
    return Marks(scenario.name, scenario.start, tuple(hits), tuple(missed), tuple(left))


def table(marks: Sequence[Marks]) -> str:
    """One line a scenario and one for all, with what was missed and what was false below."""
    width = max((len(each.scenario) for each in marks), default=0)
    lines = [f"{'scenario':{width}}  expected  raised  missed  false  slowest  precision  recall"]
    whole = Marks(
        "all",
        start=min((each.start for each in marks), default=datetime.max.replace(tzinfo=UTC)),
        hits=tuple(hit for each in marks for hit in each.hits),
        missed=tuple(missed for each in marks for missed in each.missed),
        false=tuple(false for each in marks for false in each.false),
    )
    for each in (*marks, whole):
        expected, came = len(each.hits) + len(each.missed), len(each.hits) + len(each.false)
        slowest = f"{each.slowest.total_seconds():.0f} s"
        lines.append(
            f"{each.scenario:{width}}  {expected:8}  {came:6}  {len(each.missed):6}  {len(each.false):5}"
            f"  {slowest:>7}  {each.precision:9.3f}  {each.recall:6.3f}"
        )
    return "\n".join([*lines, *(line for each in marks for line in _complaints(each))])


def _complaints(marks: Marks) -> Iterable[str]:
    for missed in marks.missed:
        yield f"{marks.scenario}: missed {_told(missed.rule, missed.device, missed.raised, missed.ended)}"
    for false in marks.false:
        ended = None if false.ended is None else false.ended - marks.start
        yield f"{marks.scenario}: false {_told(false.rule, false.device, false.at - marks.start, ended)}"


def _told(rule: str, device: str, raised: timedelta, ended: timedelta | None) -> str:
    return f"{rule} of {device or 'Anju'}, raised at {raised}, {'open' if ended is None else f'over at {ended}'}"


def _meets(alert: Raised, expected: ExpectedAlert, start: datetime) -> bool:
    if (alert.rule, alert.device) != (expected.rule, expected.device):
        return False
    if abs(alert.at - start - expected.raised) > expected.within:
        return False
    if alert.ended is None or expected.ended is None:
        return alert.ended is None and expected.ended is None
    return abs(alert.ended - start - expected.ended) <= expected.within


def _share(good: int, bad: int) -> float:
    return good / (good + bad) if good + bad else 1.0
