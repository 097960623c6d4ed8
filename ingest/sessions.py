"""The sessions of a partition with the broker: the one that it reads, former ones to take over, and lost ones.

The client id of a session changes with the secret of ingest's account, and was fixed in older versions. What waits in a
former session must not be lost, so it is read first, until its owner has caught up. Then the new session is opened
beside it, and for a while each message comes to both: the former one is ended only when it can hold nothing from before
the new one. The database knows every session, so that a crash at any point repeats a step. Messages in both are stored
once, as redelivered ones are.
"""

from datetime import datetime, timedelta

import structlog

from devices.local_time import local_time_zh
from ingest.broker_client import BrokerUnavailableError, connected, subscribe
from ingest.catch_up import CatchUpMonitor
from ingest.partition import Partition
from ingest.receiver import Receiver
from ingest.registry_cache import RegistryCache
from store.admin.sessions import (
    BrokerSession,
    SessionGap,
    delete_session,
    last_gap,
    load_sessions,
    mark_session_drained,
    save_gap,
    save_session,
)
from store.database import Connection, translated_errors

log = structlog.get_logger()

TOLD_FOR = timedelta(hours=1)
"""The time after a lost session for which the alert about it stays."""
_OVERLAP = timedelta(seconds=15)
"""Longer than a fresh message takes, and than the broker waits before it sends an unacknowledged one again (10 s)."""


class Sessions:
    """The sessions of a partition, of which its receiver reads one."""

    def __init__(self, url: str, partition: Partition, receiver: Receiver, catch_up: CatchUpMonitor) -> None:
        """Prepare; the receiver is that of the partition's own session."""
        self._url = url
        self._partition = partition
        self._receiver = receiver
        self._catch_up = catch_up
        self._current = receiver.client_id
        self._known: list[BrokerSession] = []
        self._opened_at: datetime | None = None

    def restore(self, connection: Connection) -> None:
        """Read the sessions from the database, inside the caller's transaction, and choose the one to read."""
        self._known = load_sessions(connection, self._partition.number)
        former = self._former()
        client_id = former[0].client_id if former else self._current
        self._receiver.use_session(client_id, is_known=any(each.client_id == client_id for each in self._known))

    def step(self, connection: Connection, registry: RegistryCache, now: datetime) -> str:
        """Note a new or a lost session, and go on with the takeover of a former one.

        Call it while no batch is in hand, outside a transaction.

        Returns:
            The span of the last lost session, for people; empty if there was none within the last hour.
        """
        with translated_errors(), connection.transaction():
            self._note_subscription(connection, registry, now)
            gap = last_gap(connection, self._partition.number, now - TOLD_FOR)
        try:
            self._end_drained(connection)
            if self._former():
                self._take_over(connection, now)
        except BrokerUnavailableError as error:
            log.warning("a former session of ingest can't be taken over yet", error=str(error))
        if self._receiver.repeats and not self._former() and self._catch_up.is_caught_up(now):
            self._receiver.repeats = False
        return _told(gap) if gap else ""

    def _former(self) -> list[BrokerSession]:
        return [each for each in self._known if each.client_id != self._current and not each.drained]

    def _note_subscription(self, connection: Connection, registry: RegistryCache, now: datetime) -> None:
        receiver, number = self._receiver, self._partition.number
        if not receiver.subscribed:
            return
        if receiver.lost_session:
            began_at = self._catch_up.caught_up_at or min((each.subscribed_at for each in self._known), default=now)
            readings = registry.expected_readings(now - began_at)
            save_gap(connection, number, SessionGap(min(began_at, now), now, readings))
            receiver.lost_session = False
        if all(each.client_id != receiver.client_id for each in self._known):
            save_session(connection, number, receiver.client_id, now)
            self._known = load_sessions(connection, number)

    def _end_drained(self, connection: Connection) -> None:
        """End the sessions in which nothing waits any more. Ending one twice does no harm."""
        for each in [each for each in self._known if each.drained]:
            with connected(self._url, each.client_id, clean=True):
                pass
            with translated_errors(), connection.transaction():
                delete_session(connection, self._partition.number, each.client_id)
            self._known.remove(each)
            log.info("a former session of ingest was taken over and has ended")

    def _take_over(self, connection: Connection, now: datetime) -> None:
        """Go on with the takeover of the former session that the receiver reads, as far as it has been read."""
        if not self._catch_up.is_caught_up(now):
            return
        if self._opened_at is None:
            with connected(self._url, self._current, clean=False) as client:
                subscribe(client, self._partition.topic_filter)
            with translated_errors(), connection.transaction():
                save_session(connection, self._partition.number, self._current, now)
            self._opened_at = now
        elif self._catch_up.caught_up_at and self._catch_up.caught_up_at >= self._opened_at + _OVERLAP:
            with translated_errors(), connection.transaction():
                mark_session_drained(connection, self._partition.number, self._receiver.client_id)
                self.restore(connection)
            self._catch_up.note_subscription(now, subscribed=False)
            self._receiver.repeats, self._opened_at = True, now
            self._end_drained(connection)


def _told(gap: SessionGap) -> str:
    """Return a lost span in the city's time, with the number of readings in it."""
    began, ended = local_time_zh(gap.began_at), local_time_zh(gap.ended_at)
    return f"{began}至{ended}之间的数据可能缺失，按设备上报周期估计最多 {gap.readings:,} 条读数"
