"""`anju rules backtest`: the alerts of a rule pack over stored history or a file."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from app.backtest_text import print_summary
from app.output import Exit, Json, fail, say_json
from app.progress import Progress, progress
from app.rule_files import Folder, chosen_rule, rules_folder
from app.settings import Settings
from devices.device import Device
from devices.local_time import CITY
from rules.analysis.backtest import Arrival, BacktestResult, Span, backtest
from rules.analysis.recording import read_recording
from rules.analysis.stored_history import stored_arrivals, wanted_history
from rules.analysis.summary import Summary, summarise
from rules.language.loader import load_rules
from rules.model.device_group import with_device_groups
from rules.model.rule import RulePack
from store.database import connect, translated_errors
from store.registry.registry import load_devices
from store.telemetry.history import read_ingest_lags

_MOMENT = ["%Y-%m-%d", "%Y-%m-%dT%H:%M"]
_REPORTED_EVERY = 1000
_DEFAULT_SPAN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class _Choice:
    """Communities and devices to look at; None for all."""

    community: list[str] | None
    device: list[str] | None

    def includes(self, device: Device) -> bool:
        path = f"{device.community}/{device.name}"
        return (not self.community or device.community in self.community) and (not self.device or path in self.device)


def run_backtest(
    folder: Folder = None,
    *,
    community: Annotated[list[str] | None, typer.Option(help="only this community; may be given again")] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="only this device, as COMMUNITY/DEVICE; may be given again")
    ] = None,
    rule: Annotated[list[str] | None, typer.Option(help="only this rule; may be given again")] = None,
    start: Annotated[
        datetime | None, typer.Option(formats=_MOMENT, help="local time; by default a week before the end")
    ] = None,
    end: Annotated[datetime | None, typer.Option(formats=_MOMENT, help="local time; by default now")] = None,
    file: Annotated[
        Path | None, typer.Option(help="a recording, .csv or .jsonl, instead of what is stored: see docs/backtest.md")
    ] = None,
    device_time: Annotated[
        bool, typer.Option("--device-time", help="let stored samples arrive at the time their device gave: for imports")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run rules over the past, and measure the alert load against the goals for a property manager.

    Exit code: 0 every goal is met, 1 a goal is missed, 3 there is no history to try them on.

    Example: anju rules backtest my-rules/ --community linyin-xiaoqu --start 2026-11-01 --end 2026-12-01
    """
    settings = Settings.load()
    pack = load_rules(rules_folder(folder or settings.rules_dir))
    if rule:
        pack = RulePack(tuple(chosen_rule(pack, name) for name in dict.fromkeys(rule)))
    choice = _Choice(community, device)
    bounds = start and start.replace(tzinfo=CITY).astimezone(UTC), end and end.replace(tzinfo=CITY).astimezone(UTC)
    result, devices = (
        _backtest_file(pack, choice, file, *bounds)
        if file
        else _backtest_history(pack, choice, settings.need("database_url"), *bounds, device_time=device_time)
    )
    if not result.samples:
        raise fail(
            "nothing of these devices arrived in that time: choose another --start and --end", Exit.INSUFFICIENT_DATA
        )
    summary = summarise(result, pack, devices)
    if as_json:
        say_json(_as_json(summary, result, devices))
    else:
        print_summary(summary)
    raise typer.Exit(int(Exit.DONE if summary.met else Exit.REFUSED))


def _backtest_file(
    pack: RulePack, choice: _Choice, file: Path, start: datetime | None, end: datetime | None
) -> tuple[BacktestResult, Mapping[int, Device]]:
    recording = read_recording(file)
    arrivals = [each for each in recording.arrivals if choice.includes(recording.devices[each.sample.device_id])]
    if not arrivals:
        raise fail(f"{file} holds nothing of these devices", Exit.INSUFFICIENT_DATA)
    span = Span(start or arrivals[0].sample.received_at, end or arrivals[-1].sample.received_at + timedelta(seconds=1))
    within = [each for each in arrivals if span.start <= each.sample.received_at < span.end]
    devices = with_device_groups(recording.devices)
    with progress("backtest", "samples") as work:
        return backtest(pack, _reported(within, span, work), span, devices), devices


def _backtest_history(
    pack: RulePack,
    choice: _Choice,
    database_url: str,
    start: datetime | None,
    end: datetime | None,
    *,
    device_time: bool,
) -> tuple[BacktestResult, Mapping[int, Device]]:
    until = end or datetime.now(UTC)
    span = Span(start or until - _DEFAULT_SPAN, until)
    if span.start >= span.end:
        raise fail("--start must be before --end", Exit.USAGE)
    with closing(connect(database_url, application_name="anju rules backtest")) as connection, translated_errors():
        devices = {device.id: device for device in load_devices(connection) if choice.includes(device)}
        if not devices:
            raise fail("the registry has no such device: look at --community and --device", Exit.INSUFFICIENT_DATA)
        with connection.transaction():
            query = wanted_history(pack, span, list(devices), device_time=device_time)
            paused = [] if device_time else [Span(*each) for each in read_ingest_lags(connection, *span)]
            arrivals, all_devices = stored_arrivals(connection, query), with_device_groups(devices)
            with progress("backtest", "samples") as work:
                return backtest(pack, _reported(arrivals, span, work), span, all_devices, paused), all_devices


def _reported(arrivals: Iterable[Arrival], span: Span, work: Progress) -> Iterator[Arrival]:
    """Yield the arrivals and report how far they are in the span."""
    length = span.end - span.start
    for number, arrival in enumerate(arrivals, 1):
        yield arrival
        if number % _REPORTED_EVERY == 0:
            work.update((arrival.sample.received_at - span.start) / length, number)


def _as_json(summary: Summary, result: BacktestResult, devices: Mapping[int, Device]) -> dict[str, Any]:
    alerts = [
        {"community": of.community, "device": of.name, **{n: v for n, v in asdict(alert).items() if n != "device_id"}}
        for alert in result.alerts
        for of in (devices[alert.device_id],)
    ]
    return {**asdict(summary), "met": summary.met, "occurrences": alerts}
