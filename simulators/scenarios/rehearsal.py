"""Plays a scenario on the rules engine in simulated time: no broker, no database, no waiting."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from devices.device import Device
from devices.payload import Occurrence, Reading, Rejection, decode
from devices.privacy import Pseudonymiser
from rules.engine import Engine
from rules.pipeline import PIPELINE
from rules.rule import Phase, RulePack
from rules.sample import Sample
from rules.transition import Transition
from simulators.fleet import Fleet
from simulators.message import Message
from simulators.scenarios.marks import Raised
from simulators.scenarios.scenario import SEED, Scenario

_TICK = timedelta(seconds=5)
_RECONNECT = timedelta(seconds=1)
_SETTLING = timedelta(seconds=5)
_ANJU = Device(0, "", "", PIPELINE.name)
_OPEN = {Phase.ACTIVE, Phase.RECOVERING, Phase.LATCHED}
_PSEUDONYMISER = Pseudonymiser(b"a rehearsal keeps nothing")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of a scenario: the alerts, and how many items were judged and rejected, by reason."""

    raised: tuple[Raised, ...]
    judged: int
    rejected: Mapping[str, int]


def rehearse(scenario: Scenario, pack: RulePack) -> Rehearsal:
    """Decode and judge all that the devices of the scenario send, tick by tick, as ingest would."""
    devices = {device.id: device for device in (_ANJU, *scenario.devices)}
    by_name = {device.name: device for device in scenario.devices}
    engine = Engine(pack, scenario.start, devices.__getitem__)
    transitions: list[Transition] = []
    rejected: Counter[str] = Counter()
    judged = 0
    tick = scenario.start
    for arrived_at, message in _arrivals(scenario):
        while tick <= arrived_at:
            transitions += _let_pass(engine, tick, live=_is_live(scenario, tick))
            tick += _TICK
        for sample, kind in _samples(message, arrived_at, by_name, rejected):
            judged += 1
            transitions += engine.judge(sample, kind, arrived_at)
    while tick <= scenario.end:
        transitions += _let_pass(engine, tick, live=_is_live(scenario, tick))
        tick += _TICK
    names = {device.id: device.name for device in devices.values()}
    return Rehearsal(tuple(_alerts(transitions, names)), judged, rejected)


def _arrivals(scenario: Scenario) -> Iterator[tuple[datetime, Message]]:
    """Every message and when it arrives: in order, and after the broker is back if it was away."""
    away = scenario.broker_away
    for message in Fleet(scenario.devices, SEED, scenario.injected()).messages(scenario.start, scenario.end):
        if away and scenario.start + away.start <= message.at < scenario.start + away.end + _RECONNECT:
            yield scenario.start + away.end + _RECONNECT, message
        else:
            yield message.at, message


def _is_live(scenario: Scenario, now: datetime) -> bool:
    away = scenario.broker_away
    return not away or not away.start <= now - scenario.start < away.end + _SETTLING


def _let_pass(engine: Engine, now: datetime, *, live: bool) -> list[Transition]:
    behind = Sample(_ANJU.id, now, now, {"behind": not live})
    return engine.judge(behind, PIPELINE.name, now) + engine.tick(now, live)


def _samples(
    message: Message, arrived_at: datetime, by_name: Mapping[str, Device], rejected: Counter[str]
) -> Iterator[tuple[Sample, str]]:
    for item in decode(message.topic, message.payload, arrived_at, lambda _, name: by_name.get(name), _PSEUDONYMISER):
        match item:
            case Reading(device, ts, values):
                yield Sample(device.id, ts, arrived_at, values), device.kind
            case Occurrence(device, ts, event, _, data):
                yield Sample(device.id, ts, arrived_at, {}, event, data), device.kind
            case Rejection(reason=reason):
                rejected[reason] += 1
            case _:  # a connection state, which no rule judges
                continue


def _alerts(transitions: Iterable[Transition], names: Mapping[int, str]) -> Iterator[Raised]:
    """The occurrences that the transitions tell of, in the order in which they were raised."""
    found: dict[object, Raised] = {}
    for told in transitions:
        if told.occurrence_id is None:
            continue
        alert = found.get(told.occurrence_id)
        if alert is None:
            found[told.occurrence_id] = Raised(told.rule, names[told.device_id], told.at, None)
        else:
            found[told.occurrence_id] = alert._replace(ended=None if told.to_phase in _OPEN else told.at)
    yield from found.values()
