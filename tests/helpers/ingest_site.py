"""Ingest over a real database, without a broker: batches are written at the times of a test."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from devices.privacy import Pseudonymiser
from ingest.batch import decode_batch
from ingest.evaluation import Evaluation
from ingest.partition import EVERYTHING
from ingest.receiver import Message
from ingest.registry_cache import RegistryCache
from ingest.rejection_limit import RejectionLimit
from ingest.write_batch import write_batch
from rules.analysis.backtest import Span, collect_alerts, fresh_engine, replay
from rules.analysis.stored_history import stored_arrivals, wanted_history
from running import query
from shipped_rules import SHIPPED
from store.database import Connection
from store.registry.registry import load_devices

START = datetime(2026, 11, 30, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COMMUNITY = "c1"


class Site:
    """Ingest without a broker; it can begin anew from the database at any time."""

    def __init__(self, url: str, connection: Connection, dice: Random) -> None:
        self.url, self.connection, self.dice = url, connection, dice
        self.pack = SHIPPED
        self.limit, self.pseudonymiser = RejectionLimit(), Pseudonymiser(b"a key for the tests")
        self.begin(START - MINUTE)

    def begin(self, now: datetime) -> None:
        """Begin, or begin anew, from the database."""
        self.devices = RegistryCache(EVERYTHING)
        self.devices.refresh(self.connection)
        self.evaluation = Evaluation(self.pack, self.devices, EVERYTHING, now)
        with self.connection.transaction():
            self.evaluation.restore(self.connection, now)
        self.tick(now)

    def tick(self, now: datetime) -> None:
        """Let time pass."""
        with self.connection.transaction():
            self.evaluation.tick(self.connection, now, caught_up=True)

    def write(self, messages: Sequence[tuple[str, bytes]], now: datetime) -> None:
        """Write messages, as topic and payload, in one batch."""
        batch = decode_batch(
            [Message(topic, payload, now, redelivered=False, packet_id=0) for topic, payload in messages],
            self.devices.find,
            self.pseudonymiser,
        )
        write_batch(self.connection, batch, self.evaluation, self.limit, now)

    def backtest(self, end: datetime) -> list[tuple[Any, ...]]:
        """Return the alerts that a backtest of the stored history finds, as rows like those of the database."""
        devices = {device.id: device for device in load_devices(self.connection)}
        span = Span(START - MINUTE, end)
        with self.connection.transaction():
            arrivals = stored_arrivals(self.connection, wanted_history(self.pack, span, list(devices)))
            alerts = collect_alerts(replay(fresh_engine(self.pack, span.start, devices), arrivals, span))
        rows = [
            (devices[each.device_id].name, each.rule, each.opened_at, each.ended_at)
            for each in alerts
            if each.device_id in devices and not each.rule.endswith("silent")
        ]
        return sorted(rows, key=str)


def alerts_of(site: Site) -> list[tuple[Any, ...]]:
    """Return rule, process, beginning, whether it is historical, and message of each alert."""
    return query(site.url, "SELECT rule, process, opened_at, historical, message FROM alert ORDER BY opened_at")
