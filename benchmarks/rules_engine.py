"""How long the rules take for one message: `python -m benchmarks.rules_engine`."""

import gc
import sys
from datetime import UTC, datetime, timedelta
from time import process_time

from devices.device import Device
from devices.electricity_meter import ELECTRICITY_METER
from rules.condition import Compare
from rules.engine import Engine
from rules.rule import Rule, RulePack, Severity
from rules.sample import Sample

_START = datetime(2026, 1, 1, tzinfo=UTC)
_DEVICES = 10_000
_ROUNDS = 20
_FIELDS = ("voltage_v", "current_a", "power_w", "frequency_hz", "power_factor")


def _rules(count: int) -> RulePack:
    return RulePack(
        tuple(
            Rule(
                name=f"limit_{number}",
                kind=ELECTRICITY_METER.name,
                severity=Severity.WARNING,
                when=Compare(_FIELDS[number % len(_FIELDS)], "above", 1000.0 + number),
                title="{device}",
                message="{device}",
                advice="{device}",
                allowed_gap=timedelta(minutes=30),
                on_delay=timedelta(minutes=30),
            )
            for number in range(count)
        )
    )


def _samples(alarming_every: int) -> list[Sample]:
    """Samples of all devices in turn; every so-and-so-many-th device holds the condition of each rule."""
    period = ELECTRICITY_METER.reporting_period
    return [
        Sample(device, ts, ts, {"energy_kwh": 1234.5, **dict.fromkeys(_FIELDS, value)})
        for turn in range(_ROUNDS)
        for device in range(_DEVICES)
        for ts in (_START + turn * period + timedelta(milliseconds=device),)
        for value in (5000.0 if alarming_every and device % alarming_every == 0 else 230.0,)
    ]


def _microseconds_per_message(rules: int, alarming_every: int) -> float:
    engine = Engine(_rules(rules), _START, lambda id_: Device(id_, "c1", f"d{id_}", ELECTRICITY_METER.name))
    samples = _samples(alarming_every)
    gc.freeze()
    began = process_time()
    for sample in samples:
        engine.judge(sample, ELECTRICITY_METER.name, sample.received_at)
    return (process_time() - began) / len(samples) * 1e6


def main() -> None:
    """Prints CPU microseconds a message, for quiet devices and with some that keep every rule busy."""
    for rules, alarming_every, label in (
        (0, 0, "no rules"),
        (20, 0, "20 rules, all quiet"),
        (20, 1000, "20 rules, 1 device in 1,000 alarming on all of them"),
    ):
        sys.stdout.write(f"{_microseconds_per_message(rules, alarming_every):6.2f} µs a message: {label}\n")


if __name__ == "__main__":
    main()
