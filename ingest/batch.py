"""A batch of messages, decoded and sorted into what the store takes."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from devices.payload import Connection, Decoded, FindDevice, Occurrence, Reading, Rejection, decode
from devices.privacy import Pseudonymiser
from devices.schema import Reason
from ingest.receiver import Message
from store.occurrences import ConnectionRow, EventKey, EventRow
from store.readings import Key, ReadingRow


class Item(NamedTuple):
    """One decoded item of a message."""

    message: Message
    decoded: Decoded


class Fresh(NamedTuple):
    """A reading or an event that was not stored before."""

    decoded: Reading | Occurrence
    received_at: datetime


@dataclass(slots=True)
class Batch:
    """The items of some messages in order of arrival, sorted by where they go."""

    items: list[Item] = field(default_factory=list)
    readings: dict[str, list[ReadingRow]] = field(default_factory=lambda: defaultdict(list))
    events: list[EventRow] = field(default_factory=list)
    connections: list[ConnectionRow] = field(default_factory=list)
    rejections: list[tuple[Message, Rejection]] = field(default_factory=list)

    def fresh(
        self, new_readings: Mapping[str, AbstractSet[Key] | None], new_events: AbstractSet[EventKey]
    ) -> Iterator[Fresh]:
        """The readings and events that were not stored before, each once, in order of arrival.

        Two readings of one device and time are one row; it is the first that counts, whichever batches they came in.
        Where `new_readings` has None for a kind, all of them are new and of keys of their own.
        """
        seen: set[Key | EventKey] = set()
        for message, decoded in self.items:
            match decoded:
                case Reading(device, ts):
                    new: AbstractSet[Key | EventKey] | None = new_readings[device.kind]
                    key: Key | EventKey = (device.id, ts)
                case Occurrence(device, ts, event, identifier):
                    new, key = new_events, (device.id, ts, event, identifier)
                case _:
                    continue
            if new is not None:
                if key in seen or key not in new:
                    continue
                seen.add(key)
            yield Fresh(decoded, message.received_at)


def decode_batch(messages: Sequence[Message], find_device: FindDevice, pseudonymiser: Pseudonymiser) -> Batch:
    """Decode messages; whatever they hold, each ends as rows to store."""
    batch = Batch()
    for message in messages:
        for decoded in decode(message.topic, message.payload, message.received_at, find_device, pseudonymiser):
            _sort(batch, message, decoded)
    return batch


def _sort(batch: Batch, message: Message, decoded: Decoded) -> None:
    received_at = message.received_at
    batch.items.append(Item(message, decoded))
    match decoded:
        case Reading(device, ts, values):
            batch.readings[device.kind].append(ReadingRow(device.id, ts, received_at, values))
        case Occurrence(device, ts, event, identifier, data):
            batch.events.append(EventRow(device.id, ts, received_at, event, identifier, data))
        case Connection(device, ts, state):
            at = ts if ts is not None or message.redelivered else received_at
            batch.connections.append(ConnectionRow(device.id, at, received_at, state))
        case Rejection():
            batch.rejections.append((message, decoded))


def has_unknown_device(batch: Batch) -> bool:
    """Whether a device was not in the registry that the batch was decoded with."""
    return any(rejection.reason is Reason.UNKNOWN_DEVICE for _, rejection in batch.rejections)


def last_seen(batch: Batch) -> dict[int, datetime]:
    """When each device of the batch was heard last."""
    return {
        decoded.device.id: message.received_at for message, decoded in batch.items if not isinstance(decoded, Rejection)
    }
