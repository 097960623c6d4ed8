"""Dry run of a scenario on the rules, in simulated time: no broker, no database, no waiting."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from devices.device import Device
from devices.payload import DeviceEvent, Reading, Rejection, decode
from devices.privacy import Pseudonymiser
from rules.analysis.backtest import Arrival, BacktestResult, Span, backtest
from rules.model.device_group import with_device_groups
from rules.model.rule import RulePack
from rules.model.sample import Sample
from rules.model.virtual_kinds import PIPELINE
from simulators.fleet import Fleet
from simulators.message import Message
from simulators.scenarios.scenario import SEED, Scenario
from simulators.scenarios.score import RaisedAlert

_RECONNECT = timedelta(seconds=1)
_SETTLING = timedelta(seconds=5)
_ANJU = Device(0, "", "", PIPELINE.name)
_PSEUDONYMISER = Pseudonymiser(b"a dry run stores nothing")


@dataclass(frozen=True, slots=True)
class DryRun:
    """Result of a dry run: the alerts that cause notices, and the counts of suppressed alerts and evaluated samples.

    `rejected` counts rejected items by reason.
    """

    raised: tuple[RaisedAlert, ...]
    suppressed: int
    samples: int
    rejected: Mapping[str, int]


def dry_run(scenario: Scenario, pack: RulePack) -> DryRun:
    """Decode and evaluate all messages of the scenario second by second, as ingest would."""
    result, rejected = backtest_scenario(scenario, pack)
    names = {number: device.name for number, device in _devices(scenario).items()}
    notified = [alert for alert in result.alerts if not alert.suppressed]
    raised = (RaisedAlert(alert.rule, names[alert.device_id], alert.opened_at, alert.ended_at) for alert in notified)
    return DryRun(tuple(raised), len(result.alerts) - len(notified), result.samples, rejected)


def backtest_scenario(scenario: Scenario, pack: RulePack) -> tuple[BacktestResult, Mapping[str, int]]:
    """Return the backtest over all messages of the scenario, and the counts of rejected items by reason."""
    devices = _devices(scenario)
    rejected: Counter[str] = Counter()
    arrivals = heapq.merge(
        _readings(scenario, rejected), _pipeline_status(scenario), key=lambda each: each.sample.received_at
    )
    span = Span(scenario.start, scenario.end)
    return backtest(pack, arrivals, span, devices, paused=list(_catching_up(scenario))), rejected


def _devices(scenario: Scenario) -> Mapping[int, Device]:
    return with_device_groups({device.id: device for device in (_ANJU, *scenario.devices)})


def _catching_up(scenario: Scenario) -> Iterator[Span]:
    """Yield the time in which ingest is not caught up: a broker outage and the seconds after it."""
    outage = scenario.broker_away
    if outage:
        yield Span(scenario.start + outage.start, scenario.start + outage.end + _SETTLING)


def _pipeline_status(scenario: Scenario) -> Iterator[Arrival]:
    """Yield the reports of ingest about itself: it is behind while the broker is away."""
    for span in _catching_up(scenario):
        at = scenario.start
        while at <= scenario.end:
            behind = span.start <= at < span.end
            yield Arrival(PIPELINE.name, Sample(_ANJU.id, at, at, {"behind": behind}))
            at += PIPELINE.reporting_period


def _readings(scenario: Scenario, rejected: Counter[str]) -> Iterator[Arrival]:
    by_name = {device.name: device for device in scenario.devices}
    for at, message in _messages(scenario):
        for item in decode(message.topic, message.payload, at, lambda _, name: by_name.get(name), _PSEUDONYMISER):
            match item:
                case Reading(device, ts, values):
                    yield Arrival(device.kind, Sample(device.id, ts, at, values))
                case DeviceEvent(device, ts, event, _, data):
                    yield Arrival(device.kind, Sample(device.id, ts, at, {}, event, data))
                case Rejection(reason=reason):
                    rejected[reason] += 1
                case _:  # a connection state, which no rule evaluates
                    continue


def _messages(scenario: Scenario) -> Iterator[tuple[datetime, Message]]:
    """Yield every message with its arrival, in order; messages of a broker outage arrive after it."""
    outage = scenario.broker_away
    for message in Fleet(scenario.devices, SEED, scenario.parse_faults()).messages(scenario.start, scenario.end):
        reconnected = scenario.start + outage.end + _RECONNECT if outage else message.at
        is_delayed = outage is not None and scenario.start + outage.start <= message.at < reconnected
        yield (reconnected if is_delayed else message.at), message
