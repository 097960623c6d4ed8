"""Change of the number of partitions, once no message waits in any session."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import NamedTuple

from paho.mqtt.client import Client, MQTTMessage

from devices.broker_url import BrokerUrl
from ingest.broker_client import connected, loop_until, subscribe
from ingest.partition import Partition
from store.admin.locks import (
    acquire_partition_lock,
    connect_for_locks,
    partition_count,
    rank_among_members,
    set_partition_count,
)
from store.admin.sessions import load_sessions, replace_sessions
from store.database import Connection, translated_errors

_CLEAR_S = 5.0
# Longer than the broker waits for an acknowledgement (`ack_wait`, 10 s) before it sends a message again.
_LISTEN_S = 13.0
_QUIET_S = 2.0


class NotDrainedError(Exception):
    """An ingest is running, or a message waits; nothing was changed."""


class PartitionSession(NamedTuple):
    """Session of a partition with the broker."""

    partition: Partition
    client_id: str


def repartition(
    database_url: str, mqtt_url: str, publish_url: str | None, count: int, progress: Callable[[str], None]
) -> None:
    """End the sessions of the current partitions, open the sessions of the new ones, and store their number.

    No device may publish from before the call until the broker maps to the new number. Retained states under the old
    topics are cleared as far as `publish_url` names an account that may do so; the others are rejected at each start.

    Raises:
        NotDrainedError: an ingest is running, or a message waits.
        BrokerUnavailableError: the broker can't be reached, or refuses. Call again: half the work does no harm.
        DatabaseUnavailableError: the database is away.
    """
    with closing(connect_for_locks(database_url, application_name="anju ingest repartition")) as connection:
        before = partition_count(connection)
        if before is None:
            raise NotDrainedError("there is nothing to change: the first `anju ingest` decides the number")
        _keep_others_out(connection, max(before, count))
        secret = BrokerUrl.parse(mqtt_url).password
        old = [PartitionSession(p, id_) for p in _partitions(before) for id_ in _client_ids(connection, p, secret)]
        new = [PartitionSession(p, p.client_id(secret)) for p in _partitions(count)]
        progress(f"looking for {_LISTEN_S:.0f} s whether anything waits in {len(old)} sessions")
        if waiting := _partitions_with_messages(mqtt_url, old):
            raise NotDrainedError(
                f"messages wait in the session of partition {', '.join(map(str, waiting))}. Keep the publishers away, "
                f"start `anju ingest --partitions {before}` again, and wait until `anju doctor` says that every "
                "partition is up to date"
            )
        retained = {topic for session in old for topic in _end_session(mqtt_url, session)}
        if publish_url and retained:
            _clear(publish_url, retained)
            # An account that may not publish for a real device gets an acknowledgement all the same.
            left = {topic for session in old for topic in _end_session(mqtt_url, session)}
        else:
            left = retained
        for session in new:
            _open_session(mqtt_url, session)
        with translated_errors(), connection.transaction():
            set_partition_count(connection, count)
            replace_sessions(connection, [(each.partition.number, each.client_id) for each in new], datetime.now(UTC))
    progress(
        f"{len(old)} sessions were empty and have ended, {count} stand; "
        f"{len(retained - left)} retained states cleared, {len(left)} left under the old topics"
    )


def _keep_others_out(connection: Connection, count: int) -> None:
    _, members = rank_among_members(connection, member=0)
    owned = [acquire_partition_lock(connection, partition=number) for number in range(count)]
    if members or not all(owned):
        raise NotDrainedError("an `anju ingest` is still running on this database: stop all of them first")


def _partitions(count: int) -> Iterator[Partition]:
    return (Partition(number, count) for number in range(count))


def _client_ids(connection: Connection, partition: Partition, secret: str) -> set[str]:
    """Return the client ids of all sessions of a partition, former ones included."""
    with translated_errors():
        return {each.client_id for each in load_sessions(connection, partition.number)} | {partition.client_id(secret)}


def _partitions_with_messages(url: str, sessions: Sequence[PartitionSession]) -> list[int]:
    """Return the partitions for which a message waits. Nothing is acknowledged, so the messages stay there."""
    waiting: set[int] = set()
    with ExitStack() as stack:
        clients = [(each, stack.enter_context(connected(url, each.client_id, clean=False))) for each in sessions]
        for session, client in clients:
            number = session.partition.number
            client.on_message = lambda _client, _data, _message, number=number: waiting.add(number)
        until = time.monotonic() + _LISTEN_S
        while time.monotonic() < until and len(waiting) < len(clients):
            for _, client in clients:
                client.loop(0.05)
    return sorted(waiting)


def _end_session(url: str, session: PartitionSession) -> set[str]:
    """End a session at the broker and return the topics of the retained messages under its filter."""
    retained: set[str] = set()
    quiet_since = time.monotonic()

    def note(_client: Client, _data: object, message: MQTTMessage) -> None:
        nonlocal quiet_since
        quiet_since = time.monotonic()
        retained.add(message.topic)

    with connected(url, session.client_id, clean=True) as client:
        client.on_message = note
        subscribe(client, session.partition.topic_filter)
        while time.monotonic() < quiet_since + _QUIET_S:
            client.loop(0.1)
    return retained


def _open_session(url: str, session: PartitionSession) -> None:
    """Open the session of a partition, so that the broker keeps its messages from now on."""
    with connected(url, session.client_id, clean=True):
        pass
    with connected(url, session.client_id, clean=False) as client:
        subscribe(client, session.partition.topic_filter)


def _clear(url: str, topics: set[str]) -> None:
    """Clear the retained messages of these topics."""
    with connected(url, "anju-repartition", clean=True) as client:
        sent = [client.publish(topic, b"", qos=1, retain=True) for topic in topics]
        loop_until(client, lambda: all(each.is_published() for each in sent), _CLEAR_S + len(sent) / 100)
