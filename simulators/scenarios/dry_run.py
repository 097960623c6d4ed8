"""Plays a scenario on the rules in simulated time: no broker, no database, no waiting."""

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
_PSEUDONYMISER = Pseudonymiser(b"a rehearsal keeps nothing")


@dataclass(frozen=True, slots=True)
class DryRun:
    """What came of a scenario: the alerts that people are told of, how many more there were, and what was judged.

    `rejected` are items by their reason.
    """

    raised: tuple[RaisedAlert, ...]
    suppressed: int
    judged: int
    rejected: Mapping[str, int]


def dry_run(scenario: Scenario, pack: RulePack) -> DryRun:
    """Decode and judge all that the devices of the scenario send, second by second, as ingest would."""
    found, rejected = judged(scenario, pack)
    names = {number: device.name for number, device in _devices(scenario).items()}
    told = [each for each in found.alerts if not each.suppressed]
    raised = (RaisedAlert(each.rule, names[each.device_id], each.opened_at, each.ended_at) for each in told)
    return DryRun(tuple(raised), len(found.alerts) - len(told), found.samples, rejected)


def judged(scenario: Scenario, pack: RulePack) -> tuple[BacktestResult, Mapping[str, int]]:
    """What the rules make of all that the devices send, and how much was rejected, by reason."""
    devices = _devices(scenario)
    rejected: Counter[str] = Counter()
    arrivals = heapq.merge(_readings(scenario, rejected), _pulse(scenario), key=lambda each: each.sample.received_at)
    span = Span(scenario.start, scenario.end)
    return backtest(pack, arrivals, span, devices, paused=list(_standstill(scenario))), rejected


def _devices(scenario: Scenario) -> Mapping[int, Device]:
    return with_device_groups({device.id: device for device in (_ANJU, *scenario.devices)})


def _standstill(scenario: Scenario) -> Iterator[Span]:
    away = scenario.broker_away
    if away:
        yield Span(scenario.start + away.start, scenario.start + away.end + _SETTLING)


def _pulse(scenario: Scenario) -> Iterator[Arrival]:
    """What ingestion says of itself, in its own period: that it is behind while the broker is away."""
    for standstill in _standstill(scenario):
        at = scenario.start
        while at <= scenario.end:
            behind = standstill.start <= at < standstill.end
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
                case _:  # a connection state, which no rule judges
                    continue


def _messages(scenario: Scenario) -> Iterator[tuple[datetime, Message]]:
    """Every message and when it arrives: in order, and after the broker is back if it was away."""
    away = scenario.broker_away
    for message in Fleet(scenario.devices, SEED, scenario.parse_faults()).messages(scenario.start, scenario.end):
        back = scenario.start + away.end + _RECONNECT if away else message.at
        waits = away is not None and scenario.start + away.start <= message.at < back
        yield (back if waits else message.at), message
