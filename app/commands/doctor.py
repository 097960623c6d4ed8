"""`anju doctor`: the working and the failing parts of an installation."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from app.broker_refusals import refusal_findings
from app.commissioning import commission
from app.disk_findings import backup_finding, disk_findings, free_space, full_disk
from app.finding import Finding
from app.output import Exit, Json, fail, say, say_json
from app.registry_finding import registry_finding
from app.rule_files import rules_folder
from app.settings import Settings, parse_disks
from app.spool_findings import spool_finding
from ingest.broker_check import probe_broker, unreceived_topic
from ingest.broker_client import BrokerUnavailableError
from rules.language.loader import RuleFileError, load_rules
from store.admin.disks import disk_reports
from store.admin.locks import LockHolder, PartitionState, dispatcher, partition_count, partition_states
from store.admin.readiness import missing_schema
from store.admin.roles import Role
from store.database import Connection, DatabaseUnavailableError, NewerDatabaseError, connect
from store.notices.statistics import channel_figures, notice_backlog
from store.telemetry.rejections import RejectionFilter, count_by_reason, list_rejections

_STALE_S = 15.0
_RECENT = timedelta(days=1)
# The fields of a report by their keys in the output.
_REPORTED = {
    "host": "host", "pid": "pid", "owner_since": "owner_since", "committed_at": "committed_at",
    "present_at": "caught_up_at", "buffered": "buffered",
}  # fmt: skip


def doctor(
    *,
    device: Annotated[
        str | None, typer.Option(help="show what this device, COMMUNITY/DEVICE, sent of late and why it was refused")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="with --device: go on until Ctrl-C")] = False,
    broker_log: Annotated[
        str | None,
        typer.Option(
            metavar="FILE[,FILE]", help="log of NATS Server, `-` for standard input; by default ANJU_BROKER_LOG"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at settings, database, schema, ingest, broker, disks and rules; exit code 1 if anything is wrong.

    A line that begins with `note` tells of a device at fault; Anju itself is well.

    With --device it shows one device, in Chinese for the installer: its readings and rejections of the last ten
    minutes, and the logins and messages that the broker refused.

    Example: anju doctor --device yangguang/b01-main-water --watch
    """
    settings = Settings.load()
    logs = broker_log or settings.broker_log
    if device:
        commission(settings.need("database_url"), device, logs, watch=watch)
        return
    if watch:
        raise fail("--watch goes with --device COMMUNITY/DEVICE", Exit.USAGE)
    checks: tuple[Callable[[Settings], list[Finding]], ...] = (_database, _broker, _rules)
    findings = [finding for check in checks for finding in check(settings)]
    findings += refusal_findings(logs.split(",")) if logs else []
    if as_json:
        say_json([_flat(finding) for finding in findings])
    else:
        for finding in findings:
            say(f"{finding.mark:4} {finding.name}: {finding.detail}")
    if not all(finding.good for finding in findings):
        raise fail("", Exit.REFUSED)


def _flat(finding: Finding) -> dict[str, Any]:
    columns = asdict(finding)
    figures: dict[str, Any] = columns.pop("figures")
    return {**columns, **figures}


def _database(settings: Settings) -> list[Finding]:
    disks = parse_disks(settings.disks) if settings.disks else {}
    try:
        with closing(connect(settings.need("database_url"), application_name="anju doctor")) as connection:
            missing = missing_schema(connection)
            contents = [] if missing else _contents(connection, disks, datetime.now(UTC))
    except (DatabaseUnavailableError, NewerDatabaseError) as error:
        full = full_disk(disks, "database", datetime.now(UTC))
        return [
            Finding("database", good=False, detail=f"{full}: {error}" if full else str(error)),
            *disk_findings(disks, (), datetime.now(UTC)),
        ]
    schema = f"`anju migrate` has still to make {', '.join(missing)}" if missing else "of this version"
    answers = f"answers{free_space(disks, 'database', datetime.now(UTC))}"
    return [Finding("database", good=True, detail=answers), Finding("schema", not missing, schema), *contents]


def _contents(connection: Connection, disks: Mapping[str, Path], now: datetime) -> list[Finding]:
    """Return the findings about the contents of a database of this version."""
    partitions = partition_states(connection)
    return [
        *(_ingest(state, len(partitions), now) for state in partitions),
        registry_finding(connection),
        spool_finding(connection, now),
        *_notices(connection, now),
        _rejections(connection, now),
        *disk_findings(disks, disk_reports(connection), now),
        backup_finding(connection, now),
    ]


def _rejections(connection: Connection, now: datetime) -> Finding:
    """Return how many messages and fields could not be used of late, and the newest of them."""
    counts = count_by_reason(connection, now - _RECENT)
    figures: dict[str, Any] = {"rejections": counts}
    if not counts:
        return Finding("rejections", good=True, detail="none in the last day", figures=figures)
    by_reason = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    detail = f"in the last day {by_reason}"
    if newest := list_rejections(connection, RejectionFilter(), None, 1):
        (last,) = newest
        sender = f"{last.community}/{last.device}" if last.device else last.topic
        detail += f"; newest at {last.last_received_at:%F %T %Z} of {sender}: {last.detail}"
    return Finding("rejections", good=True, detail=f"{detail}; see `anju rejections`", figures=figures, note=True)


def _notices(connection: Connection, now: datetime) -> list[Finding]:
    """Return whether a dispatcher sends notices, and the channels that fail."""
    holder, waiting = dispatcher(connection), notice_backlog(connection, now)
    figures = {"queued": waiting.queued, "overdue_since": waiting.overdue_since}
    if holder is None:
        return [Finding("notices", False, "no worker sends notices: start `anju worker`, or read its log", figures)]
    if not holder.is_part(Role.WORKER, "anju worker"):
        return [_stranger("notices", holder, figures)]
    failing = [
        Finding(f"notices {each.channel}", False, f"{each.last_error}; tried again at {each.retry_at:%F %T %Z}")
        for each in channel_figures(connection)
        if each.retry_at
    ]
    where = f"sent from {holder.address or 'this machine'}"
    return [Finding("notices", True, f"{where}, {waiting.queued} waiting", figures), *failing]


def _stranger(name: str, holder: LockHolder, figures: dict[str, Any]) -> Finding:
    """Return that a session holds the lock of a part that it does not belong to."""
    advice = f"nothing goes on until it ends: SELECT pg_terminate_backend({holder.backend})"
    figures = {**figures, "held_by": asdict(holder)}
    return Finding(name, False, f"the lock is held by {holder}, which is no part of Anju; {advice}", figures)


def _ingest(state: PartitionState, count: int, now: datetime) -> Finding:
    """Return the owner of a partition, and its lag."""
    name = f"ingest {state.partition}" if count > 1 else "ingest"
    report = state.report
    behind = _seconds(now, report.caught_up_at) if report and not (state.owned and report.caught_up) else 0.0
    figures = {
        "partition": state.partition,
        "partitions": count,
        "owned": state.owned,
        "live": state.owned and report is not None and report.caught_up,
        "behind_s": behind,
        **({key: getattr(report, name) for key, name in _REPORTED.items()} if report else {}),
    }
    if state.holder is None:
        option = f" --partitions {count}" if count > 1 else ""
        last = (
            f", {_how_far(behind)}, last at work on {report.host} at {report.committed_at:%F %T %Z}" if report else ""
        )
        return Finding(name, False, f"no ingest receives{last}: start `anju ingest{option}`, or read its log", figures)
    if not state.holder.is_part(Role.INGEST, "anju ingest"):
        return _stranger(name, state.holder, figures)
    if report is None:
        return Finding(name, True, f"at work on {state.holder.address or 'this machine'}, not yet reported", figures)
    who = f"at work on {report.host}, process {report.pid}, since {report.owner_since:%F %T %Z}"
    since_commit_s = (now - report.committed_at).total_seconds()
    if since_commit_s > _STALE_S:
        advice = "it is stuck or its machine is: look at its log, end the process"
        return Finding(name, False, f"{who}, no commit for {since_commit_s:.0f} s: {advice}", figures)
    return Finding(name, True, f"{who}, {_how_far(behind)}, {report.buffered} messages in memory", figures)


def _seconds(now: datetime, then: datetime | None) -> float | None:
    return None if then is None else round(max(0.0, (now - then).total_seconds()), 1)


def _how_far(behind_s: float | None) -> str:
    if behind_s is None:
        return "behind since its first start"
    return f"{behind_s:.0f} s behind" if behind_s else "up to date"


def _broker(settings: Settings) -> list[Finding]:
    url = settings.need("mqtt_url")
    try:
        probe_broker(url)
        count = _partitions_in_force(settings)
        stray = unreceived_topic(url, count) if count else None
    except BrokerUnavailableError as error:
        return [Finding("broker", good=False, detail=str(error))]
    if stray:
        loss = f"a message has come under {stray}, which no ingest takes: the broker has to map to {count} partition(s)"
        return [Finding("broker", good=False, detail=f'{loss}, see "Partitions" in docs/operations.md')]
    return [Finding("broker", good=True, detail="accepts the account of ingest")]


def _partitions_in_force(settings: Settings) -> int | None:
    """Return the number of partitions; None without a usable database, which is another finding."""
    try:
        with closing(connect(settings.need("database_url"), application_name="anju doctor")) as connection:
            return partition_count(connection)
    except (DatabaseUnavailableError, NewerDatabaseError):
        return None


def _rules(settings: Settings) -> list[Finding]:
    try:
        pack = load_rules(rules_folder(settings.rules_dir))
    except RuleFileError as error:
        return [Finding("rules", good=False, detail=str(error))]
    return [Finding("rules", good=True, detail=f"{len(pack.rules)} rules, all examples hold")]
