"""`anju rejections`: the messages and fields that could not be used."""

from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.output import Exit, Json, fail, say, say_json
from app.settings import Settings
from app.tables import say_table
from devices.local_time import CITY, parse_local_time
from devices.schema import REASON_ZH, Reason
from rules.model.duration import parse_duration
from store.database import connect, translated_errors
from store.telemetry.rejections import RejectionFilter, StoredRejection, list_rejections


def rejections(
    *,
    community: Annotated[str | None, typer.Option(help="only of this community")] = None,
    device: Annotated[str | None, typer.Option(help="only of this device, as COMMUNITY/DEVICE")] = None,
    reason: Annotated[Reason | None, typer.Option(help="only for this reason")] = None,
    since: Annotated[
        str | None, typer.Option(help="only from then on: 90m, 24h, 7d ago, or a local time such as 2026-11-25T08:30")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="how many at most")] = 100,
    as_json: Json = False,
) -> None:
    """List the messages and fields that could not be used, newest first, each with its reason.

    Of each device and reason the newest twenty are kept, for 30 days. Plates and names of persons are never kept.

    Example: anju rejections --device linyin-xiaoqu/b01-u1-0101-water --since 24h
    """
    url = Settings.load().need("database_url")
    named_community, _, name = device.partition("/") if device else ("", "", "")
    if device and not (named_community and name):
        raise fail("--device names a device as COMMUNITY/DEVICE", Exit.USAGE)
    if device and community not in {None, named_community}:
        raise fail(f"--device is in {named_community}, and --community is {community}", Exit.USAGE)
    conditions = RejectionFilter(
        community=named_community or community,
        device=name or None,
        reason=reason,
        since=_instant(since, datetime.now(UTC)) if since else None,
    )
    with closing(connect(url, application_name="anju rejections")) as connection, translated_errors():
        found = list_rejections(connection, conditions, None, limit)
    if as_json:
        say_json([_flat(rejection) for rejection in found])
        return
    say_table(
        ("last", "sender", "reason", "times", "detail"),
        [_row(rejection) for rejection in found],
        numbers=("times",),
        whole=("last", "sender", "reason"),
    )
    say(f"{len(found)} kept rejections" + (f", cut at --limit {limit}" if len(found) == limit else ""))


def _instant(text: str, now: datetime) -> datetime:
    """Return the instant of a duration before `now`, or of a local time."""
    try:
        return now - parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        return parse_local_time(text)
    except ValueError:
        expected = "a duration such as 24h, or a time such as 2026-11-25T08:30"
        raise fail(f"--since {text}: write {expected}", Exit.USAGE) from None


def _row(rejection: StoredRejection) -> tuple[str, ...]:
    last = rejection.last_received_at.astimezone(CITY)
    return (f"{last:%Y-%m-%d %H:%M:%S}", _sender(rejection), rejection.reason, str(rejection.times), rejection.detail)


def _sender(rejection: StoredRejection) -> str:
    return f"{rejection.community}/{rejection.device}" if rejection.device else rejection.topic


def _flat(rejection: StoredRejection) -> dict[str, Any]:
    columns = asdict(rejection)
    del columns["digest"]
    payload = rejection.payload.decode("utf-8", "replace") or None
    return {**columns, "reason_zh": REASON_ZH.get(rejection.reason, rejection.reason), "payload": payload}
