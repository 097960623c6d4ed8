"""Drain of a persistent session's backlog into committed rows."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks import load
from benchmarks.installation import INGEST, Installation, cpu_by_part, ingest, make_session, metric
from benchmarks.traffic import Round
from store.database import Connection, connect

_LOOK_S = 0.05
_STALLED_S = 600.0


@dataclass(frozen=True, slots=True)
class DrainResult:
    """Stored messages and readings, duration in seconds, and CPU seconds of each part."""

    messages: int
    readings: int
    seconds: float
    cpu_s: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    def cpu_us(self, part: str) -> float:
        """Return the CPU microseconds a message of one part."""
        return self.cpu_s[part] / self.messages * 1e6

    @property
    def total_cpu_us(self) -> float:
        """CPU microseconds a message of all parts."""
        return sum(self.cpu_s.values()) / self.messages * 1e6


def drain(anju: Installation, messages: Round, total: int, command: Sequence[str] = INGEST) -> DrainResult:
    """Publish while ingest is down, then run ingest until all messages are stored.

    The times of the readings end at the present, one millisecond apart from round to round.

    Raises:
        TimeoutError: Readings are missing after ten minutes.
    """
    make_session(anju)
    first_ms = time.time_ns() // 1_000_000 - total // len(messages.messages) - 1
    load.start(anju.services.publish_mqtt_url, messages, total, first_ms=first_ms).result()
    last = load.last_readings(messages, total, first_ms)
    with closing(connect(anju.services.database_url, application_name="benchmark")) as connection:
        connection.autocommit = True
        with ingest(anju, command) as pid:
            # With several partitions, the first ones start before the last one is connected.
            began, already, cpu = time.monotonic(), _stored(anju), cpu_by_part(anju, pid)
            _wait_until_stored(connection, last)
            # After a lost connection older messages arrive after newer ones.
            until = time.monotonic() + _STALLED_S
            while (stored := _stored(anju)) < total * messages.readings:
                if time.monotonic() > until:
                    raise TimeoutError(f"{total} messages of {messages.readings} readings sent, {stored} rows stored")
                time.sleep(_LOOK_S)
            seconds = time.monotonic() - began
            spent = {part: after - cpu[part] for part, after in cpu_by_part(anju, pid).items()}
    readings = stored - already
    return DrainResult(readings // messages.readings, readings, seconds, spent)


def _wait_until_stored(connection: Connection, last: list[tuple[str, str, int]]) -> None:
    """Wait for the last rows alone, by the unique index, so that polling costs the database next to nothing."""
    find = "SELECT id FROM device WHERE community = %s AND name = %s"
    numbers = [connection.execute(find, (community, name)).fetchone()[0] for community, name, _ in last]
    times = [datetime.fromtimestamp(ms / 1000, UTC) for _, _, ms in last]
    connection.execute("SET enable_seqscan = off")
    until = time.monotonic() + _STALLED_S
    while time.monotonic() < until:
        stored_count = connection.execute(
            """
            SELECT count(*) FROM unnest(%s::bigint[], %s::timestamptz[]) AS last (device_id, ts)
            JOIN telemetry_electricity_meter USING (device_id, ts)
            """,
            (numbers, times),
        ).fetchone()
        if stored_count == (len(last),):
            return
        time.sleep(_LOOK_S)
    raise TimeoutError(f"ingest did not store everything within {_STALLED_S:g} s")


def _stored(anju: Installation) -> int:
    return int(metric(anju, "anju_items_total", outcome="stored"))
