"""What the rules keep of 400,000 devices, and what a tick takes: `python -m benchmarks.rules_state [DEVICES]`.

Goals: under 300 MB, restored in under 10 s, and a tick under 50 ms. The devices are electricity meters under the rules
that come with Anju, each with a few readings behind it, and one in 400 holds an alert. Restored is from JSON as the
database hands it over; the time of the database is not in it. Then everybody reports once more, one in a hundred at the
same instant, and time comes to where the silence of these is due: in one tick, of all of them.
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


class _Found(NamedTuple):
    """What was measured: bytes, seconds and CPU seconds to restore, CPU seconds of the ticks and of that of silence."""

    rules: int
    size: int
    seconds: float
    cpu_seconds: float
    instances: int
    ticks: list[float]
    silences: int
    silence_s: float


def main(devices: int = 400_000) -> None:
    """Measure, print, and write the figures into docs/performance.md."""
    with tempfile.TemporaryDirectory() as folder:
        stored = Path(folder) / "stored"
        # What is measured must not share its memory with what was needed to make it.
        for step in (_make, _measure):
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
                found = apart.submit(step, stored, devices).result()
    ticks = [1e3 * seconds for seconds in found.ticks]
    report.publish(
        "benchmarks.rules_state",
        f"{devices:,} meters, {found.rules} rules, {found.instances:,} instances that are not normal: "
        f"{found.size / 1e6:.0f} MB, restored in {found.seconds:.1f} s ({found.cpu_seconds:.1f} s of CPU time). Of "
        f"{len(ticks):,} ticks half took less CPU time than {median(ticks):.2f} ms, 99 % less than "
        f"{quantiles(ticks, n=100)[98]:.1f} ms, and the longest {max(ticks):.1f} ms. The one in which "
        f"{found.silences:,} meters fell silent took {1e3 * found.silence_s:.0f} ms, "
        f"{1e6 * found.silence_s / found.silences:.0f} us for "
        f"each of them. {report.machine()}.",
    )


def _pack() -> RulePack:
    return RulePack(load_rules(rules_folder(None)).of_kind(ELECTRICITY_METER.name))


def _engine(pack: RulePack, now: datetime) -> Engine:
    """An engine; every device has the same words, because the registry is not what is measured."""
    device = Device(1, "c1", "d1", ELECTRICITY_METER.name)
    return Engine(pack, now, lambda _: device)


def _round(number: int, devices: int) -> Iterator[Sample]:
    """A reading of every device, spread over the period."""
    for device in range(1, devices + 1):
        ts = _START + number * _PERIOD + device * _PERIOD / devices
        volts = 300.0 if device % _ALARMING == 0 else 220.0 + (device + number) % 7
        values = {"energy_kwh": 1000.0 + number / 4, "voltage_v": volts, "current_a": 3.5, "power_w": 770.0}
        yield Sample(device, ts, ts, values)


def _make(stored: Path, devices: int) -> None:
    """Write what the database would hold, one line of JSON for each device and each instance."""
    engine = _engine(_pack(), _START)
    for number in range(_ROUNDS):
        for sample in _round(number, devices):
            engine.evaluate(sample, ELECTRICITY_METER.name, sample.received_at)
    with stored.open("wb") as file:
        for state in engine.drain_changes().saved:
            file.write(to_json({"state": state_row(state)}) + b"\n")
        for memory in engine.drain_device_states():
            file.write(to_json({"memory": memory}, bytes_mode="base64") + b"\n")


def _states(stored: Path) -> Iterator[InstanceState]:
    with stored.open("rb") as file:
        for line in file:
            if not line.startswith(b'{"state"'):
                return
            rule, device_id, version, phase, since, deadline, sequence, memory = json.loads(line)["state"]
            yield state_of(RuleStateRow(rule, device_id, version, phase, _at(since), _at(deadline), sequence, memory))


def _memories(stored: Path) -> Iterator[DeviceState]:
    with stored.open("rb") as file:
        for line in file:
            if line.startswith(b'{"memory"'):
                device_id, last_ts, arrival, events, values, tracks = from_json(line)["memory"]
                event_ts = {name: datetime.fromisoformat(ts) for name, ts in events.items()}
                yield DeviceState(device_id, _at(last_ts), _at(arrival), event_ts, values, urlsafe_b64decode(tracks))


def _at(text: str | None) -> datetime | None:
    return text and datetime.fromisoformat(text)


def _measure(stored: Path, devices: int) -> _Found:
    """Restore, let everybody report once more, and tick until the silence of each was due."""
    pack, now = _pack(), _START + _ROUNDS * _PERIOD
    gc.collect()
    before, began, cpu_began = resident_bytes(os.getpid()), time.perf_counter(), time.process_time()
    engine = _engine(pack, now)
    engine.restore(_states(stored), _memories(stored), now)
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
    silent = next(rule.silence for rule in pack.rules if rule.silence)
    until = round(silent.after.total_seconds())
    ticks = [_tick(engine, now + timedelta(seconds=second))[0] for second in range(1, until)]
    silence_s, silences = _tick(engine, now + timedelta(seconds=until))
    return _Found(len(pack.rules), size, seconds, cpu_seconds, instances, ticks, silences, silence_s)


def _tick(engine: Engine, now: datetime) -> tuple[float, int]:
    """Its CPU seconds, and how many transitions it made."""
    began = time.thread_time()
    transitions = engine.tick(now, caught_up=True)
    return time.thread_time() - began, len(transitions)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
