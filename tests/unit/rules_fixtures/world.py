"""A small world for the tests of the rules: one electricity meter, a minute as the unit of time, no clock."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from devices.device import Device
from devices.electricity_meter import ELECTRICITY_METER
from rules.engine.device_state import DeviceState
from rules.engine.engine import Engine
from rules.engine.reorder import MemoryJournal
from rules.model.condition import Compare, Happens, NoData
from rules.model.rule import Rule, RulePack, Severity
from rules.model.sample import Sample

START = datetime(2026, 1, 1, tzinfo=UTC)
DEVICE = Device(7, "dongsheng-1", "e-101", ELECTRICITY_METER.name, place="3号楼2单元101室")

HIGH = Compare("voltage_v", "above", 242.0)
LOW_AGAIN = Compare("voltage_v", "below", 238.0)
LOST = Happens(("power_lost",))
RESTORED = Happens(("power_restored",))
COVER = Happens(("cover_opened",))
MISSING = None


def minutes(count):
    return timedelta(minutes=count)


def at(minute):
    return START + minutes(minute)


def rule(**changed):
    """A voltage rule that waits 10 minutes to open and 5 to end, with at most 2 minutes between samples."""
    plain = {
        "name": "voltage_high",
        "kind": ELECTRICITY_METER.name,
        "severity": Severity.WARNING,
        "when": HIGH,
        "until": LOW_AGAIN,
        "on_delay": minutes(10),
        "off_delay": minutes(5),
        "allowed_gap": minutes(2),
        "title": "电压过高",
        "message": "{place} {device}：{voltage_v} V",
        "advice": "检查零线",
    }
    return Rule(**(plain | changed))


def event_rule(**changed):
    """A rule that an event opens at once, with no other end than the one given."""
    plain = {
        "name": "power_lost",
        "when": LOST,
        "until": None,
        "on_delay": timedelta(),
        "off_delay": timedelta(),
        "message": "{device}",
    }
    return rule(**(plain | changed))


def no_data_rule(**changed):
    """A rule about absence: three periods of 15 minutes and 5 minutes of jitter, 50 minutes in all."""
    plain = {
        "name": "meter_silent",
        "when": NoData(3, minutes(15), minutes(5)),
        "until": None,
        "on_delay": timedelta(),
        "off_delay": timedelta(),
        "message": "{device} 已 {silent_for} 没有数据",
    }
    return rule(**(plain | changed))


def telemetry(minute, device_id=DEVICE.id, delay=0, **values):
    """A sample of `minute` that arrives `delay` minutes later; a value of None is missing from it."""
    given = {name: value for name, value in values.items() if value is not None}
    return Sample(device_id, at(minute), at(minute + delay), given)


def volts(minute, value, **changed):
    return telemetry(minute, voltage_v=value, **changed)


def event(minute, name, **data):
    return Sample(DEVICE.id, at(minute), at(minute), {}, name, data)


class World:
    """An engine with the rules given, and the record of its decisions; it is caught up from minute 0 on.

    With `submeters` its meter is a master meter.
    """

    def __init__(self, *rules, submeters=None):
        self.pack = RulePack(tuple(rules))
        self.spooled = set()
        self.journal = MemoryJournal()
        self.submeters = submeters
        self.engine = self._engine(START)
        self.engine.tick(START, caught_up=True)
        self.transitions = []
        self.stored = {}
        self.device_state = DeviceState(DEVICE.id)

    def _engine(self, now, clock=None):
        return Engine(
            self.pack,
            now,
            lambda id_: replace(DEVICE, id=id_),
            lambda _: self.submeters,
            clock=clock,
            spooled=self.spooled.__contains__,
            journal=self.journal,
        )

    def evaluate(self, *samples):
        found = []
        for sample in samples:
            found += self.engine.evaluate(sample, ELECTRICITY_METER.name, sample.received_at)
        return self._record(found)

    def tick(self, minute, *, caught_up=True):
        return self._record(self.engine.tick(at(minute), caught_up=caught_up))

    def close(self, minute, name="voltage_high"):
        return self._record(self.engine.close(name, DEVICE.id, at(minute), "li"))

    def phase(self, name="voltage_high"):
        state = self.engine.instance(name, DEVICE.id)
        return state.phase.value if state else "normal"

    def restart(self, *rules, minute=0, clock=None):
        """Begin anew from the stored state, with other rules if any are given."""
        states = [replace(state, inputs=json.loads(kept)) for state, kept in self.stored.values()]
        self.pack = RulePack(tuple(rules)) if rules else self.pack
        self.engine = self._engine(at(minute), clock)
        return self._record(self.engine.restore(states, [self.device_state], at(minute)))

    def _record(self, found):
        changes = self.engine.drain_changes()
        for state in changes.saved:
            self.stored[state.rule, state.device_id] = (replace(state, inputs={}), json.dumps(state.inputs))
        for key in changes.deleted:
            self.stored.pop(key, None)
        for device_state in self.engine.drain_device_states():
            if device_state.device_id == DEVICE.id:
                self.device_state = device_state._replace(values={**self.device_state.values, **device_state.values})
        self.transitions += found
        return found


def path(transitions):
    """The phases in one readable line: `normal pending active`."""
    names = [name for transition in transitions for name in (transition.from_phase.value, transition.to_phase.value)]
    return " ".join([*names[:1], *names[1::2]])


def outcome(transitions):
    """The transitions without the times of their decisions, which may differ."""
    return [replace(transition, decided_at=START) for transition in transitions]
