"""Compare the tables with the messages that a broker acknowledged: every item stored, rejected, lost or duplicated.

The oracle shares no code with ingest. From topics and payloads it derives the rows that must exist:

- a good reading has a row for its device and time, with each of its values (of two values for one field, either);
- an event has one row for its device, time, name and id, and has raised its one alert;
- an unusable item has a row in `rejection`, with its topic and its content;
- there are no other rows, and the steps of every alert lead to its state, each step once.

A good item that was rejected, because of a wrong clock, is not lost and counted separately. The oracle knows only the
messages of the workload: water meters, their volume and pressure, and the events that each raise one lasting alert.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import psycopg

from workload import COMMUNITY

ALERT_OF_EVENT = {
    "leak_detected": "water_leak",
    "burst_detected": "water_burst",
    "reverse_flow": "water_reverse_flow",
    "frozen": "water_frozen",
    "battery_low": "water_battery_low",
    "magnetic_interference": "water_tampered",
}
_POSSIBLE = {"volume_m3": (0.0, 100_000.0), "pressure_mpa": (0.0, 2.5)}
_STATEMENTS = {
    "rejections": "SELECT topic, payload FROM rejection WHERE topic LIKE %(topics)s",
    "readings": """
        SELECT device.community, device.name, round(extract(epoch FROM ts) * 1000)::bigint, volume_m3, pressure_mpa
        FROM telemetry_water_meter JOIN device ON device.id = device_id
        """,
    "events": """
        SELECT device.community, device.name, round(extract(epoch FROM ts) * 1000)::bigint, event, event.id
        FROM event JOIN device ON device.id = device_id WHERE event NOT IN ('online', 'offline')
        """,
    "alerts": "SELECT device.community, device.name, rule FROM alert JOIN device ON device.id = device_id",
    "steps": """
        SELECT alert.id, alert.process, step.from_state, step.to_state
        FROM alert LEFT JOIN alert_transition AS step ON step.alert_id = alert.id AND step.axis = 'process'
        ORDER BY step.id
        """,
}


class Item(NamedTuple):
    """One item of a message, as its topic and its canonical text."""

    topic: str
    text: str


@dataclass(frozen=True)
class Expected:
    """Rows that must exist, each with the items it comes from."""

    readings: Mapping[tuple[str, str, int], Mapping[str, dict[float, Item]]]
    events: dict[tuple[str, str, int, str, str], Item]
    alerts: dict[tuple[str, str, str], Item]
    refused: set[Item]

    @property
    def rows(self) -> tuple[int, int, int]:
        """Number of readings, of events and of alerts."""
        return len(self.readings), len(self.events), len(self.alerts)


@dataclass
class Verdict:
    """Result of a comparison; `lost` and `doubled` describe each finding."""

    stored: int = 0
    rejected: int = 0
    good_but_rejected: set[Item] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)


def expected(messages: Iterable[tuple[str, bytes]]) -> Expected:
    """Return the rows that messages, as pairs of topic and payload, must lead to."""
    found = Expected(defaultdict(lambda: defaultdict(dict)), {}, {}, set())
    for topic, payload in messages:
        try:
            content = json.loads(payload)
        except ValueError:
            found.refused.add(Item(topic, payload.decode()))
            continue
        for item in content if isinstance(content, list) else [content]:
            _expect(found, Item(topic, _canonical(item)), item)
    return found


def _expect(found: Expected, item: Item, content: dict[str, Any]) -> None:
    _, _, community, _, name, channel = item.topic.split("/")
    if channel == "event":
        found.events[community, name, content["ts"], content["event"], content["id"]] = item
        found.alerts[community, name, ALERT_OF_EVENT[content["event"]]] = item
    elif channel == "telemetry":
        for field_name, value in content["values"].items():
            low, high = _POSSIBLE[field_name]
            if low <= value <= high:
                found.readings[community, name, content["ts"]][field_name][value] = item
            else:
                found.refused.add(item)


def judge(connection: psycopg.Connection, must: Expected) -> Verdict:
    """Compare the expected rows with the tables."""
    verdict = Verdict()
    rejected = {
        Item(topic, _canonical_text(bytes(payload)))
        for topic, payload in connection.execute(_STATEMENTS["rejections"], {"topics": f"anju/v1/{COMMUNITY}/%"})
    }
    ((counted,),) = connection.execute("SELECT coalesce(sum(count), 0) FROM rejection_count")
    _judge_readings(connection.execute(_STATEMENTS["readings"]), must, rejected, verdict)
    for name, keys in (("events", must.events), ("alerts", must.alerts)):
        _judge_keys(name, Counter(connection.execute(_STATEMENTS[name])), keys, rejected, verdict)
    _judge_steps(connection.execute(_STATEMENTS["steps"]), verdict)
    verdict.rejected = len(must.refused & rejected)
    verdict.lost += [f"neither stored nor rejected: {item}" for item in must.refused - rejected]
    verdict.lost += [f"only {counted} rejections are counted"] * (counted < len(rejected))
    verdict.doubled += [f"rejected, but never sent: {item}" for item in _never_sent(rejected - must.refused, must)]
    return verdict


def _judge_readings(rows: Iterable[tuple[Any, ...]], must: Expected, rejected: set[Item], verdict: Verdict) -> None:
    unseen = dict(must.readings)
    for community, name, ts, *stored in rows:
        verdict.stored += 1
        sent = unseen.pop((community, name, ts), {})
        for field_name, value in zip(_POSSIBLE, stored, strict=True):
            where = f"{field_name} of {name} at {ts}"
            if value is None and field_name in sent:
                _miss("value", where, set(sent[field_name].values()), rejected, verdict)
            elif value is not None and value not in sent.get(field_name, ()):
                verdict.doubled.append(f"{where} is {value}, which was never sent, or is stored twice")
    for key, sent in unseen.items():
        _miss("reading", key, {item for values in sent.values() for item in values.values()}, rejected, verdict)


def _judge_keys(
    name: str, stored: Counter[Any], must: Mapping[Any, Item], rejected: set[Item], verdict: Verdict
) -> None:
    verdict.stored += stored.total() if name == "events" else 0
    for key in must.keys() - stored.keys():
        _miss(name, key, {must[key]}, rejected, verdict)
    verdict.doubled += [f"{name}: {key}" for key, times in stored.items() if times > 1 or key not in must]


def _never_sent(rejected: set[Item], must: Expected) -> set[Item]:
    """Return the rejections without the good items, which may be rejected when they came before a clock was set."""
    if rejected:
        rejected -= {item for sent in must.readings.values() for values in sent.values() for item in values.values()}
    return rejected - set(must.events.values())


def _miss(name: str, key: object, items: set[Item], rejected: set[Item], verdict: Verdict) -> None:
    """Note a missing row: as lost, or separately when all its items were rejected."""
    if items <= rejected:
        verdict.good_but_rejected |= items
    else:
        verdict.lost.append(f"{name}: {key}")


def _judge_steps(rows: Iterable[tuple[Any, ...]], verdict: Verdict) -> None:
    """Check that each step of an alert starts at the end of the step before, and the last one ends at its state."""
    walked: dict[tuple[object, str], list[tuple[str, str]]] = defaultdict(list)
    for alert, process, *step in rows:
        walked[alert, process].append((step[0], step[1]))
    for (alert, process), steps in walked.items():
        for before, after in pairwise(steps):
            if after == before:
                verdict.doubled.append(f"a step of alert {alert}: {steps}")
            elif after[0] != before[1]:
                verdict.lost.append(f"a step of alert {alert}: {steps}")
        if steps[-1][1] != ("normal" if process == "ended" else process):
            verdict.lost.append(f"the last step of alert {alert}, which is {process}: {steps}")


def _canonical_text(payload: bytes) -> str:
    try:
        return _canonical(json.loads(payload))
    except ValueError:
        return payload.decode(errors="replace")


def _canonical(content: object) -> str:
    return json.dumps(content, sort_keys=True)
