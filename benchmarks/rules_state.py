"""Memory of the rules for 400,000 devices, and duration of a tick: `python -m benchmarks.rules_state [DEVICES]`.

Goals: under 300 MB, restored in under 10 s, and a tick under 50 ms. The devices are electricity meters under the rules
that come with Anju, with a few readings each, and one in 400 has an alert. The state is restored from JSON as read from
the database; the time of the database is excluded. Then every device reports once more, one in a hundred at the same
instant. The clock advances until the alerts for missing data of these are due, all in one tick.
"""

import gc
import json
import os
import sys
import tempfile
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from pydantic_core import from_json, to_json

from app.rule_files import rules_folder
from benchmarks import report
from benchmarks.processes import resident_bytes
from devices.device import Device
from devices.electricity_meter import ELECTRICITY_METER
from ingest.instance_rows import state_of, state_row
from ingest.stored_journal import StoredJournal
from rules.engine.device_state import DeviceState
from rules.engine.engine import Engine
from rules.engine.state_machine import InstanceState
from rules.language.loader import load_rules
from rules.model.rule import RulePack
from rules.model.sample import Sample
from store.alerts.rule_state import RuleStateRow

_START = datetime(2026, 11, 1, tzinfo=UTC)
_PERIOD = ELECTRICITY_METER.reporting_period
_ROUNDS = 4
_ALARMING = 400
_TOGETHER = 100


class _Result(NamedTuple):
    """Bytes, seconds and CPU seconds of the restoration, CPU seconds of the ticks and of the one with the alerts."""

    rules: int
    size: int
    seconds: float
    cpu_seconds: float
    instances: int
    ticks: list[float]
    alerts: int
    alert_tick_s: float


def main(devices: int = 400_000) -> None:
    """Measure, print, and write the figures into docs/performance.md."""
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / "stored"
        # The measured process must not share its memory with the preparation.
        for step in (_make, _measure):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
                result = apart.submit(step, stored, devices).result()
    ticks = [1e3 * seconds for seconds in result.ticks]
    report.publish(
        "benchmarks.rules_state",
        f"{devices:,} meters, {result.rules} rules, {result.instances:,} instances that are not normal: "
        f"{result.size / 1e6:.0f} MB, restored in {result.seconds:.1f} s ({result.cpu_seconds:.1f} s of CPU time). Of "
        f"{len(ticks):,} ticks half took less CPU time than {median(ticks):.2f} ms, 99 % less than "
        f"{quantiles(ticks, n=100)[98]:.1f} ms, and the longest {max(ticks):.1f} ms. The one in which "
        f"{result.alerts:,} meters fell silent took {1e3 * result.alert_tick_s:.0f} ms, "
        f"{1e6 * result.alert_tick_s / result.alerts:.0f} us for "
        f"each of them. {report.machine()}.",
    )


def _pack() -> RulePack:
    return RulePack(load_rules(rules_folder(None)).of_kind(ELECTRICITY_METER.name))


def _engine(pack: RulePack, now: datetime) -> Engine:
    """Return an engine; all devices share one description, since the registry is not measured."""
    device = Device(1, "c1", "d1", ELECTRICITY_METER.name)
    return Engine(pack, now, lambda _: device, journal=StoredJournal(pack))


def _round(number: int, devices: int) -> Iterator[Sample]:
    """Yield a reading of every device, spread over the period."""
    for device in range(1, devices + 1):
        ts = _START + number * _PERIOD + device * _PERIOD / devices
        volts = 300.0 if device % _ALARMING == 0 else 220.0 + (device + number) % 7
        values = {"energy_kwh": 1000.0 + number / 4, "voltage_v": volts, "current_a": 3.5, "power_w": 770.0}
        yield Sample(device, ts, ts, values)


def _make(stored: Path, devices: int) -> None:
    """Write the rows of the database, one line of JSON for each instance and each device."""
    engine = _engine(_pack(), _START)
    for number in range(_ROUNDS):
        for sample in _round(number, devices):
            engine.evaluate(sample, ELECTRICITY_METER.name, sample.received_at)
    with stored.open("wb") as file:
        for state in engine.drain_changes().saved:
            file.write(to_json({"state": state_row(state)}) + b"\n")
        for device_state in engine.drain_device_states():
            file.write(to_json({"device_state": device_state}, bytes_mode="base64") + b"\n")


def _states(stored: Path) -> Iterator[InstanceState]:
    with stored.open("rb") as file:
        for line in file:
            if not line.startswith(b'{"state"'):
                return
            rule, device_id, version, phase, since, deadline, sequence, data = json.loads(line)["state"]
            yield state_of(RuleStateRow(rule, device_id, version, phase, _at(since), _at(deadline), sequence, data))


def _device_states(stored: Path) -> Iterator[DeviceState]:
    with stored.open("rb") as file:
        for line in file:
            if line.startswith(b'{"device_state"'):
                device_id, last_ts, arrival, events, values, derived, due = from_json(line)["device_state"]
                event_ts = {name: datetime.fromisoformat(ts) for name, ts in events.items()}
                packed = urlsafe_b64decode(derived)
                yield DeviceState(device_id, _at(last_ts), _at(arrival), event_ts, values, packed, _at(due))


def _at(text: str | None) -> datetime | None:
    return text and datetime.fromisoformat(text)


def _measure(stored: Path, devices: int) -> _Result:
    """Restore, let every device report once more, and tick until the alerts for missing data."""
    pack, now = _pack(), _START + _ROUNDS * _PERIOD
    gc.collect()
    before, began, cpu_began = resident_bytes(os.getpid()), time.perf_counter(), time.process_time()
    engine = _engine(pack, now)
    engine.restore(_states(stored), _device_states(stored), now)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
    gc.collect()
    size = resident_bytes(os.getpid()) - before
    instances = sum(1 for _ in _states(stored))
    engine.tick(now, caught_up=True)
    for sample in _round(_ROUNDS, devices):
        last = sample._replace(ts=now, received_at=now) if sample.device_id % _TOGETHER == 0 else sample
        engine.evaluate(last, ELECTRICITY_METER.name, last.received_at)
    gc.freeze()
    gc.disable()  # as ingest does between batches
    no_data = next(rule.no_data for rule in pack.rules if rule.no_data)
    until = round(no_data.after.total_seconds())
    ticks = [_tick(engine, now + timedelta(seconds=second))[0] for second in range(1, until)]
    alert_tick_s, alerts = _tick(engine, now + timedelta(seconds=until))
    return _Result(len(pack.rules), size, seconds, cpu_seconds, instances, ticks, alerts, alert_tick_s)


def _tick(engine: Engine, now: datetime) -> tuple[float, int]:
    """Return the CPU seconds of a tick, and the number of its transitions."""
    began = time.thread_time()
    transitions = engine.tick(now, caught_up=True)
    return time.thread_time() - began, len(transitions)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
