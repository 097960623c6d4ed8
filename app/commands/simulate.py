"""`anju simulate` and `anju replay`: devices without hardware."""

import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from app.commands.scenario import list_scenarios, play_scenario
from app.loaded_history import LoadedHistory, load_in_background
from app.logging import configure_logging
from app.output import Exit, Json, fail, say, say_json
from app.progress import progress
from app.recorded_meters import send_recording
from app.settings import Settings
from app.signals import stop_on_signals
from app.simulation import SEED, register, register_communities, wait_for_ingest
from app.spool_findings import spool_line
from devices.device import Device, Service
from rules.model.duration import parse_duration
from simulators import replay as recordings
from simulators.community_plan import SITES, Site
from simulators.faults import Fault, FaultError, parse_fault
from simulators.fleet import Fleet
from simulators.publisher import Publisher, PublisherError
from simulators.replay import ReplayError
from simulators.run import run
from store.database import Connection, connect, translated_errors
from store.registry.registry import load_devices
from store.telemetry.device_state import newest_reading
from store.telemetry.spool import count_refused

_STORED_S = 600.0


def simulate(
    *,
    community: Annotated[list[str] | None, typer.Option(help="only these communities; by default all")] = None,
    households: Annotated[
        int, typer.Option("--register", min=0, help="first register the communities, with this number of households")
    ] = 0,
    history: Annotated[str, typer.Option(help="how far back to begin if nothing is stored: 0s, 90m, 24h, 7d")] = "0s",
    on_time: Annotated[
        bool, typer.Option("--on-time", help="write history into the database as a live run would have left it")
    ] = False,
    duration: Annotated[str | None, typer.Option(help="how long to continue after now; default: until Ctrl-C")] = None,
    speed: Annotated[float, typer.Option(min=0, help="1 is real time; 0 does not wait at all")] = 1,
    seed: Annotated[int, typer.Option(help="the same seed gives the same readings")] = SEED,
    fault: Annotated[
        list[str] | None, typer.Option(help=r"inject a fault: KIND:DEVICE@START\[/DURATION], see docs/simulators.md")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option(help="play this scenario instead, and compare the alerts with the expected ones")
    ] = None,
    scenarios: Annotated[bool, typer.Option("--list", help="list the scenarios")] = False,
) -> None:
    """Send the messages of the simulated devices of the registry through the real broker.

    Continues where the stored readings of these devices end, at most --history ago, and waits at the end until ingest
    has stored it all. Needs ANJU_DATABASE_URL and ANJU_PUBLISH_MQTT_URL.

    With --on-time the hours of the history that are missing are loaded beside the live run, with the arrivals of a live
    run and without the rules; this needs ANJU_SECRET_KEY too.

    Example: anju simulate --community linyin-xiaoqu --register 120 --history 24h --fault leak:b01-u1-0101-water@+30s
    or: anju simulate --scenario burst_pipe
    """
    configure_logging()
    if scenarios:
        list_scenarios()
        return
    if scenario:
        play_scenario(Settings.load(), scenario)
        return
    settings, now = Settings.load(), datetime.now(UTC)
    try:
        back, ahead = parse_duration(history), parse_duration(duration) if duration else None
        faults = [parse_fault(text, now) for text in fault or ()]
    except ValueError as error:
        raise fail(str(error), Exit.USAGE) from None
    devices, newest, refused_before = _prepare(settings, community, households)
    start = max(now - back, newest + timedelta(milliseconds=1)) if newest else now - back
    stop, until = stop_on_signals(), now + ahead if ahead is not None else None
    loading = None
    if on_time:
        start, history_to_load = now, LoadedHistory(devices, seed, faults, now - back, now)
        loading = load_in_background(history_to_load, settings.need("database_url"), settings.need("secret_key"))
    sent = _send(
        settings,
        devices,
        stop,
        seed=seed,
        faults=faults,
        start=start,
        until=until,
        speed=speed,
    )
    summary = f"sent {sent} messages of {len(devices)} devices"
    if stop.is_set():
        say(summary)
        return
    if loading:
        loading.join()
        if loading.exitcode:
            raise fail("the history could not be loaded", Exit.UNAVAILABLE)
    with closing(connect(settings.need("database_url"), application_name="anju simulate")) as connection:
        refused = _refused(connection, devices) - refused_before
        fate = spool_line(connection, [device.id for device in devices], refused)
    say(f"{summary}; {fate}")


def replay(
    recording: Annotated[Path, typer.Argument(help="the recording, .csv or .zip")],
    batch: Annotated[int, typer.Option(min=1, max=2000, help="readings a message")] = 1,
    *,
    as_json: Json = False,
) -> None:
    """Register the meters of a recording (DAIAD trial A) and send every reading through the real broker.

    Prints the counts of the recording, for comparison with the stored readings: rows = distinct + duplicates.

    Example: anju replay ../shared/data/daiad-swm-trial-a.zip --batch 100
    """
    configure_logging()
    settings = Settings.load()
    try:
        rows = list(recordings.read_daiad(recording))
        with closing(connect(settings.need("database_url"), application_name="anju replay")) as connection:
            register(connection, recordings.plan_of_recording(rows))
        with progress("sending", "readings") as work:
            acknowledged = send_recording(
                rows,
                batch,
                settings.need("database_url"),
                settings.need("publish_mqtt_url"),
                lambda readings: work.update(readings / len(rows), readings),
            )
    except ReplayError as error:
        raise fail(str(error), Exit.REFUSED) from None
    except PublisherError as error:
        raise fail(str(error), Exit.UNAVAILABLE) from None
    count = recordings.summarise(rows)
    if as_json:
        say_json({"messages": acknowledged, **{name: getattr(count, name) for name in count.__slots__}})
        return
    say(f"{recordings.SOURCE}")
    say(f"sent {count.rows} readings of {count.devices} meters in {acknowledged} messages")
    say(
        f"{count.distinct} distinct (device, ts), {count.duplicates_same} duplicates with the same value, "
        f"{count.duplicates_other} with another one (the first is kept)"
    )
    if count.repeated_hour:
        say(
            f"{count.repeated_hour} readings are of the second pass of the hour that repeats when summer time ends: "
            "their local times look like duplicates, their instants differ"
        )


def _prepare(
    settings: Settings, communities: list[str] | None, households: int
) -> tuple[list[Device], datetime | None, int]:
    """Register communities with these `households`, if any.

    Returns:
        The simulated devices, the time of their newest stored reading, and the number of messages refused so far.
    """
    with closing(connect(settings.need("database_url"), application_name="anju simulate")) as connection:
        connection.autocommit = True
        with translated_errors():
            if households:
                sites = [_site(name) for name in communities or [SITES[0].community]]
                register_communities(connection, sites, households)
            devices = _simulated_devices(connection, communities)
            newest = newest_reading(connection, [device.id for device in devices])
        refused = _refused(connection, devices)
    if not devices:
        raise fail("the registry has no such simulated device: register some with --register 120", Exit.REFUSED)
    return devices, newest, refused


def _site(community: str) -> Site:
    known = next((site for site in SITES if site.community == community), None)
    return known or Site(community, community, SITES[0].banner, SITES[0].street)


def _simulated_devices(connection: Connection, communities: list[str] | None) -> list[Device]:
    return [
        device
        for device in load_devices(connection)
        if device.simulated
        and device.service is not Service.WITHDRAWN
        and (not communities or device.community in communities)
    ]


def _refused(connection: Connection, devices: list[Device]) -> int:
    """Return how many messages of the communities of these devices were ever refused."""
    return count_refused(connection, communities=sorted({device.community for device in devices}))


def _send(
    settings: Settings,
    devices: list[Device],
    stop: threading.Event,
    *,
    seed: int,
    faults: list[Fault],
    start: datetime,
    until: datetime | None,
    speed: float,
) -> int:
    database_url, device_ids = settings.need("database_url"), [device.id for device in devices]
    span = (until or datetime.now(UTC)) - start

    def report(at: datetime, sent: int) -> None:
        if at - start < span:
            work.update((at - start) / span, sent)
        elif until is None:
            work.end()  # live, without an end

    try:
        fleet = Fleet(devices, seed, faults)
        with progress("sending", "messages") as work, Publisher(settings.need("publish_mqtt_url")) as publisher:
            sent = run(
                fleet,
                publisher,
                start=start,
                until=until,
                speed=speed,
                now=lambda: datetime.now(UTC),
                sleep=time.sleep,
                stop=stop.is_set,
                wait_for_ingest=lambda: wait_for_ingest(database_url, device_ids, stop.is_set),
                report=report,
            )
            publisher.flush(_STORED_S)
        with progress("waiting until ingest has stored it"):
            if not wait_for_ingest(database_url, device_ids, stop.is_set, _STORED_S) and not stop.is_set():
                raise fail("ingest has not stored all of it yet: `anju doctor` says how far it is", Exit.UNAVAILABLE)
    except (FaultError, ValueError) as error:
        raise fail(str(error), Exit.USAGE) from None
    except PublisherError as error:
        raise fail(str(error), Exit.UNAVAILABLE) from None
    return sent
