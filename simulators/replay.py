"""Recorded meters through the real broker: the DAIAD trial, 92 household water meters over a year.

The data is DAIAD's (repository DAIAD/data, licence CC BY-SA 4.0); name the source wherever it is shown.

Its times are local to the trial, in Alicante, without an offset. In the night to 30 October 2016 the hour from 02:00
came twice. The file keeps the order of each meter, so a row of that hour that is not later than the meter's row before
it belongs to the second pass. This needs no look ahead, gives every row of the trial an instant of its own, and moves
no row of any other hour. A time that the spring change leaves out would be read with the offset before the change.
"""

import csv
import io
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from devices.topic import IDENTIFIER, Channel, Topic
from simulators.community_plan import CommunityPlan
from simulators.message import Message, payload_of, to_json

COMMUNITY = "daiad-trial-a"
SOURCE = "DAIAD trial A (github.com/DAIAD/data), CC BY-SA 4.0"
_KIND = "water_meter"
_ZONE = ZoneInfo("Europe/Madrid")
_COLUMNS = ["user key", "datetime", "meter reading", "diff"]
_FORMAT = "%d/%m/%Y %H:%M:%S"


class ReplayError(Exception):
    """The recorded file can't be read; the message names the file, the line and what is expected."""


class Row(NamedTuple):
    """One recorded reading: the meter, the instant in UTC, and the register in litres.

    `repeated` marks the second pass of an hour that came twice.
    """

    device: str
    at: datetime
    litres: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class ReplayCount:
    """What a recorded file holds; every row is one of `distinct`, `duplicates_same` and `duplicates_other`.

    A duplicate repeats the meter and the instant of an earlier row, with the same value or another one. `out_of_order`
    counts the rows earlier than the meter's row before, `decreases` those with a lower register, `repeated_hour` the
    rows of the second pass of an hour that came twice.
    """

    rows: int
    devices: int
    distinct: int
    duplicates_same: int
    duplicates_other: int
    out_of_order: int
    decreases: int
    repeated_hour: int


def read_daiad(path: Path) -> Iterator[Row]:
    """Read the trial's CSV, bare or zipped, row by row in the order of the file.

    Raises:
        ReplayError: the file is missing or is not the trial's CSV.
    """
    with _opened(path) as file:
        lines = csv.reader(file, delimiter=";")
        if next(lines, None) != _COLUMNS:
            raise ReplayError(f"{path} is not a DAIAD recording: its first line must be {';'.join(_COLUMNS)}")
        before: dict[str, datetime] = {}
        for number, line in enumerate(lines, start=2):
            try:
                row = _row(line, before)
            except (ValueError, InvalidOperation) as error:
                raise ReplayError(
                    f"{path}, line {number}: expected meter;dd/mm/yyyy HH:MM:SS;litres;difference ({error})"
                ) from error
            yield row


def plan_of_recording(rows: Iterable[Row]) -> CommunityPlan:
    """What the registry must know before the recording is sent: the community, named by its source, and its meters."""
    return CommunityPlan(
        community={"community": COMMUNITY, "name": SOURCE, "banner": "Alicante", "street": "DAIAD"},
        households=[],
        devices=[
            {"community": COMMUNITY, "device": device, "kind": _KIND, "simulated": "false"}
            for device in dict.fromkeys(row.device for row in rows)
        ],
    )


def messages(rows: Iterable[Row], batch: int = 1) -> Iterator[Message]:
    """The rows as messages of up to `batch` readings of one meter; each meter keeps the order of the file.

    Raises:
        ValueError: the batch is not between 1 and 2000, which is what a payload can hold.
    """
    if not 1 <= batch <= 2_000:
        raise ValueError("a batch holds 1 to 2000 readings: a payload may have 256 KiB")
    waiting: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        waiting[row.device].append(row)
        if len(waiting[row.device]) == batch:
            yield _message(waiting.pop(row.device))
    for rest in waiting.values():
        yield _message(rest)


def summarise(rows: Iterable[Row]) -> ReplayCount:
    """Count what sending the rows must lead to."""
    values: dict[str, dict[datetime, int]] = defaultdict(dict)
    last: dict[str, Row] = {}
    seen = Counter[str]()
    for row in rows:
        seen["rows"] += 1
        seen["repeated_hour"] += row.repeated
        first = values[row.device].setdefault(row.at, row.litres)
        if row.device in last:
            seen["out_of_order"] += row.at < last[row.device].at
            seen["decreases"] += row.litres < last[row.device].litres
        seen["other"] += first != row.litres
        last[row.device] = row
    distinct = sum(map(len, values.values()))
    return ReplayCount(
        rows=seen["rows"],
        devices=len(values),
        distinct=distinct,
        duplicates_same=seen["rows"] - distinct - seen["other"],
        duplicates_other=seen["other"],
        out_of_order=seen["out_of_order"],
        decreases=seen["decreases"],
        repeated_hour=seen["repeated_hour"],
    )


def _row(line: Sequence[str], before: dict[str, datetime]) -> Row:
    """One row; `before` is the local time of each meter's row before, and is brought up to date."""
    device, time, litres, _ = line
    device = device.lower()
    if not IDENTIFIER.fullmatch(device):
        raise ValueError(f"a meter is named by {IDENTIFIER.pattern}")
    # Round values stand in the file as 4e+05.
    value = Decimal(litres)
    if not value.is_finite() or value != value.to_integral_value() or value < 0:
        raise ValueError("litres are whole numbers from 0")
    local = datetime.strptime(time, _FORMAT).replace(tzinfo=_ZONE)
    second = local.replace(fold=1)
    repeated = second.utcoffset() != local.utcoffset() and device in before and _second_pass(local, before[device])
    local = second if repeated else local
    before[device] = local
    return Row(device, local.astimezone(UTC), int(value), repeated)


def _second_pass(local: datetime, before: datetime) -> bool:
    """Whether a time of a repeated hour belongs to its second pass, given the meter's row before."""
    return before.fold == 1 or local.replace(tzinfo=None) <= before.replace(tzinfo=None)


def _message(rows: Sequence[Row]) -> Message:
    items = (
        to_json({"ts": int(row.at.timestamp()) * 1000, "values": {"volume_m3": row.litres / 1000}}) for row in rows
    )
    return Message(rows[-1].at, str(Topic(COMMUNITY, _KIND, rows[0].device, Channel.TELEMETRY)), payload_of(items))


@contextmanager
def _opened(path: Path) -> Iterator[io.TextIOBase]:
    """The CSV as text, out of its archive if it is in one."""
    if not path.is_file():
        raise ReplayError(f"{path} does not exist: give the path of the DAIAD recording, a .zip or .csv file")
    if path.suffix != ".zip":
        with path.open(encoding="utf-8", newline="") as file:
            yield file
        return
    if not zipfile.is_zipfile(path):
        raise ReplayError(f"{path} is not a zip archive: copy it again, or give the CSV file itself")
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".csv")]
        if len(names) != 1:
            raise ReplayError(f"{path} must hold exactly one CSV file, not {len(names)}")
        with archive.open(names[0]) as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="") as file:
            yield file
