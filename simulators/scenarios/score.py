"""Comparison of expected and raised alerts: hits, misses, false alarms and delays. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from simulators.scenarios.scenario import ExpectedAlert, Scenario


class RaisedAlert(NamedTuple):
    """Raised alert with its start and end in the time of the device; `ended` is None while it is open."""

    rule: str
    device: str
    at: datetime
    ended: datetime | None


class Hit(NamedTuple):
    """Expected alert that was raised."""

    expected: ExpectedAlert
    raised: RaisedAlert
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Score:
    """Result of a rule pack in a scenario. `precision` and `recall` are 1 where there is nothing to count."""

    scenario: str
    start: datetime
    hits: tuple[Hit, ...]
    missed: tuple[ExpectedAlert, ...]
    false: tuple[RaisedAlert, ...]

    @property
    def precision(self) -> float:
        """Share of the raised alerts that were expected."""
        return _share(len(self.hits), len(self.false))

    @property
    def recall(self) -> float:
        """Share of the expected alerts that were raised."""
        return _share(len(self.hits), len(self.missed))

    @property
    def perfect(self) -> bool:
        """Whether exactly the expected alerts were raised."""
        return not self.missed and not self.false

    @property
    def slowest(self) -> timedelta:
        """Longest delay of an alert after its expected time."""
        return max((hit.delay for hit in self.hits), default=timedelta())


def score_alerts(scenario: Scenario, raised: Iterable[RaisedAlert]) -> Score:
    """Compare the raised alerts with the expected ones.

    Each expected alert matches at most one raised alert: the first of its rule and device that starts and ends in time.
    """
    unmatched = sorted(raised, key=lambda alert: (alert.at, alert.rule, alert.device))
    hits: list[Hit] = []
    missed: list[ExpectedAlert] = []
    for expected in sorted(scenario.expected, key=lambda alert: alert.raised + alert.within):
        match = next((alert for alert in unmatched if _matches(alert, expected, scenario.start)), None)
        if match is None:
            missed.append(expected)
        else:
            unmatched.remove(match)
            hits.append(Hit(expected, match, match.at - scenario.start - expected.raised))
    return Score(scenario.name, scenario.start, tuple(hits), tuple(missed), tuple(unmatched))


def score_table(scores: Sequence[Score]) -> str:
    """Return one line for each scenario and one for all, followed by the missed and the false alerts."""
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
        expected, raised = len(each.hits) + len(each.missed), len(each.hits) + len(each.false)
        slowest = f"{each.slowest.total_seconds():.0f} s"
        lines.append(
            f"{each.scenario:{width}}  {expected:8}  {raised:6}  {len(each.missed):6}  {len(each.false):5}"
            f"  {slowest:>7}  {each.precision:9.3f}  {each.recall:6.3f}"
        )
    return "\n".join([*lines, *(line for each in scores for line in _errors_of(each))])


def _errors_of(score: Score) -> Iterable[str]:
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
