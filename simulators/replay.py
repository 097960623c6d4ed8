"""Replay of recorded meters through the real broker: the DAIAD trial, 92 household water meters over a year.

The data belongs to DAIAD (repository DAIAD/data, licence CC BY-SA 4.0); name the source wherever the data is shown.

The times are local to the trial, in Alicante, without an offset. In the night to 30 October 2016 the hour from 02:00
came twice. The file keeps the order of each meter. A row of that hour therefore belongs to the second pass if it is not
later than the previous row of its meter. This rule needs no look ahead, gives every row of the trial an instant of its
own, and moves no row of any other hour. A time skipped in spring would be read with the offset before the change.
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
from simulators.message import Message, encode_payload, to_json

COMMUNITY = "daiad-trial-a"
SOURCE = "DAIAD trial A (github.com/DAIAD/data), CC BY-SA 4.0"
_KIND = "water_meter"
_ZONE = ZoneInfo("Europe/Madrid")
_COLUMNS = ["user key", "datetime", "meter reading", "diff"]
_FORMAT = "%d/%m/%Y %H:%M:%S"


class ReplayError(Exception):
    """The recording can't be read; the message names the file, the line and the expected form."""


class Row(NamedTuple):
    """One recorded reading: the meter, the instant in UTC, and the register in litres.

    `repeated` marks the second pass of a repeated hour.
    """

    device: str
    at: datetime
    litres: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class ReplayCount:
    """Counts of the rows of a recording, each of them `distinct`, `duplicates_same` or `duplicates_other`.

    A duplicate repeats the meter and the instant of an earlier row, with the same value or another one. `out_of_order`
    counts rows earlier than the previous row of the meter, and `decreases` rows with a lower register than that.
    `repeated_hour` counts rows in the second pass of a repeated hour.
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
    """Read the CSV file of the trial, plain or zipped, row by row in the order of the file.

    Raises:
        ReplayError: the file is missing, or is not the CSV file of the trial.
    """
    with _open_csv(path) as file:
        lines = csv.reader(file, delimiter=";")
        if next(lines, None) != _COLUMNS:
            raise ReplayError(f"{path} is not a DAIAD recording: its first line must be {';'.join(_COLUMNS)}")
        previous: dict[str, datetime] = {}
        for number, line in enumerate(lines, start=2):
            try:
                row = _parse_row(line, previous)
            except (ValueError, InvalidOperation) as error:
                raise ReplayError(
                    f"{path}, line {number}: expected meter;dd/mm/yyyy HH:MM:SS;litres;difference ({error})"
                ) from error
            yield row


def plan_of_recording(rows: Iterable[Row]) -> CommunityPlan:
    """Return the community, named by its source, and its meters, to be registered before the replay."""
    return CommunityPlan(
        community={"community": COMMUNITY, "name": SOURCE, "banner": "Alicante", "street": "DAIAD"},
        households=[],
        devices=[
            {"community": COMMUNITY, "device": device, "kind": _KIND, "simulated": "false"}
            for device in dict.fromkeys(row.device for row in rows)
        ],
    )


def messages(rows: Iterable[Row], batch: int = 1) -> Iterator[Message]:
    """Yield the rows as messages of up to `batch` readings of one meter; each meter keeps the order of the file.

    Raises:
        ValueError: the batch is not between 1 and 2000, the capacity of a payload.
    """
    if not 1 <= batch <= 2_000:
        raise ValueError("a batch holds 1 to 2000 readings: a payload may have 256 KiB")
    pending: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        pending[row.device].append(row)
        if len(pending[row.device]) == batch:
            yield _message(pending.pop(row.device))
    for rest in pending.values():
        yield _message(rest)


def summarise(rows: Iterable[Row]) -> ReplayCount:
    """Count the rows by the outcome that sending them must have."""
    values: dict[str, dict[datetime, int]] = defaultdict(dict)
    last: dict[str, Row] = {}
    counts = Counter[str]()
    for row in rows:
        counts["rows"] += 1
        counts["repeated_hour"] += row.repeated
        first = values[row.device].setdefault(row.at, row.litres)
        if row.device in last:
            counts["out_of_order"] += row.at < last[row.device].at
            counts["decreases"] += row.litres < last[row.device].litres
        counts["other"] += first != row.litres
        last[row.device] = row
    distinct = sum(map(len, values.values()))
    return ReplayCount(
        rows=counts["rows"],
        devices=len(values),
        distinct=distinct,
        duplicates_same=counts["rows"] - distinct - counts["other"],
        duplicates_other=counts["other"],
        out_of_order=counts["out_of_order"],
        decreases=counts["decreases"],
        repeated_hour=counts["repeated_hour"],
    )


def _parse_row(line: Sequence[str], previous: dict[str, datetime]) -> Row:
    """Parse one row; `previous` holds the local time of the last row of each meter, and is updated."""
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
    repeated = (
        second.utcoffset() != local.utcoffset() and device in previous and _is_second_pass(local, previous[device])
    )
    local = second if repeated else local
    previous[device] = local
    return Row(device, local.astimezone(UTC), int(value), repeated)


def _is_second_pass(local: datetime, previous: datetime) -> bool:
    """Return whether a time of a repeated hour belongs to its second pass, given the previous row of the meter."""
    return previous.fold == 1 or local.replace(tzinfo=None) <= previous.replace(tzinfo=None)


def _message(rows: Sequence[Row]) -> Message:
    items = (
        to_json({"ts": int(row.at.timestamp()) * 1000, "values": {"volume_m3": row.litres / 1000}}) for row in rows
    )
    return Message(rows[-1].at, str(Topic(COMMUNITY, _KIND, rows[0].device, Channel.TELEMETRY)), encode_payload(items))


@contextmanager
def _open_csv(path: Path) -> Iterator[io.TextIOBase]:
    """Open the CSV file as text, inside its archive if there is one."""
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
