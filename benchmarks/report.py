"""Figures for people: medians with their spread, and sections of documents written by a measurement."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from statistics import median

PERFORMANCE = Path(__file__).parent.parent / "docs" / "performance.md"


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Return the median with minimum and maximum in brackets, or a single value alone."""
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}"
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@cache
def machine() -> str:
    """Return hardware and versions as one sentence; cached, since each written table makes the work tree dirty."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    version = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607
        capture_output=True, text=True, check=False, cwd=PERFORMANCE.parent,
    ).stdout.strip()  # fmt: skip
    return (
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), {memory_gb:.0f} GB, Linux "
        f"{platform.release()}, Python {platform.python_version()}; Anju {version or 'without git'}"
    )


def merged(section: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return the table of a section with these rows; a row replaces the one with the same first cell, or is appended.

    Measurements in parts thus fill one table. A section with other columns is replaced.
    """
    rests = (line.removeprefix("| ").removesuffix(" |") for line in section.splitlines() if line.startswith("| "))
    lines = [rest.split(" | ") for rest in rests]
    old = lines[2:] if lines and lines[0] == list(head) else []
    return table(head, {row[0]: row for row in [*old, *rows]}.values())


def publish(name: str, text: str) -> None:
    """Print a result, and write it into docs/performance.md."""
    sys.stdout.write(text + "\n")
    write_section(PERFORMANCE, name, text)


def write_section(document: Path, name: str, text: str) -> None:
    """Write `text` between the document's markers of that name.

    Raises:
        ValueError: The document lacks the markers.
    """
    before, _, after = _parts(document, name)
    document.write_text(f"{before}\n{text.strip()}\n\n{after}")


def write_rows(document: Path, name: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str) -> None:
    """Write rows into the table between the document's markers of that name, with a note above it.

    Raises:
        ValueError: The document lacks the markers.
    """
    _, section, _ = _parts(document, name)
    write_section(document, name, f"{note}\n\n{merged(section, head, rows)}")


def _parts(document: Path, name: str) -> tuple[str, str, str]:
    """Return the text up to, between and from the markers on."""
    begin, end = f"<!-- written by {name} -->\n", f"<!-- end of {name} -->"
    before, has_begin, rest = document.read_text().partition(begin)
    section, has_end, after = rest.partition(end)
    if not has_begin or not has_end:
        raise ValueError(f"{document} lacks the lines {begin.strip()} and {end}; put them where the figures belong")
    return before + begin, section, end + after
