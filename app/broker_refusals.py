"""Refusals of the broker as findings of `anju doctor`."""

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.finding import Finding
from ingest.broker_log import Refusal, RefusalReason, refusals
from local.log_files import earlier

_SINCE = timedelta(days=1)
_NAMED = 3
# A device without permission that publishes ten times a second writes 100 MB a day.
_LOG_END = 64 * 2**20


def refusal_findings(logs: list[str]) -> list[Finding]:
    """Return a note for each reason of the last day for which the broker refused messages or logins.

    Args:
        logs: Log files of NATS Server, `-` for standard input.
    """
    groups: defaultdict[RefusalReason, list[Refusal]] = defaultdict(list)
    try:
        for refusal in refusals(_lines(logs), datetime.now(UTC) - _SINCE):
            groups[refusal.reason].append(refusal)
    except OSError as error:
        return [Finding("broker log", good=False, detail=f"{error.filename} can't be read: {error.strerror}")]
    return [_finding(reason, group) for reason, group in groups.items()]


def _finding(reason: RefusalReason, group: list[Refusal]) -> Finding:
    newest = "; ".join(_describe(refusal) for refusal in group[:_NAMED])
    detail = f"in the last day {sum(refusal.count for refusal in group)} {reason}; newest: {newest}"
    name = reason.name.lower()
    figures = {"refusals": [{**asdict(refusal), "reason": name} for refusal in group]}
    return Finding(f"refused {name}", good=True, detail=detail, figures=figures, note=True)


def _describe(refusal: Refusal) -> str:
    topic = f" to {refusal.topic}" if refusal.topic else ""
    return f"client {refusal.client!r}{topic}, last at {refusal.newest:%F %T}"


def _lines(logs: list[str]) -> Iterator[str]:
    """Yield the lines of log files with their last rotated part, `-` for standard input; of a long file its end."""
    for name in logs:
        if name == "-":
            yield from sys.stdin
            continue
        rotated = earlier(Path(name))
        for file in (*([rotated] if rotated.exists() else []), Path(name)):
            with file.open("rb") as log:
                log.seek(max(0, file.stat().st_size - _LOG_END))
                yield from (line.decode(errors="replace") for line in log)
