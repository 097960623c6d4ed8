"""History of simulated devices, written straight into the database as a live run would have left it.

Every row has the arrival that a live run would have had, so that acceptance can be shown on it. Neither the broker nor
the rules see it, and it notifies nobody. Data of a real device can't be loaded in this way.
"""

import os
import signal
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

from app.progress import progress
from devices.catalogue import KIND_BY_NAME
from devices.device import Device
from devices.privacy import Pseudonymiser
from ingest.batch import Batch, decode_batch
from ingest.receiver import Message as Received
from simulators.faults import Fault
from simulators.fleet import Fleet
from store.database import Connection, DatabaseUnavailableError, connect, translated_errors
from store.telemetry.device_state import add_newest_times
from store.telemetry.read import hours_with_readings
from store.telemetry.write import insert_readings
from store.telemetry.write_events import insert_events

_HOUR = timedelta(hours=1)
_RETRY_S = 2.0
_NICENESS = 10


@dataclass(frozen=True, slots=True)
class LoadedHistory:
    """History to load: simulated devices, the seed and the faults of their fleet, and a span of time.

    Raises:
        ValueError: a device is real.
    """

    devices: Sequence[Device]
    seed: int
    faults: Sequence[Fault]
    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if real := [device.name for device in self.devices if not device.simulated]:
            raise ValueError(f"{real[0]} is a real device: its data arrive when they arrive, and can't be loaded")


def load_in_background(history: LoadedHistory, database_url: str, secret_key: str) -> BaseProcess:
    """Load history in a process of its own with a low priority, which ends with this one."""
    process = get_context("spawn").Process(target=_load_politely, args=(history, database_url, secret_key), daemon=True)
    process.start()
    return process


def load_history(history: LoadedHistory, database_url: str, secret_key: str) -> int:
    """Write the hours of the history that are not stored yet, each at once; return the number of readings and events.

    Raises:
        DatabaseUnavailableError: the database is away. The hours that are stored stay, and the next call goes on.
    """
    fleet, pseudonymiser = Fleet(history.devices, history.seed, history.faults), Pseudonymiser(secret_key.encode())
    registered = {(device.community, device.name): device for device in history.devices}
    stored, last_seen, last_ts = 0, dict[int, datetime](), dict[int, datetime]()
    with (
        closing(connect(database_url, application_name="anju simulate")) as connection,
        translated_errors(),
        progress("loading history", "readings and events") as work,
    ):
        hours = _missing_hours(connection, history)
        for number, (start, end) in enumerate(hours, 1):
            messages = [
                Received(each.topic, each.payload, each.at, redelivered=False, packet_id=0)
                for each in fleet.messages(start, end)
            ]
            batch = decode_batch(messages, lambda *key: registered.get(key), pseudonymiser)
            stored += _write(connection, batch)
            last_seen |= batch.last_seen
            for row in (row for rows in batch.readings.values() for row in rows):
                last_ts[row.device_id] = max(row.ts, last_ts.get(row.device_id, row.ts))
            work.update(number / len(hours), stored)
        with connection.transaction():
            add_newest_times(connection, last_seen, last_ts)
    return stored


def _load_politely(history: LoadedHistory, database_url: str, secret_key: str) -> None:
    """Load history with a low priority, over outages of the database; the parent ends this process."""
    os.nice(_NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            load_history(history, database_url, secret_key)
        except DatabaseUnavailableError:
            time.sleep(_RETRY_S)
        else:
            return


def _missing_hours(connection: Connection, history: LoadedHistory) -> list[tuple[datetime, datetime]]:
    """Return the hours without any reading of the devices that report most often, the first and last one cut."""
    busiest = min((KIND_BY_NAME[device.kind] for device in history.devices), key=lambda kind: kind.reporting_period)
    ids = [device.id for device in history.devices if device.kind == busiest.name]
    with connection.transaction():
        there = hours_with_readings(connection, busiest.name, ids, history.start, history.end)
    begin = history.start.replace(minute=0, second=0, microsecond=0)
    hours = [begin + number * _HOUR for number in range(ceil((history.end - begin) / _HOUR))]
    return [(max(hour, history.start), min(hour + _HOUR, history.end)) for hour in hours if hour not in there]


def _write(connection: Connection, batch: Batch) -> int:
    """Store readings and events; return the number of new ones."""
    with connection.transaction():
        outcomes = insert_readings(connection, batch.readings) if batch.readings else {}
        events = insert_events(connection, batch.events) if batch.events else frozenset()
    return sum(outcome.stored for outcome in outcomes.values()) + len(events)
