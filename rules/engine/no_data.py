"""No-data rules: the devices that are to send, and the times from which they have no data. All times are of arrival."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from devices.device import Device, Service
from rules.engine.compiled import CompiledRules
from rules.engine.device_state import LiveState, last_values
from rules.engine.instances import Instances
from rules.engine.state_machine import NewVerdict, Reason
from rules.engine.timers import Timers
from rules.engine.transition import describe_sample
from rules.model.device_group import LastArrival
from rules.model.rule import Rule
from rules.model.sample import Sample


class NoDataWatch:
    """Checks of all devices with a no-data rule. It reads the state of the engine and writes nothing but timers.

    Args:
        live: The states of the devices.
        compiled: The rules by kind.
        devices: Returns a registered device by its id.
        instances: The instances of the rules.
        timers: Receives the checks, and the timers of devices without data.
        spooled: Returns whether data of a device has arrived that waits to be evaluated.
    """

    def __init__(
        self,
        live: Mapping[int, LiveState],
        compiled: Mapping[str, CompiledRules],
        devices: Callable[[int], Device],
        instances: Instances,
        timers: Timers,
        *,
        spooled: Callable[[int], bool] = lambda _: False,
    ) -> None:
        self._live = live
        self._compiled = compiled
        self._devices = devices
        self._instances = instances
        self._timers = timers
        self._spooled = spooled

    def expect(self, device_id: int, rules: CompiledRules, since: datetime) -> None:
        """Add the first checks of a device, up to a third early: so a restart spreads the work."""
        for rule, no_data in rules.no_data_rules:
            early = timedelta(seconds=device_id % (int(no_data.after.total_seconds()) // 3 + 1))
            self._timers.add_check(since + no_data.after - early, rule.name, device_id)

    def check_due(self, rules: Mapping[str, Rule], resumed_at: datetime, now: datetime) -> None:
        """Check the devices that may have no data by now."""
        for name, device_id in self._timers.take_checks(now):
            self.check(rules[name], device_id, resumed_at, now)

    def arrived(self, sample: Sample, live: LiveState) -> list[tuple[Rule, NewVerdict]]:
        """Take over a fresh sample; return the verdicts that end the no-data alerts of its device, with their rules."""
        ends: list[tuple[Rule, NewVerdict]] = []
        states = self._instances.of(sample.device_id)
        for rule, no_data in live.rules.no_data_rules:
            state = states.get(rule.name)
            if state is not None and state.verdict:
                if sample.received_at - sample.ts > no_data.after:
                    continue
                inputs = describe_sample(rule, sample, last_values(live))
                ends.append((rule, NewVerdict(sample.received_at, False, Reason.ARRIVAL, inputs)))
            elif live.last_arrival is not None:
                continue
            self._timers.add_check(sample.received_at + no_data.after, rule.name, sample.device_id)
        live.last_arrival = sample.received_at
        return ends

    def check(self, rule: Rule, device_id: int, resumed_at: datetime, now: datetime) -> None:
        """Set the timer of a device that has no data by now; check any other again at the time it may have none."""
        due = self._due(rule, device_id, resumed_at, now)
        if due is not None and due <= now:
            self._timers.add(due, device_id, rule.name, no_data=True)
        elif due is not None:
            self._timers.add_check(due, rule.name, device_id)

    def verdict(self, rule: Rule, device_id: int, resumed_at: datetime, now: datetime) -> NewVerdict | None:
        """Return the verdict on a device whose timer is due; None if it has sent data meanwhile, or is withdrawn."""
        live, due = self._live[device_id], self._due(rule, device_id, resumed_at, now)
        if due is None or live.last_arrival is None:
            return None
        sample = Sample(device_id, live.last_ts or live.last_arrival, live.last_arrival, {})
        inputs = describe_sample(rule, sample, last_values(live))
        return NewVerdict(due, True, Reason.NO_DATA, inputs)

    def last_arrival(self, device_id: int, not_before: datetime | None = None) -> LastArrival | None:
        """Return the last arrival of a device, or `not_before` if that is later.

        Returns:
            None for a device that is not in service, has never sent, has spooled data, or has no no-data rule.
        """
        device, live = self._devices(device_id), self._live.get(device_id)
        if device.service is not Service.IN_SERVICE or device.kind not in self._compiled:
            return None
        no_data_rules = self._compiled[device.kind].no_data_rules
        if live is None or live.last_arrival is None or not no_data_rules or self._spooled(device_id):
            return None
        (_, no_data), *_ = no_data_rules
        return LastArrival(max(live.last_arrival, not_before or live.last_arrival), no_data.period, no_data.jitter)

    def has_sent(self, device_id: int) -> bool:
        """Return whether a device has ever sent telemetry."""
        live = self._live.get(device_id)
        return live is not None and live.last_ts is not None

    def _due(self, rule: Rule, device_id: int, resumed_at: datetime, now: datetime) -> datetime | None:
        """Return the time from which a device has no data, past or future.

        The time counts from the last arrival, or from the resumption of the engine if that is later; where data of the
        device waits in the spool, from now. Under a calendar it counts from an opening on, and earlier spans do not
        count.

        Returns:
            None for a device that is withdrawn, has never sent, or has an alert of the rule already.
        """
        live, state = self._live.get(device_id), self._instances.of(device_id).get(rule.name)
        if rule.no_data is None or live is None or live.last_arrival is None:
            return None
        if live.withdrawn or (state and state.verdict):
            return None
        since = now if self._spooled(device_id) else max(live.last_arrival, resumed_at)
        due, calendar = since + rule.no_data.after, rule.schedule
        if calendar is None:
            return due
        span = calendar.span(now)
        return calendar.opened(max(due, span.start if span.open else span.end))
