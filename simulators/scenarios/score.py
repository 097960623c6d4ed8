"""What was expected against what was raised: hits, misses, false alarms, and how late. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from simulators.scenarios.scenario import ExpectedAlert, Scenario


class RaisedAlert(NamedTuple):
    """An alert that came: when it was raised and over, in the device's time; `ended` is None while it is open."""

    rule: str
    device: str
    at: datetime
    ended: datetime | None


class Hit(NamedTuple):
    """An expected alert that came."""

    expected: ExpectedAlert
    raised: RaisedAlert
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Score:
    """How a rule pack did in a scenario. `precision` and `recall` are 1 where there was nothing to do wrong."""

    scenario: str
    start: datetime
    hits: tuple[Hit, ...]
    missed: tuple[ExpectedAlert, ...]
    false: tuple[RaisedAlert, ...]

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


def score_alerts(scenario: Scenario, raised: Iterable[RaisedAlert]) -> Score:
    """Compare what came with what was expected.

    Each expectation is met by at most one alert: the first of its rule and device that begins and ends in time.
    """
    left = sorted(raised, key=lambda alert: (alert.at, alert.rule, alert.device))
    hits: list[Hit] = []
    missed: list[ExpectedAlert] = []
    for expected in sorted(scenario.expected, key=lambda alert: alert.raised + alert.within):
        found = next((alert for alert in left if _matches(alert, expected, scenario.start)), None)
        if found is None:
            missed.append(expected)
        else:
            left.remove(found)
            hits.append(Hit(expected, found, found.at - scenario.start - expected.raised))
    return Score(scenario.name, scenario.start, tuple(hits), tuple(missed), tuple(left))


def score_table(scores: Sequence[Score]) -> str:
    """One line a scenario and one for all, with what was missed and what was false below."""
    width = max((len(each.scenario) for each in scores), default=0)
    lines = [f"{'scenario':{width}}  expected  raised  missed  false  slowest  precision  recall"]
    whole = Score(
        "all",
        start=min((each.start for each in scores), default=datetime.max.replace(tzinfo=UTC)),
        hits=tuple(hit for each in scores for hit in each.hits),
        missed=tuple(missed for each in scores for missed in each.missed),
        false=tuple(false for each in scores for false in each.false),
    )
    for each in (*scores, whole):
        expected, came = len(each.hits) + len(each.missed), len(each.hits) + len(each.false)
        slowest = f"{each.slowest.total_seconds():.0f} s"
        lines.append(
            f"{each.scenario:{width}}  {expected:8}  {came:6}  {len(each.missed):6}  {len(each.false):5}"
            f"  {slowest:>7}  {each.precision:9.3f}  {each.recall:6.3f}"
        )
    return "\n".join([*lines, *(line for each in scores for line in _complaints(each))])


def _complaints(score: Score) -> Iterable[str]:
    for missed in score.missed:
        yield f"{score.scenario}: missed {_describe(missed.rule, missed.device, missed.raised, missed.ended)}"
    for false in score.false:
        ended = None if false.ended is None else false.ended - score.start
        yield f"{score.scenario}: false {_describe(false.rule, false.device, false.at - score.start, ended)}"


def _describe(rule: str, device: str, raised: timedelta, ended: timedelta | None) -> str:
    return f"{rule} of {device or 'Anju'}, raised at {raised}, {'open' if ended is None else f'over at {ended}'}"


def _matches(alert: RaisedAlert, expected: ExpectedAlert, start: datetime) -> bool:
    if (alert.rule, alert.device) != (expected.rule, expected.device):
        return False
    if abs(alert.at - start - expected.raised) > expected.within:
        return False
    if alert.ended is None or expected.ended is None:
        return alert.ended is None and expected.ended is None
    return abs(alert.ended - start - expected.ended) <= expected.within


def _share(good: int, bad: int) -> float:
    return good / (good + bad) if good + bad else 1.0
