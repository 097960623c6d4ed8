"""Costs of processes from /proc (proc(5)), always including all descendants."""

import os
from collections.abc import Iterator
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cpu_s(root: int) -> float:
    """Return user and system time in seconds, including ended descendants."""
    return sum(sum(map(int, fields[11:15])) for _, fields in _family(root)) / _TICKS_A_SECOND


def resident_bytes(root: int) -> int:
    """Return resident memory in bytes; pages shared by several processes count in each of them."""
    return sum(int(fields[21]) for _, fields in _family(root)) * _PAGE_BYTES


def _family(root: int) -> Iterator[tuple[int, list[str]]]:
    """Return the fields of `stat` from the third on, of a process and its descendants."""
    stats = dict(_stats())
    wanted = {root}
    # A child mostly has a higher id than its parent, but ids wrap around: repeat until no process is added.
    while more := {pid for pid, fields in stats.items() if int(fields[1]) in wanted and pid not in wanted}:
        wanted |= more
    return ((pid, stats[pid]) for pid in wanted if pid in stats)


def _stats() -> Iterator[tuple[int, list[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # the process has ended meanwhile
        yield int(folder.name), text.rpartition(")")[2].split()
