"""The rules that come with Anju against the goals of ISA-18.2: `python -m benchmarks.rule_packs [HOUSEHOLDS [DAYS]]`.

By default 30 simulated days of November in a community with 1,000 households, in which as much breaks as may be
expected in a month. All that the devices send is decoded and judged as ingest would; there is no broker, no database,
and nobody who closes an alert. Takes a quarter of an hour.
"""

import random
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from app.rule_files import rules_folder
from benchmarks import report
from devices.device import Device
from rules.goals import CITY
from rules.loader import load_rules
from rules.summary import Summary, summarise
from simulators.faults import FAULTS
from simulators.scenarios.rehearsal import judged
from simulators.scenarios.scenario import Scenario

_DOCUMENT = Path(__file__).parent.parent / "docs" / "backtest.md"
_START = datetime(2026, 11, 1, tzinfo=CITY)
_MONTH_OF = 1_000  # households, which the numbers below are for
_VERDICT = {True: "met", False: "**missed**", None: "too few alerts"}


class _Trouble(NamedTuple):
    """How often something breaks in a month of 1,000 households, and between how many minutes it lasts."""

    fault: str
    times: int
    least: int
    most: int


_TROUBLES = (
    _Trouble("leak", 8, 12 * 60, 5 * 1440),
    _Trouble("burst", 2, 20, 240),
    _Trouble("meter_stuck", 3, 2 * 1440, 6 * 1440),
    _Trouble("meter_reset", 2, 1440, 2 * 1440),
    _Trouble("battery_low", 6, 2 * 1440, 10 * 1440),
    _Trouble("gas_leak", 1, 10, 60),
    _Trouble("voltage_high", 10, 20, 300),
    _Trouble("power_lost", 10, 2, 240),
    _Trouble("gateway_outage", 4, 5, 300),
    _Trouble("camera_offline", 8, 3, 1440),
    _Trouble("door_forced", 3, 10, 120),
    _Trouble("door_held_open", 20, 2, 40),
    _Trouble("charger_fault", 4, 30, 1440),
    _Trouble("ebike_over_temperature", 1, 10, 40),
    _Trouble("barrier_stuck", 2, 20, 300),
    _Trouble("late_batch", 10, 60, 600),
    _Trouble("duplicates", 10, 60, 1440),
    _Trouble("clock_drift", 5, 60, 2 * 1440),
)


def main(households: int = 1_000, days: int = 30) -> None:
    """Run it, print what came of it, and write it into docs/backtest.md."""
    quiet = Scenario(name="review", zh="规则评审", start=_START, lasts=f"{days}d", households=households)
    dice = random.Random(2026)  # noqa: S311 - the same month again
    faults = (*_single(quiet.devices, households, days, dice), *_power_cut(quiet.devices, days))
    scenario = quiet.model_copy(update={"faults": faults})
    pack = load_rules(rules_folder(None))
    began = time.process_time()
    found, _ = judged(scenario, pack)
    summary = summarise(found, pack, {device.id: device for device in scenario.devices})
    text = _text(summary, households, days, len(faults), time.process_time() - began)
    sys.stdout.write(text + "\n")
    report.write_section(_DOCUMENT, "benchmarks.rule_packs", text)


def _single(devices: list[Device], households: int, days: int, dice: random.Random) -> Iterator[str]:
    for trouble in _TROUBLES:
        able = [device for device in devices if device.kind in FAULTS[trouble.fault].devices]
        for _ in range(round(trouble.times * households / _MONTH_OF * days / 30)):
            start = dice.randrange(days * 1440 - 60)
            yield _fault(trouble.fault, dice.choice(able), start, dice.randint(trouble.least, trouble.most))


def _power_cut(devices: list[Device], days: int) -> Iterator[str]:
    """Once the whole of the first building loses its mains, for an hour and a half."""
    for device in devices:
        if device.place.startswith("1号楼") and device.kind in FAULTS["power_lost"].devices:
            yield _fault("power_lost", device, days * 720 + 600, 90)


def _fault(name: str, device: Device, start: int, lasts: int) -> str:
    return f"{name}:{device.name}@{(_START + timedelta(minutes=start)).isoformat()}/{lasts}m"


def _text(summary: Summary, households: int, days: int, faults: int, seconds: float) -> str:
    [community] = summary.communities
    goals = report.table(
        ("goal", "found", "wanted", ""),
        [(goal.name, goal.found, goal.wanted, _VERDICT[goal.met]) for goal in community.goals],
    )
    rules = report.table(
        ("rule", "title", "severity", "alerts", "devices", "open over 24 h", "longest, h"),
        [
            (
                f"`{each.rule}`", each.title, each.severity, f"{each.alerts:,}", f"{each.devices:,}",
                f"{each.standing:,}", f"{each.longest_s / 3600:.1f}",
            )
            for each in summary.by_rule
        ],
    )  # fmt: skip
    return (
        f"{days} days, {households:,} households, {summary.devices:,} devices, {summary.samples:,} readings and "
        f"events, {faults} faults, {summary.rules} rules: {summary.alerts:,} alerts. {seconds / 60:.0f} minutes of CPU "
        f"time, simulation included. {report.machine()}.\n\n{goals}\n\n{rules}"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
