"""Stage of a fault: database, broker and ingest of one test's own, a load, and the oracle at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import psycopg

import workload
from local.services import Services
from logged_publisher import Load, LoggedPublisher
from oracle import Verdict, expected, judge
from patience import eventually, patient
from running import Ingest, epoch_ms, forget_session, query, register
from store.admin.migrate import migrate

RATE = 500
_COUNTS = """
    SELECT (SELECT count(*) FROM telemetry_water_meter),
           (SELECT count(*) FROM event WHERE event NOT IN ('online', 'offline')),
           (SELECT count(*) FROM alert WHERE device_id IS NOT NULL)
    """


@dataclass(frozen=True)
class Outcome:
    """One line of the summary: the effect of a fault on acknowledged messages."""

    fault: str
    times: int
    sent: int
    acknowledged: int
    stored: int
    rejected: int
    lost: int
    doubled: int
    recovery_s: float


@dataclass
class Stage:
    """The parts, the publishers so far, and the end of the fault (on the monotonic clock)."""

    services: Services
    ingest: Ingest
    database_url: str
    record: Callable[[str, object], None]
    publishers: list[LoggedPublisher] = field(default_factory=list)
    over_at: float = 0.0

    @property
    def acknowledged(self) -> list[tuple[str, bytes]]:
        return [(topic, payload) for publisher in self.publishers for topic, payload, _ in publisher.log]

    def stored(self) -> tuple[int, ...]:
        """Return the number of readings, of events and of alerts."""
        return query(self.database_url, _COUNTS)[0]

    def publisher(
        self,
        *,
        rate: float | None = RATE,
        total: int | None = None,
        ahead_ms: int = 0,
        order: Callable[[int], int] = lambda n: n,
    ) -> LoggedPublisher:
        """Start publishing from devices with clocks `ahead_ms` ahead; numbers continue after the last publisher's.

        `order` maps the position of a message to its number.
        """
        first, step_ms = sum(publisher.sent for publisher in self.publishers), 1000 / rate if rate else 1.0
        began = epoch_ms() - first * step_ms - (0 if rate else (total or 0)) + ahead_ms

        def message(n: int) -> tuple[str, bytes]:
            return workload.message(first + order(n), began, step_ms)

        publisher = LoggedPublisher(self.services.publish_mqtt_url, Load(message, rate, total))
        self.publishers.append(publisher)
        publisher.start()
        return publisher

    @contextmanager
    def load(self, rate: float = RATE, *, ahead_ms: int = 0) -> Iterator[LoggedPublisher]:
        """Publish during the block and for 2 s after it; the end of the block is the end of the fault."""
        publisher = self.publisher(rate=rate, ahead_ms=ahead_ms)
        try:
            before = self.stored()[0]
            eventually(lambda: self.stored()[0] > before + rate)
            yield publisher
            self.over_at = time.monotonic()
            time.sleep(2)
        finally:
            publisher.finish()

    def waiting_at_the_broker(self) -> int:
        """Return the number of messages in the broker for ingest, delivered or not: the highest count of any node."""
        return max(map(_waiting, self.services.monitoring_urls))

    def waiting(self) -> int:
        """Return the number of messages that wait for ingest, at the broker or in the spool."""
        spooled = query(self.database_url, "SELECT coalesce(sum(messages), 0)::int FROM spool_total")
        return self.waiting_at_the_broker() + int(spooled[0][0])

    def must_be_whole(self, fault: str, *, times: int = 1, timeout_s: float = 120) -> Verdict:
        """Wait until nothing waits any more, record the outcome and its duration, and assert the verdict."""
        messages = self.acknowledged
        must = expected(messages)
        recovered_at = self._settled(must.rows, timeout_s)
        with psycopg.connect(self.database_url) as connection:
            verdict = judge(connection, must)
        outcome = Outcome(
            fault,
            times,
            sent=sum(publisher.sent for publisher in self.publishers),
            acknowledged=len(messages),
            stored=verdict.stored,
            rejected=verdict.rejected + len(verdict.good_but_rejected),
            lost=len(verdict.lost),
            doubled=len(verdict.doubled),
            recovery_s=round(max(recovered_at - self.over_at, 0), 1),
        )
        self.record("outcome", vars(outcome))
        assert self.ingest.process.poll() is None, f"ingest has ended: {self.ingest.log.read_text()[-2000:]}"
        assert outcome.acknowledged == outcome.sent
        assert not verdict.lost, verdict.lost[:10]
        assert not verdict.doubled, verdict.doubled[:10]
        return verdict

    def _settled(self, complete: tuple[int, ...], timeout_s: float) -> float:
        """Wait until nothing waits; return the time of the last change of the tables."""
        until, stored, changed_at = time.monotonic() + patient(timeout_s), None, time.monotonic()
        while stored != complete or self.waiting():
            assert time.monotonic() < until, (
                f"not whole after {timeout_s} s: {stored} of {complete}, {self.waiting()} wait; "
                f"the log of ingest ends: {self.ingest.log.read_text()[-2000:]}"
            )
            before, stored = stored, self.stored()
            changed_at = time.monotonic() if stored != before else changed_at
            if stored == before and not self.waiting():
                break
            time.sleep(0.3)
        return changed_at


def _waiting(monitoring_url: str) -> int:
    found = httpx.get(f"{monitoring_url}/jsz", params={"accounts": True, "consumers": True}).json()
    streams = [stream for account in found["account_details"] for stream in account.get("stream_detail", ())]
    consumers = [c for s in streams if s["name"] == "$MQTT_msgs" for c in s.get("consumer_detail") or ()]
    return sum(consumer["num_pending"] + consumer["num_ack_pending"] for consumer in consumers)


@contextmanager
def staged(services: Services, ingest: Ingest, record: Callable[[str, object], None]) -> Iterator[Stage]:
    """Register meters, open the session and start ingest; end ingest and publishers after the block."""
    migrate(services.database_url)
    register(services.database_url, workload.COMMUNITY, workload.devices())
    forget_session(services)
    stage = Stage(services, ingest, services.database_url, record)
    try:
        ingest.start()
        yield stage
    finally:
        for publisher in stage.publishers:
            publisher.give_up()
        if ingest.process.poll() is None:
            ingest.kill()
