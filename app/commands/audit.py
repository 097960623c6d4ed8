"""`anju audit`: proof that the audit log is unchanged, and its copy off the machine."""

import json
import os
import sys
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from app.output import Exit, fail, say, say_json
from app.settings import Settings
from store.admin.audit_chain import START, ChainedRow, ChainReport, Head, check_chain, contains, read_chain, read_head
from store.database import Connection, connect, translated_errors

_MINIMUM_DAYS = 180  # GB/T 22239-2019, 8.1.4.3: six months


def verify(
    export: Annotated[
        list[Path] | None, typer.Option(help="an export that the log has to agree with; may be given several times")
    ] = None,
    head: Annotated[
        list[str] | None, typer.Option(metavar="ID:HASH", help="a row that the log has to hold, from a worker's log")
    ] = None,
    *,
    offline: Annotated[bool, typer.Option("--offline", help="check the exports alone, without a database")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="answer in JSON")] = False,
) -> None:
    """Prove that no row of the audit log was changed, put in or taken out; exit code 1 names the first broken row.

    The chain alone can't show that its newest rows were cut off. Exports, and the heads in the log of the worker, can:
    keep them on another machine.

    Example: anju audit verify --export audit-2026-11.jsonl
    """
    reports = {str(path): check_chain(_read_file(path)) for path in export or ()}
    if offline:
        if not reports:
            raise fail("nothing to check: --offline needs --export FILE", Exit.USAGE)
    else:
        known = [[Head(row.id, row.hash) for row in _read_file(path)] for path in export or ()]
        known += [[_parse_head(text)] for text in head or ()]
        with translated_errors(), closing(_connect()) as connection:
            reports["database"] = _check_database(connection, known)
    if as_json:
        say_json([{"source": source, **_flat(report)} for source, report in reports.items()])
    else:
        for source, report in reports.items():
            say(f"{source}: {_sentence(report)}")
    if any(report.broken is not None for report in reports.values()):
        raise fail("", Exit.REFUSED)


def export(
    out: Annotated[Path | None, typer.Option(help="a new file, mode 600; by default standard output")] = None,
    days: Annotated[int, typer.Option(min=1, help="how many days back")] = _MINIMUM_DAYS,
) -> None:
    """Write the audit log as JSON Lines with the hashes of its chain, for a copy on another machine.

    `anju audit verify --export FILE --offline` checks the file without a database. Export at least
    monthly: a copy out of reach of this machine shows whether rows were cut off later.

    Example: anju audit export --days 180 --out audit-2026-11.jsonl
    """
    since = datetime.now(UTC) - timedelta(days=days)
    with translated_errors(), closing(_connect()) as connection:
        lines = (json.dumps(row._asdict(), ensure_ascii=False) for row in read_chain(connection, since))
        if out is None:
            sys.stdout.writelines(f"{line}\n" for line in lines)
            return
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    say(f"{out}: {_sentence(check_chain(_read_file(out)))}")


def _connect() -> Connection:
    return connect(Settings.load().need("database_url"), application_name="anju audit")


def _check_database(connection: Connection, known: list[list[Head]]) -> ChainReport:
    """Check the stored chain, its end against the recorded head, and the rows of other chains against it."""
    before = read_head(connection)
    report = check_chain(read_chain(connection))
    if report.broken is not None:
        return report
    after = read_head(connection)  # the log may have grown meanwhile
    if report.head.id > after.id:
        return replace(report, broken=after.id + 1)
    if report.head.id < before.id or not contains(connection, before):
        return replace(report, broken=report.head.id + 1)
    lost = [row for rows in known if (row := _first_lost(connection, rows)) is not None]
    return replace(report, broken=min(lost)) if lost else report


def _first_lost(connection: Connection, rows: list[Head]) -> int | None:
    """Return the first row that the log does not hold: where it holds one, it holds all before it."""
    at = bisect_left(rows, True, key=lambda row: not contains(connection, row))
    return rows[at].id if at < len(rows) else None


def _read_file(path: Path) -> Iterator[ChainedRow]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = ChainedRow(**json.loads(line))
                bytes.fromhex(row.previous)
            except (TypeError, ValueError):
                raise fail(f"{path}, line {number} is no line of `anju audit export`", Exit.REFUSED) from None
            yield row


def _parse_head(text: str) -> Head:
    number, _, digits = text.partition(":")
    if not number.isdecimal() or len(digits) != len(START) or set(digits) - set("0123456789abcdef"):
        raise fail(f"--head {text} must read ID:HASH, the hash with 64 hexadecimal digits", Exit.USAGE)
    return Head(int(number), digits)


def _sentence(report: ChainReport) -> str:
    if report.broken is not None:
        return f"broken at row {report.broken}: it was changed or is missing, or a row before it is"
    if report.rows == 0:
        return "no rows"
    return f"{report.rows} rows, unbroken; head {report.head.id}:{report.head.hash}"


def _flat(report: ChainReport) -> dict[str, object]:
    return {"rows": report.rows, "head": report.head._asdict(), "broken": report.broken}
