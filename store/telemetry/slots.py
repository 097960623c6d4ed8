"""Reporting periods in which devices sent messages: *slots*, counted from the start of a window.

A message fills one slot at most. It lies inside a slot, or within the tolerance of the edge of two slots and then fills
either of them: clocks that jitter around an edge would otherwise lose every second slot. The tolerance cannot tell
apart the messages at one edge, so they count as one: two readings thirty seconds apart are not two hours. The number
of filled slots is the maximum over all such assignments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from operator import sub

from psycopg import sql

from devices.timestamp import MAX_CLOCK_AHEAD
from store.database import Connection
from store.telemetry.schema import table_name
from store.telemetry.window import Window

_LONGEST_DELAY = timedelta(days=7)
"""Greatest age of a message at its arrival that the query finds. It bounds the scan."""

_MICROSECOND = timedelta(microseconds=1)


class Clock(StrEnum):
    """The clock that a message is counted by: the device's, or the server's at its arrival. Values are column names."""

    DEVICE = "ts"
    ARRIVAL = "received_at"


@dataclass(frozen=True, slots=True)
class SlotQuestion:
    """In how many slots of `period` did each device of `kind` send a message, with a value of `field` if named?"""

    kind: str
    clock: Clock
    period: timedelta
    field: str | None = None


@dataclass(frozen=True, slots=True)
class SlotAnswer:
    """The answer for one device: filled slots, the last message, and the longest time without one."""

    device_id: int
    filled: int
    last_at: datetime
    gap_start: datetime
    gap_end: datetime


def filled_slots(times: Sequence[int], *, period: int, tolerance: int, slots: int) -> int:
    """Return the greatest number of slots that messages can fill.

    In order of time, the earliest free slot of each message is the best one: the slots of a later message begin and
    end no earlier.

    Args:
        times: Ascending times from the start of the first slot; all arguments have the same unit.
        period: Length of a slot.
        tolerance: Distance from an edge within which a message may belong to either slot; less than half a period.
        slots: Number of slots.
    """
    filled, last, edge = 0, -1, None
    for time in times:
        first, final = (time - tolerance) // period, (time + tolerance) // period
        if first < final:
            if final == edge:
                continue
            edge = final
        slot = first if first > last else last + 1
        if slot <= final and slot < slots:
            filled, last = filled + 1, slot
    return filled


def longest_gap(times: Sequence[int], end: int) -> tuple[int, int]:
    """Return the first of the longest times without a message, between 0, the ascending times, and the end."""
    before, after = [0, *times], [*times, end]
    lengths = list(map(sub, after, before))
    longest = lengths.index(max(lengths))
    return before[longest], after[longest]


_MESSAGES = """
SELECT device_id, array_agg((date_part('epoch', {clock} - %(start)s::timestamptz) * 1000000)::bigint) AS times
FROM {table}
WHERE device_id = ANY (%(devices)s)
  AND ts >= %(oldest)s AND ts < %(newest)s
  AND {clock} >= %(start)s - %(tolerance)s::interval AND {clock} < %(end)s + %(tolerance)s::interval
  AND {present}
GROUP BY device_id
"""


def read_slots(
    connection: Connection, devices: Sequence[int], window: Window, question: SlotQuestion, tolerance: Decimal
) -> tuple[SlotAnswer, ...]:
    """Return the answers for those of the devices, given by id, that sent messages.

    The database collects the times of each device and this process sorts them: sorting all rows by device in the
    database takes twice as long.
    """
    stray = question.period * float(tolerance)
    query = sql.SQL(_MESSAGES).format(
        table=sql.Identifier(table_name(question.kind)),
        clock=sql.Identifier(question.clock),
        present=sql.SQL("{} IS NOT NULL").format(sql.Identifier(question.field)) if question.field else sql.SQL("true"),
    )
    parameters = {
        "devices": list(devices),
        "start": window.start,
        "end": window.end,
        "oldest": window.start - stray - (_LONGEST_DELAY if question.clock is Clock.ARRIVAL else timedelta(0)),
        "newest": window.end + stray + (MAX_CLOCK_AHEAD if question.clock is Clock.ARRIVAL else timedelta(0)),
        "tolerance": stray,
    }
    connection.execute("SET LOCAL work_mem = '64MB'")
    with connection.cursor() as cursor:
        return tuple(
            _answer(device, sorted(times), window, question.period, stray)
            for device, times in cursor.stream(query, parameters, binary=True)
        )


def _answer(device: int, times: Sequence[int], window: Window, period: timedelta, stray: timedelta) -> SlotAnswer:
    def at(time: int) -> datetime:
        return window.start + time * _MICROSECOND

    gap_start, gap_end = longest_gap(times, window.length // _MICROSECOND)
    filled = filled_slots(
        times, period=period // _MICROSECOND, tolerance=stray // _MICROSECOND, slots=window.length // period
    )
    return SlotAnswer(device, filled, at(times[-1]), at(gap_start), at(gap_end))
