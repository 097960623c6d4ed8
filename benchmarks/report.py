"""Figures for people: medians with their spread, and sections of documents that a measurement writes itself."""

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
    """The median, with the least and the greatest in brackets; of a single value just that."""
    if len(values) == 1:
        return f"{values[0]:,.{digits}f}"
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@cache
def machine() -> str:
    """What it was measured on, as one sentence; asked once, as every table that is written dirties the work tree."""
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
    """The table of a section with these rows in it: each in place of the one that begins alike, or behind the others.

    So what is measured in parts becomes one table. Where the section's table has other columns, it begins anew.
    """
    rests = (line.removeprefix("| ").removesuffix(" |") for line in section.splitlines() if line.startswith("| "))
    lines = [rest.split(" | ") for rest in rests]
    old = lines[2:] if lines and lines[0] == list(head) else []
    return table(head, {row[0]: row for row in [*old, *rows]}.values())


def publish(name: str, text: str) -> None:
    """Print what was measured, and write it into docs/performance.md."""
    sys.stdout.write(text + "\n")
    write_section(PERFORMANCE, name, text)


def write_section(document: Path, name: str, text: str) -> None:
    """Put `text` between the document's markers of that name.

    Raises:
        ValueError: the document has no such markers.
    """
    before, _, after = _parts(document, name)
    document.write_text(f"{before}\n{text.strip()}\n\n{after}")


def write_rows(document: Path, name: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str) -> None:
    """Put rows into the table between the document's markers of that name, and a note above it.

    Raises:
        ValueError: the document has no such markers.
    """
    _, section, _ = _parts(document, name)
    write_section(document, name, f"{note}\n\n{merged(section, head, rows)}")


def _parts(document: Path, name: str) -> tuple[str, str, str]:
    """What stands before, between and after the markers; they belong to the first and the last."""
    begin, end = f"<!-- written by {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = document.read_text().partition(begin)
    section, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{document} lacks the lines {begin.strip()} and {end}; put them where the figures belong")
    return before + begin, section, end + after
