"""Change of the number of partitions, once no message waits in any session."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing

from paho.mqtt.client import Client, MQTTMessage

from ingest.broker_client import connected, loop_until, subscribe
from ingest.partition import Partition
from store.admin.locks import (
    acquire_partition_lock,
    connect_for_locks,
    partition_count,
    rank_among_members,
    set_partition_count,
)
from store.database import Connection

_CLEAR_S = 5.0
# Longer than the broker waits for an acknowledgement (`ack_wait`, 10 s) before it sends a message again.
_LISTEN_S = 13.0
_QUIET_S = 2.0


class NotDrainedError(Exception):
    """An ingest is running, or a message waits; nothing was changed."""


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
        old = [Partition(number, before) for number in range(before)]
        progress(f"looking for {_LISTEN_S:.0f} s whether anything waits in {before} sessions")
        if waiting := _sessions_with_messages(mqtt_url, old):
            raise NotDrainedError(
                f"messages wait in {', '.join(waiting)}. Keep the publishers away, start `anju ingest --partitions "
                f"{before}` again, and wait until `anju doctor` says that every partition is up to date"
            )
        retained = {topic for partition in old for topic in _end_session(mqtt_url, partition)}
        if publish_url and retained:
            _clear(publish_url, retained)
            # An account that may not publish for a real device gets an acknowledgement all the same.
            left = {topic for partition in old for topic in _end_session(mqtt_url, partition)}
        else:
            left = retained
        for number in range(count):
            _open_session(mqtt_url, Partition(number, count))
        set_partition_count(connection, count)
    progress(
        f"{before} sessions were empty and have ended, {count} stand; "
        f"{len(retained - left)} retained states cleared, {len(left)} left under the old topics"
    )


def _keep_others_out(connection: Connection, count: int) -> None:
    _, members = rank_among_members(connection, member=0)
    owned = [acquire_partition_lock(connection, partition=number) for number in range(count)]
    if members or not all(owned):
        raise NotDrainedError("an `anju ingest` is still running on this database: stop all of them first")


def _sessions_with_messages(url: str, partitions: Sequence[Partition]) -> list[str]:
    """Return the sessions in which a message waits. Nothing is acknowledged, so the messages stay there."""
    waiting: set[str] = set()
    with ExitStack() as stack:
        clients = {p.client_id: stack.enter_context(connected(url, p.client_id, clean=False)) for p in partitions}
        for name, client in clients.items():
            client.on_message = lambda _client, _data, _message, name=name: waiting.add(name)
        until = time.monotonic() + _LISTEN_S
        while time.monotonic() < until and len(waiting) < len(clients):
            for client in clients.values():
                client.loop(0.05)
    return sorted(waiting)


def _end_session(url: str, partition: Partition) -> set[str]:
    """End a session at the broker and return the topics of the retained messages under its filter."""
    retained: set[str] = set()
    quiet_since = time.monotonic()

    def note(_client: Client, _data: object, message: MQTTMessage) -> None:
        nonlocal quiet_since
        quiet_since = time.monotonic()
        retained.add(message.topic)

    with connected(url, partition.client_id, clean=True) as client:
        client.on_message = note
        subscribe(client, partition.topic_filter)
        while time.monotonic() < quiet_since + _QUIET_S:
            client.loop(0.1)
    return retained


def _open_session(url: str, partition: Partition) -> None:
    """Open the session of a partition, so that the broker keeps its messages from now on."""
    with connected(url, partition.client_id, clean=True):
        pass
    with connected(url, partition.client_id, clean=False) as client:
        subscribe(client, partition.topic_filter)


def _clear(url: str, topics: set[str]) -> None:
    """Clear the retained messages of these topics."""
    with connected(url, "anju-repartition", clean=True) as client:
        sent = [client.publish(topic, b"", qos=1, retain=True) for topic in topics]
        loop_until(client, lambda: all(each.is_published() for each in sent), _CLEAR_S + len(sent) / 100)
