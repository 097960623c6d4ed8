"""Figures for people: medians with their spread, and sections of documents that a measurement writes itself."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

PERFORMANCE = Path(__file__).parent.parent / "docs" / "performance.md"


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The median, with the least and the greatest in brackets."""
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine() -> str:
    """What it was measured on, as one sentence."""
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


def publish(name: str, text: str) -> None:
    """Print what was measured, and write it into docs/performance.md."""
    sys.stdout.write(text + "\n")
    write_section(PERFORMANCE, name, text)


def write_section(document: Path, name: str, text: str) -> None:
    """Put `text` between the document's markers of that name.

    Raises:
        ValueError: the document has no such markers.
    """
    begin, end = f"<!-- written by {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = document.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{document} lacks the lines {begin.strip()} and {end}; put them where the figures belong")
    document.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}")
