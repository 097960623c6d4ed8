"""Dispatcher of due notices: sends them channel by channel and records the results.

The worker that holds the dispatcher lock sends. Another worker stands by and takes over when that connection ends.
A message is recorded after its receiver accepted it: a worker killed in between sends it twice, and loses none.
"""

import random
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from notify.backoff import MAX_ATTEMPTS, needs_fallback, retry_delay
from notify.delivery import send_message
from notify.enqueue import enqueue_notices, escalation_notices, fallback_notices
from notify.errors import RefusedError, TemporarilyRefusedError
from notify.plan import WINDOW, Message, plan
from notify.routing import Channel, Routing
from store.admin.locks import acquire_dispatcher_lock, connect_for_locks
from store.alerts.alerts import AlertRow, find_alerts
from store.alerts.suppression import causes_of
from store.database import Connection, Database, DatabaseUnavailableError, repeat_over_outages
from store.notices.delivery import (
    DropReason,
    DueNotice,
    SentMessage,
    count_failure,
    drop_notices,
    due_channels,
    due_notices,
    postpone_notices,
    recent_messages,
    record_dead,
    record_failed,
    record_sent,
)
from store.notices.enqueue import insert_notices
from store.outage import Outage

log = structlog.get_logger()

_INTERVAL_S = 1.0
_MAX_CONCURRENT_CHANNELS = 8


@dataclass
class Dispatcher:
    """Sender of the due notices of one database. Every pass asks `routing` and `clock` anew."""

    url: str
    database: Database
    routing: Callable[[], Routing]
    clock: Callable[[], datetime]
    _active: dict[str, Future[None]] = field(default_factory=dict)
    _outage: Outage = field(default_factory=Outage)

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set, and finish the messages under way."""

        def dispatch() -> bool:
            with closing(connect_for_locks(self.url, application_name="anju worker notices")) as connection:
                while not stop.is_set():
                    if acquire_dispatcher_lock(connection):
                        self._start_due_channels(pool, stop)
                    stop.wait(_INTERVAL_S)
            return True

        with ThreadPoolExecutor(_MAX_CONCURRENT_CHANNELS, thread_name_prefix="channel") as pool:
            repeat_over_outages(dispatch, stop, report=self._outage.report, pause=lambda: stop.wait(_INTERVAL_S))

    def _start_due_channels(self, pool: ThreadPoolExecutor, stop: threading.Event) -> None:
        with self.database.connection() as connection:
            due = due_channels(connection, self.clock())
        self._outage.end()
        self._active = {name: sending for name, sending in self._active.items() if not sending.done()}
        for name in due:
            if name not in self._active:
                self._active[name] = pool.submit(self._send_logging_errors, name, stop)

    def _send_logging_errors(self, name: str, stop: threading.Event) -> None:
        try:
            self.send_due_notices(name, stop)
        except DatabaseUnavailableError as error:
            log.warning("the notices of a channel wait for the database", channel=name, error=str(error))
        except Exception:
            log.exception("the notices of a channel can't be sent", channel=name)

    def send_due_notices(self, name: str, stop: threading.Event) -> None:
        """Send the due notices of one channel until none is left, the channel fails, or `stop` is set.

        The notices of a channel that left the routing file are dropped, and their alerts routed again.

        Raises:
            DatabaseUnavailableError: Messages that were sent are recorded before this is raised, unless `stop` is set.
        """
        routing, now = self.routing(), self.clock()
        channel = routing.channels.get(name)
        with self.database.connection() as connection:
            due = due_notices(connection, name, now)
            if channel is None:
                drop_notices(connection, _ids(due), DropReason.CHANNEL_REMOVED, now)
                alert_ids = list({notice.alert_id for notice in due})
                enqueue_notices(connection, alert_ids, routing, now)
                self._enqueue_escalations(connection, alert_ids, now)
                log.warning("a channel is no longer in the file", channel=name, dropped=len(due))
                return
            recent = recent_messages(connection, name, now - WINDOW)
            suppressed = causes_of(connection, {notice.alert_id for notice in due}, now)
            planned = plan(due, channel, recent, suppressed.keys(), now)
            for postponement in planned.postponements:
                postpone_notices(connection, _ids(postponement.notices), postponement.until, postponement.reason)
            for drop in planned.drops:
                drop_notices(connection, _ids(drop.notices), drop.reason, now)
        for number, message in enumerate(planned.messages):
            if stop.is_set() or not self._deliver(channel, message, planned.messages[number:], stop):
                return

    def _deliver(self, channel: Channel, message: Message, rest: Sequence[Message], stop: threading.Event) -> bool:
        """Send one message, record the result, and return whether the channel can take more.

        A temporary failure counts for every message of `rest`, which begins with this one.
        """
        with self.database.connection() as connection:
            alerts = find_alerts(connection, list({notice.alert_id for notice in message.notices}))
        try:
            send_message(channel, message, alerts, self.clock())
        except TemporarilyRefusedError as error:
            failed, notices = error, [notice for each in rest for notice in each.notices]
            self._record(stop, lambda: self._record_failure(channel, notices, failed))
            return False
        except Exception as error:
            # No error of one message may stop the messages after it.
            reason = str(error) if isinstance(error, RefusedError) else f"it can't be sent: {type(error).__name__}"
            if not isinstance(error, RefusedError):
                log.exception("a message can't be sent", channel=channel.name)
            self._record(stop, lambda: self._record_refusal(channel, message.notices, reason))
            return True
        self._record(stop, lambda: self._record_sent(channel, message, alerts))
        return True

    def _record(self, stop: threading.Event, write: Callable[[], None]) -> None:
        """Record a result, waiting for the database if need be: an unrecorded message would be sent again."""
        while True:
            try:
                write()
            except DatabaseUnavailableError as error:
                if stop.is_set():
                    raise
                log.warning("a result can't be recorded, trying every second", error=str(error))
                stop.wait(_INTERVAL_S)
            else:
                return

    def _record_sent(self, channel: Channel, message: Message, alerts: Sequence[AlertRow]) -> None:
        now, over = self.clock(), [alert.id for alert in alerts if alert.ended_at]
        community, rule = message.cause or (None, None)
        with self.database.connection() as connection:
            sent = SentMessage(now, message.form, community, rule, message.unlimited)
            raised = record_sent(connection, channel.name, _ids(message.notices), over, sent)
            self._enqueue_escalations(connection, raised, now)
        log.info("message sent", channel=channel.name, form=message.form, notices=len(message.notices))

    def _record_failure(self, channel: Channel, notices: Sequence[DueNotice], error: TemporarilyRefusedError) -> None:
        """Record a temporary failure: retry later, use the fallback where needed, give up after the last attempt."""
        exhausted = [notice for notice in notices if notice.attempts + 1 >= MAX_ATTEMPTS]
        urgent = [n.alert_id for n in notices if needs_fallback(n.attempts + 1, n.severity) and n.kind != "resolved"]
        now = self.clock()
        with self.database.connection() as connection:
            failures = count_failure(connection, channel.name, str(error))
            retry_at = now + retry_delay(failures, error.retry_after_s, random.random())  # noqa: S311 - spreads, hides nothing
            record_failed(connection, channel.name, _ids(set(notices) - set(exhausted)), str(error), retry_at)
            self._enqueue_fallbacks(connection, urgent, channel, now)
            if exhausted:
                self._record_undeliverable(connection, channel, exhausted, str(error))
        log.warning(
            "a channel failed", channel=channel.name, error=str(error), failures=failures, retry_at=str(retry_at)
        )

    def _record_refusal(self, channel: Channel, notices: Sequence[DueNotice], error: str) -> None:
        with self.database.connection() as connection:
            self._record_undeliverable(connection, channel, notices, error)

    def _record_undeliverable(
        self, connection: Connection, channel: Channel, notices: Sequence[DueNotice], error: str
    ) -> None:
        now = self.clock()
        dead = record_dead(connection, channel.name, _ids(notices), error, now)
        self._enqueue_fallbacks(connection, dead, channel, now)
        self._enqueue_escalations(connection, dead, now)
        log.error("notices could not be delivered", channel=channel.name, notices=len(notices), error=error)

    def _enqueue_escalations(self, connection: Connection, alert_ids: Sequence[UUID], now: datetime) -> None:
        if alert_ids:
            alerts = find_alerts(connection, alert_ids)
            insert_notices(connection, escalation_notices(alerts, self.routing(), now), now)

    def _enqueue_fallbacks(
        self, connection: Connection, alert_ids: Sequence[UUID], channel: Channel, now: datetime
    ) -> None:
        if alert_ids:
            alerts = find_alerts(connection, alert_ids)
            insert_notices(connection, fallback_notices(alerts, self.routing(), channel.name, now), now)


def _ids(notices: Iterable[DueNotice]) -> list[int]:
    return [notice.id for notice in notices]
