"""Cost of the rules a message: `python -m benchmarks.rules_engine`.

Goal: 20 rules a message in under 10 microseconds on one core, including the handling of states. Samples are evaluated
in batches like those of ingest, with each message from another device, the most expensive case. A batch ends with the
preparation of the rows to store.
"""

import gc
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from time import process_time
from typing import NamedTuple

from pydantic_core import to_json

from benchmarks import report
from devices.device import Device
from devices.electricity_meter import ELECTRICITY_METER
from devices.kind import Counter, Gauge
from rules.derived.compared import FieldComparison
from rules.derived.rate import Rate
from rules.derived.repeats import RepeatedCondition
from rules.derived.unchanged import Unchanged
from rules.derived.window import WindowAggregate
from rules.engine.device_state import DeviceState
from rules.engine.engine import Engine
from rules.model.condition import Compare, Condition
from rules.model.derived_value import ComparableValue
from rules.model.rule import Rule, RulePack, Severity
from rules.model.sample import Sample

_START = datetime(2026, 1, 1, tzinfo=UTC)
_PERIOD = ELECTRICITY_METER.reporting_period
_DEVICES = 10_000
_ROUNDS = 20
_BATCH = 5_000
_RUNS = 5
_FIELDS = ("voltage_v", "current_a", "power_w", "frequency_hz", "power_factor")
_RULES = 20


class _Cost(NamedTuple):
    """CPU microseconds a message for the evaluation, and for the preparation of the rows to store."""

    evaluate: float
    write: float


def _derived_values() -> tuple[ComparableValue, ...]:
    gap, day = 2 * _PERIOD, timedelta(days=1)
    power, energy, current = (_number(name) for name in ("power_w", "energy_kwh", "current_a"))
    return (
        WindowAggregate(power, "minimum", day, _PERIOD, gap),
        WindowAggregate(power, "mean", timedelta(hours=1), _PERIOD, gap),
        Rate(energy, timedelta(hours=1), _PERIOD, gap),
        Unchanged(energy, timedelta(hours=4), _PERIOD, gap),
        FieldComparison(power, current, "ratio"),
        RepeatedCondition(Compare("voltage_v", "below", 190.0), 2, timedelta(hours=4)),
    )


def _number(name: str) -> Gauge | Counter:
    return next(
        field for field in ELECTRICITY_METER.fields if field.name == name and isinstance(field, Gauge | Counter)
    )


def _pack(rules: int, derived_values: Sequence[ComparableValue]) -> RulePack:
    """Return that many rules with conditions never met: some on derived values, the others on plain fields."""
    of_derived_values = [_on_derived_value(derived) for derived in derived_values]
    numbers = range(rules - len(derived_values))
    plain = [Compare(_FIELDS[number % len(_FIELDS)], "above", 1000.0 + number) for number in numbers]
    return RulePack(tuple(_rule(f"rule_{number}", when) for number, when in enumerate([*of_derived_values, *plain])))


def _on_derived_value(derived: ComparableValue) -> Compare:
    if isinstance(derived, Unchanged | RepeatedCondition):
        return Compare(derived.field.name, "equals", limit=True, derived=derived)
    return Compare(derived.field.name, "above", 1e6, derived)


def _rule(name: str, when: Condition) -> Rule:
    return Rule(
        name=name,
        kind=ELECTRICITY_METER.name,
        severity=Severity.WARNING,
        when=when,
        title="{device}",
        message="{device}",
        advice="{device}",
        allowed_gap=2 * _PERIOD,
        on_delay=2 * _PERIOD,
    )


def _samples(alarming_every: int) -> list[Sample]:
    """Return samples of all devices in turn; one device in `alarming_every` meets the condition of each plain rule."""
    return [
        Sample(device, ts, ts, {"energy_kwh": 1234.5 + turn, **dict.fromkeys(_FIELDS, value)})
        for turn in range(_ROUNDS)
        for device in range(_DEVICES)
        for ts in (_START + turn * _PERIOD + timedelta(milliseconds=device),)
        for value in (5000.0 if alarming_every and device % alarming_every == 0 else 230.0 + turn % 3,)
    ]


def _measure(pack: RulePack, samples: Sequence[Sample]) -> _Cost:
    devices = [Device(id_, "c1", f"d{id_}", ELECTRICITY_METER.name) for id_ in range(_DEVICES)]
    engine = Engine(pack, _START, devices.__getitem__)
    gc.collect()
    gc.freeze()
    evaluate = write = 0.0
    for first in range(0, len(samples), _BATCH):
        times = [process_time()]
        for sample in samples[first : first + _BATCH]:
            engine.evaluate(sample, ELECTRICITY_METER.name, sample.received_at)
        times.append(process_time())
        _write(engine.drain_device_states())
        engine.drain_changes()
        times.append(process_time())
        evaluate, write = evaluate + times[1] - times[0], write + times[2] - times[1]
    gc.unfreeze()
    return _Cost(*(1e6 * seconds / len(samples) for seconds in (evaluate, write)))


def _write(device_states: Iterable[DeviceState]) -> None:
    """Prepare the states of devices for the database as `store.telemetry.device_state` does."""
    for state in device_states:
        to_json(state.values), to_json(state.event_ts) if state.event_ts else b"{}"


def main() -> None:
    """Measure, print, and write the table into docs/performance.md."""
    cases = (
        ("no rules", _pack(0, ()), 0),
        (f"{_RULES} rules, all quiet", _pack(_RULES, ()), 0),
        (f"{_RULES} rules, 1 device in 1,000 alarming on all of them", _pack(_RULES, ()), 1000),
        (f"{_RULES} rules, 6 with windows, rates and comparisons", _pack(_RULES, _derived_values()), 0),
    )
    rows = []
    for label, pack, alarming_every in cases:
        samples = _samples(alarming_every)
        costs = [_measure(pack, samples) for _ in range(_RUNS)]
        columns = [*zip(*costs, strict=True), [sum(cost) for cost in costs]]
        rows.append([label, *(report.spread(column, 1) for column in columns)])
    note = (
        f"{_DEVICES:,} meters, {_ROUNDS} readings each in batches of {_BATCH:,} messages; CPU us a message, median of "
        f"{_RUNS} runs (least to greatest). {report.machine()}."
    )
    head = ["rules", "evaluation", "rows to store", "in all"]
    report.publish("benchmarks.rules_engine", f"{note}\n\n{report.table(head, rows)}")


if __name__ == "__main__":
    main()
