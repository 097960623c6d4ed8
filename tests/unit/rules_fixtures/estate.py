"""A community under the rules of Anju: its flats and gateways, an engine, and all transitions, in minutes."""

from dataclasses import replace

from devices.device import Device
from rules.engine.engine import Engine
from rules.engine.state_machine import Reason
from rules.model.device_group import FIRST_GROUP_ID, DeviceGroups
from rules.model.rule import OPEN_PHASES
from rules.model.sample import Sample
from shipped_rules import SHIPPED
from tests.unit.rules_fixtures.world import START, at

HEALTHY = {
    "electricity_meter": {"voltage_v": 228.0},
    "water_meter": {"pressure_mpa": 0.3},
    "heat_meter": {"flow_m3_h": 1.2, "supply_c": 44.0, "return_c": 38.0, "power_kw": 20.0},
    "gas_meter": {"pressure_kpa": 2.0},
    "camera": {"video_ok": True},
    "gateway": {"mains_ok": True, "children_online": 9.0, "children_total": 9.0},
    "access_control": {"mains_ok": True, "backup_battery_v": 13.0},
    "ebike_charger": {"status": "available"},
    "ev_charger": {"status": "available"},
}


def flats(*, buildings=1, units=3, rooms=12, kind="electricity_meter", first=1, gateway=None):
    """Meters of the flats of some buildings, with ids from `first` on."""
    places = [(str(b + 1), str(u + 1)) for b in range(buildings) for u in range(units) for _ in range(rooms)]
    return [
        Device(first + number, "c1", f"{kind}-{number}", kind, gateway, building=building, unit=unit)
        for number, (building, unit) in enumerate(places)
    ]


class Estate:
    """A community under the rules of Anju, its engine, and all transitions."""

    def __init__(self, devices, pack=SHIPPED):
        self.pack, self.transitions, self.groups = pack, [], DeviceGroups()
        self.register(devices)
        self.engine = self._engine(START)
        self.tick(0)
        for device in devices:
            self.send(0, device.id)

    def register(self, devices):
        self.devices = {device.id: device for device in devices}
        self.groups.read(devices)

    def find(self, device_id):
        group = self.groups.by_id(device_id)
        return group.as_device if group else self.devices[device_id]

    def _engine(self, now):
        return Engine(self.pack, now, self.find, groups=self.groups)

    def change(self, minute, **changed):
        """Register changes of devices, as attributes by id."""
        numbers = {int(key[1:]): value for key, value in changed.items()}
        self.register([replace(device, **numbers.get(number, {})) for number, device in self.devices.items()])
        self.transitions += self.engine.update_services(at(minute))

    def restart(self, minute):
        states, devices = self.engine.drain_changes().saved, list(self.engine.drain_device_states())
        groups = [self.groups.by_id(state.device_id) for state in states if state.device_id <= FIRST_GROUP_ID]
        self.groups = DeviceGroups(self.devices.values())
        for group in groups:
            self.groups.remember(group)
        self.engine = self._engine(at(minute))
        self.transitions += self.engine.restore(states, devices, at(minute))

    def send(self, minute, *numbers, **values):
        for number in numbers:
            kind = self.devices[number].kind
            sample = Sample(number, at(minute), at(minute), values or HEALTHY[kind])
            self.transitions += self.engine.evaluate(sample, kind, at(minute))

    def report(self, minute, event, *numbers):
        for number in numbers:
            sample = Sample(number, at(minute), at(minute), {}, event)
            self.transitions += self.engine.evaluate(sample, self.devices[number].kind, at(minute))

    def tick(self, minute):
        self.transitions += self.engine.tick(at(minute), caught_up=True)

    def live(self, first, last, *talking, step=1):
        """Let minutes pass; the `talking` devices send every minute."""
        minute = first
        while minute <= last:
            self.send(minute, *talking)
            self.tick(minute)
            minute += step

    @property
    def open(self):
        """The open alerts, as rule and name; those that another alert suppresses have a `-` in front."""
        latest, suppressed = {}, {}
        for each in self.transitions:
            latest[each.alert_id] = each
            if each.suppressed:
                suppressed[each.alert_id] = True
            elif each.raises or each.reason is Reason.PARENT:
                suppressed[each.alert_id] = False
        return sorted(
            f"{'-' if suppressed[alert_id] else ''}{each.rule} {self.find(each.device_id).name}"
            for alert_id, each in latest.items()
            if alert_id and each.to_phase in OPEN_PHASES
        )

    @property
    def told(self):
        """The open alerts that are notified."""
        return [alert for alert in self.open if not alert.startswith("-")]
