"""Reader of recorded readings and events from a file, for backtests without a database.

A line is a reading or an event of one device. CSV has the columns `community,kind,device,ts`, optionally `received_at`
and `event`, and one column for each field of the kinds or of the event's data; an empty cell is no value. JSONL has the
same keys, with measured values under `values` or `data` as in a payload. `ts` is epoch milliseconds or RFC 3339 with an
offset. A line without `received_at` arrives at its `ts`.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from devices.catalogue import KIND_BY_NAME
from devices.device import Device
from devices.kind import Counter, DeviceKind, EventField, Flag, Gauge, Value
from devices.privacy import Pseudonymiser
from devices.schema import Refusal, event_data, telemetry_values
from devices.timestamp import TimestampError, parse_timestamp
from devices.topic import IDENTIFIER
from rules.analysis.backtest import Arrival
from rules.language.yaml_document import nearest
from rules.model.rule import RulesError
from rules.model.sample import Sample

_Line = tuple[int, Callable[[], Mapping[str, object]]]
"""The number of a line and its reader."""

_REQUIRED = ("community", "kind", "device", "ts")
_KEYS = (*_REQUIRED, "received_at", "event", "values", "data")
# Hashes of plates and names do not leave the process, so that any key will do.
_PSEUDONYMISER = Pseudonymiser(b"rules that are tried on a file")


class RecordingError(RulesError):
    """A file is invalid; the message names the line and the remedy."""


class _LineError(ValueError):
    """A line is invalid."""


@dataclass(slots=True)
class Recording:
    """Samples of a file in the order of arrival, and the devices by the ids assigned here."""

    arrivals: list[Arrival] = field(default_factory=list)
    devices: dict[int, Device] = field(default_factory=dict)


def read_recording(path: Path) -> Recording:
    """Read a `.csv` or `.jsonl` file.

    Raises:
        RecordingError: The file cannot be read, or a line is invalid.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise RecordingError(f"{path} cannot be read: {reason}") from None
    recording, numbers = Recording(), dict[tuple[str, str], int]()
    if path.suffix == ".csv" and not set(_REQUIRED) <= set(next(csv.reader(text.splitlines()), [])):
        names = ", ".join(_REQUIRED)
        raise RecordingError(f"{path}, line 1: the first line names the columns, separated by commas: {names}, ...")
    for number, read in _csv_lines(text) if path.suffix == ".csv" else _json_lines(text):
        try:
            recording.arrivals.append(_arrival(read(), recording, numbers))
        except ValueError as error:
            raise RecordingError(f"{path}, line {number}: {error}") from None
    recording.arrivals.sort(key=lambda arrival: (arrival.sample.received_at, arrival.sample.ts))
    return recording


def _json_lines(text: str) -> Iterator[_Line]:
    return ((number, partial(_from_json, line)) for number, line in enumerate(text.splitlines(), 1) if line.strip())


def _from_json(line: str) -> Mapping[str, object]:
    content = json.loads(line)
    if isinstance(content, dict):
        return content
    raise _LineError("a line must be a JSON object")


def _csv_lines(text: str) -> Iterator[_Line]:
    rows = csv.DictReader(text.splitlines())
    return ((rows.line_num, partial(_from_csv, row)) for row in rows if any(row.values()))


def _from_csv(row: Mapping[str, str | None]) -> Mapping[str, object]:
    if None in row or None in row.values():
        raise _LineError("a line must have as many cells as the first one names")
    filled = {name: cell.strip() for name, cell in row.items() if cell and cell.strip()}
    plain: dict[str, object] = {name: cell for name, cell in filled.items() if name in _KEYS}
    plain["ts"] = _instant(filled.get("ts"))
    if "received_at" in filled:
        plain["received_at"] = _instant(filled["received_at"])
    plain["data" if "event" in filled else "values"] = {n: c for n, c in filled.items() if n not in _KEYS}
    return _typed(plain)


def _instant(cell: str | None) -> int | str | None:
    return int(cell) if cell and cell.isdecimal() else cell


def _typed(line: dict[str, object]) -> dict[str, object]:
    """Convert the cells of a CSV line to numbers and flags according to the kind."""
    kind = KIND_BY_NAME.get(str(line.get("kind")))
    part = "data" if "event" in line else "values"
    cells = line[part]
    if kind is None or not isinstance(cells, dict):
        return line
    known = {each.name: each for each in _fields(kind, line.get("event"))}
    return {**line, part: {name: _cell(cell, known.get(name)) for name, cell in cells.items()}}


def _fields(kind: DeviceKind, event: object) -> Iterable[EventField]:
    named = kind.event(str(event)) if event is not None else None
    return named.data if named else kind.fields


def _cell(cell: str, known: EventField | None) -> Value:
    match known:
        case Gauge() | Counter():
            try:
                return float(cell)
            except ValueError:
                raise _LineError(f"{known.name} must be a number, not {cell!r}") from None
        case Flag() if cell.lower() in {"true", "false"}:
            return cell.lower() == "true"
        case _:
            return cell


def _arrival(line: Mapping[str, object], recording: Recording, numbers: dict[tuple[str, str], int]) -> Arrival:
    if unknown := [key for key in line if key not in _KEYS]:
        raise _LineError(f"there is no key `{unknown[0]}`{nearest(unknown[0], _KEYS)}")
    for key in ("community", "kind", "device"):
        if not isinstance(line.get(key), str):
            raise _LineError(f"`{key}` is missing")
    for key in ("community", "device"):
        if not IDENTIFIER.fullmatch(str(line[key])):
            raise _LineError(f"`{key}` must match {IDENTIFIER.pattern}, as in topics, not {line[key]!r}")
    kind = KIND_BY_NAME.get(str(line["kind"]))
    if kind is None:
        raise _LineError(f"there is no kind `{line['kind']}`{nearest(str(line['kind']), KIND_BY_NAME)}")
    try:
        ts = parse_timestamp(line.get("ts"))
        received_at = parse_timestamp(line["received_at"]) if "received_at" in line else ts
    except TimestampError as error:
        raise _LineError(str(error)) from None
    device = _device(line, kind, recording, numbers)
    return Arrival(kind.name, _sample(line, kind, device, ts, received_at))


def _device(
    line: Mapping[str, object], kind: DeviceKind, recording: Recording, numbers: dict[tuple[str, str], int]
) -> Device:
    name = str(line["community"]), str(line["device"])
    number = numbers.setdefault(name, len(numbers) + 1)
    device = recording.devices.setdefault(number, Device(number, *name, kind.name))
    if device.kind != kind.name:
        raise _LineError(f"{'/'.join(name)} is a {device.kind} further up, and a {kind.name} here")
    return device


def _sample(
    line: Mapping[str, object], kind: DeviceKind, device: Device, ts: datetime, received_at: datetime
) -> Sample:
    if "event" not in line:
        values = telemetry_values(kind.name, line.get("values"))
        if isinstance(values, Refusal):
            raise _LineError(_detail(values))
        return Sample(device.id, ts, received_at, values)
    event = kind.event(str(line["event"]))
    if event is None:
        known = [each.name for each in kind.events]
        raise _LineError(f"a {kind.name} has no event `{line['event']}`{nearest(str(line['event']), known)}")
    data = event_data(kind.name, event, line.get("data"), _PSEUDONYMISER)
    if isinstance(data, Refusal):
        raise _LineError(_detail(data))
    return Sample(device.id, ts, received_at, {}, event.name, data)


def _detail(refusal: Refusal) -> str:
    return "; ".join(violation.detail for violation in refusal.violations)
